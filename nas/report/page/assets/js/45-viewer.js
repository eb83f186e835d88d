'use strict';

// A picture in a frame that scrolls, with buttons that make it larger and smaller.
(function (app) {
  const STEP = 1.25;
  const LEAST = 0.2;
  const MOST = 4;

  const nature = (svg) => {
    const [, , width, height] = (svg.getAttribute('viewBox') || '0 0 300 150').split(/[\s,]+/).map(Number);
    return { width, height };
  };

  /** `svg` in its frame; it begins at its own size, or smaller where the frame is narrow, but stays readable. */
  app.viewer = (svg, label, name) => {
    let scale = null;
    const frame = app.h('div', { class: 'frame', tabindex: 0, role: 'region', 'aria-label': `${label}, scrolls` }, svg);
    const apply = () => {
      const { width, height } = nature(svg);
      svg.setAttribute('width', Math.round(width * scale));
      svg.setAttribute('height', Math.round(height * scale));
    };
    const zoom = (factor) => {
      scale = Math.min(MOST, Math.max(LEAST, (scale || 1) * factor));
      apply();
    };
    const fit = (least = LEAST) => {
      scale = Math.min(1, Math.max(least, (frame.clientWidth - 2) / nature(svg).width));
      apply();
    };
    new ResizeObserver(() => scale === null && frame.clientWidth && fit(0.65)).observe(frame);
    const node = app.h(
      'div',
      { class: 'viewer' },
      frame,
      app.h(
        'div',
        { class: 'tools' },
        app.button('+', () => zoom(STEP), { 'aria-label': `Larger: ${label}` }),
        app.button('−', () => zoom(1 / STEP), { 'aria-label': `Smaller: ${label}` }),
        app.button('Fit', () => fit(), { 'aria-label': `Fit into the frame: ${label}` }),
        app.saver(
          'Save SVG',
          () => `${name}.svg`,
          () => standalone(svg),
          'image/svg+xml',
        ),
      ),
    );
    return node;
  };

  /** The picture with its colours written out: variables of this page mean nothing elsewhere. */
  const standalone = (svg) => {
    const copy = svg.cloneNode(true);
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    const before = svg.querySelectorAll('rect, path, text');
    copy.querySelectorAll('rect, path, text').forEach((node, i) => {
      const style = getComputedStyle(before[i]);
      node.setAttribute(
        'style',
        `fill:${style.fill};stroke:${style.stroke};stroke-width:${style.strokeWidth};font-family:${style.fontFamily.replace(/"/g, "'")}`,
      );
    });
    return new XMLSerializer().serializeToString(copy);
  };
})(window.nasReport);
