'use strict';

// The header, and the bar with the way to every section.
(function (app) {
  const { h } = app;
  const STATES = { running: 'running', ended: 'ended', stopped: 'can be resumed' };

  const drawHeader = (header) => {
    const { data } = app.model;
    const space = [data.space.name, data.space.about].filter(Boolean).join(': ');
    app.show(
      header,
      h(
        'div',
        { class: 'head' },
        h('p', { class: 'kicker' }, 'nas: neural architecture search'),
        h(
          'h1',
          {},
          h('bdi', {}, app.cut(data.name, 120)),
          ' ',
          h('span', { class: `pill ${data.state}` }, STATES[data.state] || data.state),
        ),
        h('p', { class: 'why' }, app.cut(data.why || '', 400)),
      ),
      app.pairs(data.summary, { class: 'pairs tiles' }),
      data.verdict ? h('p', { class: 'verdict' }, data.verdict) : null,
      (data.notes || []).map((note) => h('p', { class: 'note' }, note)),
      h(
        'p',
        { class: 'about' },
        `Space ${app.cut(space, 300)} ${data.space.count ? `(${data.space.count} networks). ` : ''}`,
        data.proxy ? `Candidates were trained as: ${data.proxy}. ` : '',
        `Made ${stamp(data.made)}.`,
      ),
    );
  };

  const stamp = (iso) => {
    const time = new Date(iso);
    return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  };

  app.startHeader = () => {
    const header = document.getElementById('top');
    drawHeader(header);
    app.on('data', () => drawHeader(header));
  };

  /** Says which section is on the screen. */
  const follow = (links) => {
    const seen = new Map();
    const observer = new IntersectionObserver(
      (entries) => {
        entries.forEach((entry) => seen.set(entry.target.id, entry.isIntersecting));
        const current = app.sections.find((section) => seen.get(section.id));
        links.forEach((link) =>
          link.hash === `#${current?.id}` ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current'),
        );
      },
      { rootMargin: '-60px 0px -60% 0px' },
    );
    app.sections.forEach((section) => observer.observe(document.getElementById(section.id)));
  };

  app.startNav = () => {
    const nav = document.getElementById('nav');
    const links = app.sections.map((section) => h('a', { href: `#${section.id}` }, section.title));
    const chip = app.button(
      '',
      () => {
        document.getElementById('filter-text').focus();
      },
      { class: 'chip', hidden: true },
    );
    const live = h('span', { class: 'live', id: 'live', hidden: true });
    app.show(nav, h('div', { class: 'links' }, links), h('div', { class: 'side' }, chip, live, app.themeButton()));
    const tell = () => {
      chip.hidden = !app.isFiltered();
      chip.textContent = `Filter: ${app.format.whole(app.shown().length)} of ${app.format.whole(app.model.trials.length)}`;
    };
    app.on('filter data', tell);
    follow(links);
  };
})(window.nasReport);
