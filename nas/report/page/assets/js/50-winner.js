'use strict';

// The network that the search found.
(function (app) {
  const { h, format } = app;

  const svgOf = (text) => {
    const parsed = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
    if (!parsed.hasAttribute('viewBox'))
      parsed.setAttribute('viewBox', `0 0 ${parseFloat(parsed.getAttribute('width'))} ${parseFloat(parsed.getAttribute('height'))}`);
    return document.importNode(parsed, true);
  };

  const COSTS = [
    ['params', 'parameters'],
    ['macs', 'multiply-adds'],
    ['activations', 'activations'],
  ];

  const facts = (winner, row) => {
    const pairs = app.model.goals.map((goal, i) => [goal.label, format.value(goal, row ? row.values[i] : null)]);
    const cost = winner.cost || {};
    const goals = new Set(app.model.goals.map((goal) => goal.name));
    for (const [key, label] of COSTS) {
      if (!goals.has(key) && Number.isFinite(cost[key])) pairs.push([label, format.count(cost[key])]);
    }
    if (row?.latency !== null && row?.latency !== undefined) pairs.push(['latency', `${format.number(row.latency)} ms`]);
    if (row) pairs.push(['made by', row.how || 'unknown'], ['trained in', format.seconds(row.seconds)]);
    return app.pairs(pairs, { class: 'pairs tiles' });
  };

  const draw = (body) => {
    const { winner } = app.model.data;
    if (!winner) {
      app.show(
        body,
        app.missing(
          app.model.data.state === 'running'
            ? 'No candidate has finished yet; the first that does stands here.'
            : 'No candidate finished, so there is no winner. Failures by reason stand below.',
        ),
      );
      return;
    }
    const row = app.model.byNumber.get(winner.trial);
    const svg = winner.svg && (winner.svg[app.theme()] || winner.svg.light);
    app.show(
      body,
      h(
        'p',
        {},
        app.trialLink(winner.trial, `Trial ${winner.trial}`),
        winner.from ? ` is the best network of this search, saved as ${winner.from}.` : ' is the best network of this search.',
      ),
      facts(winner, row),
      svg ? app.viewer(svgOf(svg), 'Cells and stages of the winner', `${app.model.data.name}-best`) : null,
      winner.command ? h('div', {}, h('h3', {}, 'Train it in full'), app.command(winner.command)) : null,
      h(
        'details',
        {},
        h('summary', {}, 'Its YAML'),
        app.yamlBox(winner.yaml, () => `${app.model.data.name}-best.yaml`),
      ),
    );
  };

  /** YAML with the buttons to copy and to save it. */
  app.yamlBox = (yaml, name) =>
    h(
      'div',
      { class: 'yaml' },
      h(
        'div',
        { class: 'tools' },
        app.copier('Copy YAML', () => yaml),
        app.saver('Save YAML', name, () => yaml, 'application/yaml'),
      ),
      h('pre', { tabindex: 0, role: 'region', 'aria-label': 'YAML' }, h('code', {}, yaml)),
    );

  app.section('winner', 'Winner', 'What was found', (body) => {
    let shown = null;
    const again = () => {
      const now = app.theme() + JSON.stringify(app.model.data.winner);
      if (now !== shown) draw(body);
      shown = now;
    };
    app.on('data theme', again);
    again();
  });
})(window.nasReport);
