'use strict';

// Every trial as value against cost, or one goal against another.
(function (app) {
  const { h, format } = app;

  const spans = (rows, get) => {
    const values = rows.map(get).filter((value) => value !== null);
    return values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  };

  const stateOf = (row) =>
    row.stopped !== null ? 'stopped early' : row.cut ? 'cut off by the budget' : row.comparable ? 'complete' : 'at lower fidelity';

  // What marks can be coloured by: a text a group, or a number on a scale.
  const COLOURS = {
    how: { label: 'made by', group: (row) => (row.reference ? 'reference' : row.how || 'unknown') },
    order: { label: 'order of completion', number: (row) => row.order },
    state: { label: 'state', group: stateOf },
    seconds: { label: 'device time', number: (row) => row.seconds },
    where: { label: 'device', group: (row) => row.where || 'unknown' },
    params: { label: 'parameters', number: (row) => row.params },
  };

  const SIZES = [
    ['', 'all alike'],
    ['params', 'parameters'],
    ['macs', 'MACs'],
    ['seconds', 'device time'],
  ];

  const sizer = (rows) => {
    if (!app.state.size) return () => 8;
    const [, most] = spans(rows, (row) => row[app.state.size]);
    return (row) => 5 + 19 * Math.sqrt((row[app.state.size] || 0) / (most || 1));
  };

  const axes = () => [app.measure(app.state.x), app.measure(app.state.y)];

  const hover = (row) => {
    const measures = app.model.measures
      .filter((measure) => measure.get(row) !== null)
      .map((measure) => `${format.label(measure.label, 60)} ${measure.show(measure.get(row))}`);
    return [
      `<b>trial ${row.number}</b>, ${format.label(row.how || 'unknown', 40)}`,
      ...measures,
      stateOf(row) === 'complete' ? null : stateOf(row),
    ]
      .filter(Boolean)
      .join('<br>');
  };

  const marks = (rows, name, marker, extra = {}) => {
    const [x, y] = axes();
    return {
      type: 'scatter',
      mode: 'markers',
      name: format.label(name, 40),
      x: rows.map(x.get),
      y: rows.map(y.get),
      customdata: rows.map((row) => row.number),
      hovertext: rows.map(hover),
      hoverinfo: 'text',
      marker,
      ...extra,
    };
  };

  const ring = () => ({ width: 1, color: app.ink('card') });

  const groups = (rows, colour, size) => {
    const names = [...new Set(app.model.trials.map(colour.group))].sort();
    return names.map((name, i) => {
      const kept = rows.filter((row) => colour.group(row) === name);
      return kept.length
        ? marks(kept, name, {
            color: app.hue(i),
            symbol: app.SYMBOLS[i % app.SYMBOLS.length],
            size: kept.map(size),
            opacity: 0.8,
            line: ring(),
          })
        : null;
    });
  };

  const scaled = (rows, colour, size) => [
    marks(rows, 'trials', {
      color: rows.map(colour.number),
      colorscale: 'Cividis',
      cmin: spans(app.model.trials, colour.number)[0],
      cmax: spans(app.model.trials, colour.number)[1],
      size: rows.map(size),
      opacity: 0.9,
      line: ring(),
      colorbar: {
        title: { text: colour.label, side: 'right', font: { size: 11 } },
        thickness: 10,
        len: 0.7,
        tickformat: '~s',
        outlinewidth: 0,
      },
    }),
  ];

  const frontTrace = (rows) => {
    const [x, y] = axes();
    const { front } = app.model.data;
    const own = front && x.key.startsWith('goal') && y.key.startsWith('goal');
    const kept = own
      ? app.front(
          rows.filter((row) => front.includes(row.number)),
          x,
          y,
        )
      : app.front(
          rows.filter((row) => row.contender),
          x,
          y,
        );
    if (kept.length < 2) return null;
    return {
      type: 'scatter',
      mode: 'lines',
      name: 'Pareto front',
      x: kept.map(x.get),
      y: kept.map(y.get),
      hoverinfo: 'skip',
      line: { shape: x.maximise ? 'vh' : 'hv', dash: 'dash', width: 1.8, color: app.ink('text') },
    };
  };

  const ofBaseline = (measure, item) =>
    measure.key.startsWith('goal') ? ((item.values || [item.value])[Number(measure.key.slice(4))] ?? null) : (item[measure.key] ?? null);

  const saidBaseline = (item, x, y) => {
    const line = (measure) => `${format.label(measure.label, 60)} ${measure.show(ofBaseline(measure, item))}`;
    return [`<b>${format.label(item.name, 60)}</b>, hand-designed`, line(x), line(y)].join('<br>');
  };

  const baselineTrace = () => {
    const [x, y] = axes();
    const known = app.model.data.baselines.filter((item) => ofBaseline(x, item) !== null && ofBaseline(y, item) !== null);
    if (!known.length) return null;
    return {
      type: 'scatter',
      mode: 'markers+text',
      name: 'hand-designed',
      x: known.map((item) => ofBaseline(x, item)),
      y: known.map((item) => ofBaseline(y, item)),
      text: known.map((item) => format.label(item.name, 24)),
      textposition: 'top center',
      textfont: { size: 11, color: app.ink('text') },
      marker: { symbol: 'star', size: 14, color: app.ink('card'), line: { width: 2, color: app.hue(1) } },
      hoverinfo: 'text',
      hovertext: known.map((item) => saidBaseline(item, x, y)),
    };
  };

  const ringed = (number, name, marker) => {
    const row = app.model.byNumber.get(number);
    const [x, y] = axes();
    if (!row || x.get(row) === null || y.get(row) === null) return null;
    return marks([row], name, { size: 19, symbol: 'circle-open', color: app.ink('text'), line: { width: 2.5 }, ...marker });
  };

  /** Failed trials have no value: they stand in a row under all others, where they have a cost. */
  const failures = (rows, floor) => {
    const [x, y] = axes();
    const kept = y.key.startsWith('goal') ? rows.filter((row) => row.state === 'F' && x.get(row) !== null) : [];
    if (!kept.length) return null;
    const said = (row) => `<b>trial ${row.number}</b> failed<br>${format.label(row.reason || 'no reason recorded', 90)}`;
    return {
      ...marks(kept, 'failed', { symbol: 'x-thin', size: 8, line: { width: 1.6, color: app.hue(7) } }),
      y: kept.map(() => floor),
      hovertext: kept.map(said),
    };
  };

  /** What the axis of values begins with: all that is drawn, or all but a few that lie far out. */
  const focusOf = (drawn, y) => {
    if (y.log || !y.key.startsWith('goal')) return { axis: {}, notes: [] };
    const values = drawn.map(y.get);
    const others = app.model.data.baselines.map((item) => ofBaseline(y, item)).filter((value) => value !== null);
    return app.focused(values, others, y.goal);
  };

  const floorOf = (drawn, y, range) => {
    if (range) return range[0] + 0.03 * (range[1] - range[0]);
    const [low, high] = spans(drawn, y.get);
    return low - 0.06 * (high - low || Math.abs(low) || 1);
  };

  const build = () => {
    const [x, y] = axes();
    const drawn = app.shown().filter((row) => row.judged && x.get(row) !== null && y.get(row) !== null);
    if (!app.model.trials.some((row) => row.judged)) return { missing: app.missing('No candidate has finished with a value yet.') };
    if (!app.model.trials.some((row) => row.judged && x.get(row) !== null))
      return {
        missing: app.missing(
          `No trial has its ${app.cut(x.label, 60)} recorded.`,
          x.key === 'latency' ? app.model.data.hints.latency : null,
        ),
      };
    const size = sizer(drawn);
    const colour = COLOURS[app.state.colour];
    const even = app.state.colour === 'state' ? drawn : drawn.filter((row) => row.comparable);
    const rest = app.state.colour === 'state' ? [] : drawn.filter((row) => !row.comparable);
    const focus = focusOf(drawn, y);
    const traces = [
      rest.length
        ? marks(rest, 'not comparable', {
            color: 'rgba(0,0,0,0)',
            size: rest.map(size),
            line: { width: 1, color: app.ink('muted') },
            opacity: 0.6,
          })
        : null,
      ...(colour.group ? groups(even, colour, size) : scaled(even, colour, size)),
      frontTrace(drawn),
      failures(app.shown(), floorOf(drawn, y, focus.axis.range)),
      baselineTrace(),
      ringed(app.model.winner, 'winner', { symbol: 'star-open', color: app.hue(2), size: 20 }),
      app.state.selected === null ? null : ringed(app.state.selected, 'selected', {}),
    ].filter(Boolean);
    const layout = { xaxis: axisOf(x), yaxis: { ...axisOf(y), ...focus.axis }, annotations: focus.notes };
    return { traces, layout: { uirevision: `${app.state.x} ${app.state.y}`, ...layout } };
  };

  const axisOf = (measure) => ({
    title: format.label(measure.label, 60) + (measure.goal.unit === 'ms' ? ', ms' : measure.goal.unit === 's' ? ', seconds' : ''),
    type: measure.log ? 'log' : 'linear',
    ...(measure.log ? { exponentformat: 'SI', tickformat: '~s' } : { tickformat: measure.goal.fraction ? '.1%' : '~s' }),
    nticks: 7,
  });

  const set = (key) => (value) => {
    app.state[key] = value;
    app.emit('view');
  };

  const measures = () => app.model.measures.map((measure) => [measure.key, measure.short]);
  const colours = () => Object.entries(COLOURS).map(([key, item]) => [key, item.label]);

  const controls = () => {
    const across = app.selector('across', measures(), app.state.x, set('x'));
    const up = app.selector('up', measures(), app.state.y, set('y'));
    app.on('data', () => {
      app.reoption(across, measures(), app.state.x);
      app.reoption(up, measures(), app.state.y);
    });
    const rest = [
      app.selector('colour', colours(), app.state.colour, set('colour')),
      app.selector('size', SIZES, app.state.size, set('size')),
    ];
    return h('div', { class: 'bar' }, across, up, rest);
  };

  app.section('trials', 'Trials', 'Every trial', (body) => {
    const label = 'Every trial, its value against its cost; the table below holds the same';
    const chart = app.chart({ id: 'scatter', label, build, height: 520 }, 'data filter theme view selection');
    const how = 'Click a point to see its architecture. Drag to zoom, double-click to see all again.';
    app.show(body, app.filterControls(), controls(), chart.node, h('p', { class: 'caption' }, how), app.trialTable());
  });
})(window.nasReport);
