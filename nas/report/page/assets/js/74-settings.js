'use strict';

// Everything that is needed to run it again.
(function (app) {
  const { h } = app;

  const two = (title, pairs, head) =>
    h(
      'div',
      {},
      h('h3', {}, title),
      app.table(
        head,
        pairs.map(([name, value]) => [name, app.cut(String(value), 400)]),
        title,
      ),
    );

  const content = () => {
    const { data } = app.model;
    return [
      h('h3', {}, 'The command'),
      app.command(data.command),
      h(
        'div',
        { class: 'halves' },
        two('Settings', data.settings, ['setting', 'value']),
        two('Versions', data.versions, ['what', 'version']),
      ),
      data.run_yaml
        ? h(
            'details',
            {},
            h('summary', {}, 'run.yaml'),
            app.yamlBox(data.run_yaml, () => 'run.yaml'),
          )
        : null,
    ];
  };

  app.section('settings', 'Settings', 'How to run it again', (body) => {
    let shown = null;
    app.on('data', () => again());
    const again = () => {
      const { settings, versions, command, run_yaml } = app.model.data;
      const now = JSON.stringify([settings, versions, command, run_yaml]);
      // Settings seldom change: what is open or marked there is left alone.
      if (now !== shown) app.show(body, content());
      shown = now;
    };
    again();
  });
})(window.nasReport);
