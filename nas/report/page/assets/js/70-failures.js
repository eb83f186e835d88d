'use strict';

// What went wrong, by reason.
(function (app) {
  const { h, format } = app;
  const SHOWN = 8;

  const groups = (rows) => {
    const found = new Map();
    for (const row of rows) {
      const kind = row.kind || row.reason || 'no reason recorded';
      if (found.has(kind)) found.get(kind).push(row);
      else found.set(kind, [row]);
    }
    return [...found].sort((a, b) => b[1].length - a[1].length);
  };

  const links = (rows) => [
    rows.slice(0, SHOWN).map((row) => [app.trialLink(row.number, String(row.number)), ' ']),
    rows.length > SHOWN ? `and ${rows.length - SHOWN} more` : '',
  ];

  const example = (rows) =>
    h(
      'details',
      {},
      h('summary', {}, app.cut(rows[0].reason || 'no reason recorded', 100)),
      h('pre', { tabindex: 0 }, rows[0].reason || 'no reason recorded'),
    );

  const content = () => {
    const failed = app.shown().filter((row) => row.state === 'F');
    const { trials } = app.model;
    if (!failed.length) {
      const any = trials.some((row) => row.state === 'F');
      return h('p', {}, any ? 'None of the trials that are shown failed.' : trials.length ? 'No trial failed.' : 'No trial has begun yet.');
    }
    const found = groups(failed);
    const rows = found.map(([kind, kept]) => [
      app.cut(kind, 120),
      String(kept.length),
      app.meter(kept.length / failed.length),
      links(kept),
      example(kept),
    ]);
    return [
      h('p', {}, `${format.whole(failed.length)} of ${format.many(app.shown().length, 'trial')} failed.`),
      app.table(['reason', ['trials', 'number'], 'share of failures', 'which', 'for instance'], rows, 'Failures by reason'),
    ];
  };

  /** A share as a bar with its number beside it. */
  app.meter = (share, colour = 'accent') =>
    h(
      'span',
      { class: 'meter' },
      h(
        'span',
        { class: 'track', 'aria-hidden': 'true' },
        h('span', { class: 'fill', style: `width:${Math.min(100, 100 * share)}%;background:var(--${colour})` }),
      ),
      h('span', {}, format.percent(share)),
    );

  app.section('failures', 'Failures', 'What failed, and why', (body) => {
    const again = () => app.show(body, content());
    app.on('data filter', again);
    again();
  });
})(window.nasReport);
