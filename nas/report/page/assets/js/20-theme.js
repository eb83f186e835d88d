'use strict';

// Light and dark. The colours of the page stand in page.css; those of charts are read from there, those of pictures from the data.
(function (app) {
  const root = document.documentElement;
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const THEMES = ['auto', 'light', 'dark'];

  // Okabe and Ito's hues, darkened for white and lightened for black until a mark keeps a contrast of 3.
  const HUES = {
    light: ['#0072b2', '#c25100', '#007a58', '#b0578c', '#8a6d00', '#6b4c9a', '#2f8fc4', '#b5123b', '#555d67'],
    dark: ['#56b4e9', '#f39a62', '#2fc79b', '#e08fc0', '#e5d84a', '#b39ddb', '#8fd0f5', '#ff7f9a', '#a7b0ba'],
  };
  // Colour is never the only thing that tells marks apart.
  app.SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up', 'pentagon', 'triangle-down', 'hexagon', 'star-square', 'bowtie'];

  app.theme = () => root.dataset.theme;
  app.hue = (i) => HUES[app.theme()][i % HUES[app.theme()].length];

  /** A colour of page.css by its name. */
  app.ink = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

  /** The families' colours become variables, so that pictures follow the theme without being drawn again. */
  app.paintFamilies = () => {
    for (const family of app.model.data.families || []) {
      const paint = family[app.theme()] || family.light;
      root.style.setProperty(`--family-${family.key}-fill`, paint.fill);
      root.style.setProperty(`--family-${family.key}-stroke`, paint.stroke);
      root.style.setProperty(`--family-${family.key}-text`, paint.text || app.ink('text'));
    }
  };

  app.family = (key) => (app.model.data.families || []).find((family) => family.key === key) || { key: 'block', name: 'other' };
  app.familyColour = (key) => app.ink(`family-${key}-stroke`) || app.ink('muted');

  /** A colour `share` of the way to another; both as #rrggbb. */
  app.mix = (from, to, share) => {
    const channels = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    const other = channels(to);
    return `#${channels(from)
      .map((value, i) =>
        Math.round(value + (other[i] - value) * share)
          .toString(16)
          .padStart(2, '0'),
      )
      .join('')}`;
  };

  const remember = (wish) => {
    try {
      localStorage.setItem('nas-theme', wish);
    } catch {
      // Storage may be forbidden for pages from disk; then the choice lasts as long as the page.
    }
  };

  const recall = () => {
    try {
      const wish = localStorage.getItem('nas-theme');
      return THEMES.includes(wish) ? wish : 'auto';
    } catch {
      return 'auto';
    }
  };

  const apply = (wish = app.state.theme) => {
    root.dataset.theme = wish === 'auto' ? (prefersDark.matches ? 'dark' : 'light') : wish;
    app.paintFamilies();
    app.emit('theme');
  };

  /** 'auto' follows the system. */
  app.setTheme = (wish) => {
    app.state.theme = wish;
    remember(wish);
    apply();
  };

  const NAMES = { auto: ['◐ Auto', 'as the system'], light: ['☀ Light', 'light'], dark: ['☾ Dark', 'dark'] };

  app.themeButton = () => {
    const button = app.button('', () => app.setTheme(THEMES[(THEMES.indexOf(app.state.theme) + 1) % THEMES.length]), {
      class: 'theme',
      id: 'theme',
    });
    const name = () => {
      const [text, said] = NAMES[app.state.theme];
      button.textContent = text;
      button.setAttribute('aria-label', `Theme: ${said}`);
    };
    app.on('theme', name);
    name();
    return button;
  };

  /** Show a theme without choosing it; without a name the chosen one. */
  app.showTheme = apply;

  app.startTheme = () => {
    app.state.theme = recall();
    prefersDark.addEventListener('change', () => app.state.theme === 'auto' && apply());
    apply();
  };
})(window.nasReport);
