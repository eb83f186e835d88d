'use strict';

// How often each operation was tried, as the search went on.
(function (app) {
  const { h, format } = app;
  const WINDOWS = 30;
  const LEAST = 5;
  let which = '';

  const operationDecisions = () =>
    app.model.data.space.decisions.map((decision, i) => [decision, i]).filter(([decision]) => decision.kind === 'operation');

  const chosen = () => {
    const all = operationDecisions();
    if (which === '' && all.length) return all;
    const index = Math.min(Number(which) || 0, app.model.data.space.decisions.length - 1);
    return [[app.model.data.space.decisions[index], index]];
  };

  /** Windows of equally many trials, in order of completion: {from, to, counts by label}. */
  const windows = (rows, decisions) => {
    const size = Math.max(LEAST, Math.ceil(rows.length / WINDOWS));
    const made = [];
    for (let start = 0; start < rows.length; start += size) {
      const part = rows.slice(start, start + size);
      // A short rest would jump about: it joins the one before.
      if (part.length < size / 2 && made.length) {
        count(made[made.length - 1], part, decisions);
        continue;
      }
      const found = { counts: new Map(), total: 0, from: start + 1, to: start };
      count(found, part, decisions);
      made.push(found);
    }
    return made;
  };

  const count = (found, rows, decisions) => {
    found.to += rows.length;
    for (const row of rows) {
      for (const [decision, i] of decisions) {
        if (!row.codes[i]) continue;
        const label = app.optionName(decision, row.codes[i] - 1);
        found.counts.set(label, (found.counts.get(label) || 0) + 1);
        found.total += 1;
      }
    }
  };

  const labels = (decisions) => {
    const found = new Map();
    for (const [decision] of decisions)
      decision.options.forEach((_, i) => found.set(app.optionName(decision, i), decision.families?.[i] ?? null));
    const order = (app.model.data.families || []).map((family) => family.key);
    return [...found].sort((a, b) => order.indexOf(a[1]) - order.indexOf(b[1]));
  };

  /** Those of one family have its colour, from strong to pale: neighbours differ in lightness, whatever the eye. */
  const paints = (named) => {
    const sizes = new Map();
    named.forEach(([, family]) => sizes.set(family, (sizes.get(family) || 0) + 1));
    const seen = new Map();
    return named.map(([, family], i) => {
      const nth = seen.get(family) || 0;
      seen.set(family, nth + 1);
      if (!family) return app.mix(app.hue(i), app.ink('card'), 0.3 * Math.floor(i / 9));
      return app.mix(app.familyColour(family), app.ink('card'), (0.8 * nth) / sizes.get(family));
    });
  };

  const share = (part, label) => (part.counts.get(label) || 0) / (part.total || 1);

  const said = (part, label) =>
    `${format.label(label, 40)}: ${format.percent(share(part, label))}<br>trials ${part.from} to ${part.to} in order of completion`;

  const build = () => {
    const decisions = chosen();
    const rows = app
      .shown()
      .filter((row) => row.order !== null && row.codes)
      .sort((a, b) => a.order - b.order);
    if (rows.length < 2 || !decisions[0]?.[0]) return { missing: app.missing('Shares over time need two finished trials or more.') };
    const parts = windows(rows, decisions);
    const named = labels(decisions).filter(([label]) => parts.some((part) => part.counts.get(label)));
    const paint = paints(named);
    const traces = named.map(([label], i) => ({
      type: 'scatter',
      mode: 'lines',
      stackgroup: 'all',
      name: format.label(label, 40),
      x: parts.map((part) => (part.from + part.to) / 2),
      y: parts.map((part) => share(part, label)),
      line: { width: 1, color: app.ink('card') },
      fillcolor: paint[i],
      hovertext: parts.map((part) => said(part, label)),
      hoverinfo: 'text',
    }));
    if (parts.length === 1)
      traces.forEach((trace) => {
        trace.x = [parts[0].from, parts[0].to];
        trace.y = [trace.y[0], trace.y[0]];
        trace.hovertext = [trace.hovertext[0], trace.hovertext[0]];
      });
    return {
      traces,
      layout: {
        uirevision: which,
        xaxis: { title: 'trials in order of completion' },
        yaxis: { title: 'share', tickformat: '.0%', range: [0, 1] },
      },
    };
  };

  const options = () => {
    const all = app.model.data.space.decisions.map((decision, i) => [String(i), app.cut(decision.name, 60)]);
    return operationDecisions().length ? [['', 'all operations'], ...all] : all;
  };

  app.section('operations', 'Operations', 'Operations over time', (body) => {
    const chart = app.chart(
      { id: 'operations', label: 'Share of each operation over the trials in order of completion', build, height: 460 },
      'data filter theme view',
    );
    const choose = app.selector('decision', options(), which, (value) => {
      which = value;
      app.emit('view');
    });
    app.show(
      body,
      h('p', { class: 'caption' }, 'What was tried as the search went on: a strategy that learns leaves some options behind.'),
      h('div', { class: 'bar' }, choose),
      chart.node,
    );
    app.on('data', () => app.reoption(choose, options(), which || options()[0][0]));
  });
})(window.nasReport);
