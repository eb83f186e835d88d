'use strict';

// What the budget was, and what it went to.
(function (app) {
  const { h, format } = app;
  const number = (name) => [name, 'number'];

  const stacked = (items) =>
    h(
      'div',
      { class: 'stacked', 'aria-hidden': 'true' },
      items
        .filter((item) => item[3] > 0)
        .map((item, i) =>
          h('span', { style: `flex-grow:${item[3]};background:${app.hue(i)}`, title: `${item[0]}: ${format.percent(item[3])}` }),
        ),
    );

  const shares = (items, title, first) =>
    h(
      'div',
      {},
      h('h3', {}, title),
      app.table(
        [first, number('trials'), number('device time'), 'share'],
        items.map(([name, trials, seconds, share], i) => [
          h(
            'span',
            { class: 'block' },
            h('span', { class: 'swatch', 'aria-hidden': 'true', style: `background:${app.hue(i)}` }),
            app.cut(name, 120),
          ),
          String(trials ?? '–'),
          format.seconds(seconds),
          app.meter(share || 0),
        ]),
        title,
      ),
    );

  const hours = (rows) => {
    const most = Math.max(...rows.map((row) => row[2] || 0), 1e-9);
    const body = rows.map(([iso, trials, seconds]) => [
      String(iso).slice(0, 16).replace('T', ' '),
      String(trials ?? '–'),
      format.seconds(seconds),
      h(
        'span',
        { class: 'meter' },
        h(
          'span',
          { class: 'track', 'aria-hidden': 'true' },
          h('span', { class: 'fill', style: `width:${(100 * (seconds || 0)) / most}%` }),
        ),
      ),
    ]);
    return h(
      'details',
      {},
      h('summary', {}, 'Hour by hour'),
      app.table(['hour (UTC)', number('trials'), number('device time'), ''], body, 'Hour by hour'),
    );
  };

  const content = () => {
    const { ledger } = app.model.data;
    return [
      ledger.limits.length
        ? app.table(
            ['limit', number('budget'), number('spent'), number('in flight'), number('left')],
            ledger.limits.map((row) => row.map((cell) => (cell === null ? '–' : String(cell)))),
            'The budget',
          )
        : app.missing('No limit was set.'),
      (ledger.lines || []).map((line) => h('p', { class: 'caption' }, line)),
      ledger.items.length ? [shares(ledger.items, 'What it went to', 'what'), stacked(ledger.items)] : null,
      ledger.devices.length ? shares(ledger.devices, 'On which devices', 'device') : null,
      (ledger.following || []).length
        ? [
            h('h3', {}, 'What followed the search, apart from the budget'),
            app.table(
              ['run', number('trials'), number('failed'), number('device time')],
              ledger.following.map(([name, trials, failed, seconds]) => [
                app.cut(name, 120),
                String(trials),
                String(failed),
                format.seconds(seconds),
              ]),
              'What followed the search',
            ),
          ]
        : null,
      (ledger.hours || []).length ? hours(ledger.hours) : null,
    ];
  };

  app.section('budget', 'Budget', 'What the budget went to', (body) => {
    const again = () => {
      const open = body.querySelector('details')?.open;
      app.show(body, content());
      if (open && body.querySelector('details')) body.querySelector('details').open = true;
    };
    app.on('data theme', again);
    again();
  });
})(window.nasReport);
