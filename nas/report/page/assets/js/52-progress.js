'use strict';

// How good the best was after how much of the budget, beside random search and hand-designed networks.
(function (app) {
  const { h, format } = app;

  const AXES = {
    clock: { label: 'device-hours', title: 'budget used, device-hours', of: (seconds) => seconds / 3600 },
    ended: { label: 'wall time', title: 'hours since the first trial began', of: (seconds) => seconds / 3600 },
    order: { label: 'trials', title: 'trials finished', of: (order) => order + 1 },
  };

  const axis = () => AXES[app.state.axis];
  const xOf = (item) => (item[app.state.axis] === null || item[app.state.axis] === undefined ? null : axis().of(item[app.state.axis]));
  const goal = () => app.model.goals[0];
  const show = (value) => format.value(goal(), value);

  const inOrder = (items) => items.filter((item) => xOf(item) !== null).sort((a, b) => xOf(a) - xOf(b));
  const endOf = (items) => items.reduce((most, item) => Math.max(most, xOf(item) ?? 0), 0);

  /** A step line through what was better than all before, on to the end of the budget that was used. */
  const step = (items, name, line, end) => {
    const points = app.records(inOrder(items));
    if (!points.length) return null;
    const last = points[points.length - 1];
    return {
      type: 'scatter',
      mode: 'lines',
      name,
      line: { shape: 'hv', width: 2.5, ...line },
      x: [...points.map(xOf), Math.max(end, xOf(last))],
      y: [...points.map((p) => p.value), last.value],
      customdata: points.map((p) => p.number),
      hovertext: points.map((p) => `${name}: ${show(p.value)}${p.number === undefined ? '' : `, trial ${p.number}`}`),
      hoverinfo: 'text',
    };
  };

  const dots = (rows) => {
    const drawn = rows.filter((row) => row.judged && !row.reference && xOf(row) !== null);
    const part = (kept, name, marker) => ({
      type: 'scatter',
      mode: 'markers',
      name,
      marker,
      x: kept.map(xOf),
      y: kept.map((row) => row.value),
      customdata: kept.map((row) => row.number),
      hovertext: kept.map((row) => `trial ${row.number}: ${show(row.value)}`),
      hoverinfo: 'text',
    });
    const muted = app.ink('muted');
    const other = drawn.filter((row) => !row.comparable);
    return [
      part(
        drawn.filter((row) => row.comparable),
        'trials',
        { color: app.hue(0), opacity: 0.45, size: 6 },
      ),
      other.length
        ? part(other, 'not comparable', { color: 'rgba(0,0,0,0)', size: 6, line: { color: muted, width: 1 }, opacity: 0.6 })
        : null,
    ];
  };

  /** The trials of the random search as rows, as far as they are drawn. */
  const controlOf = ({ trials }) =>
    trials.value.map((value, i) => ({
      value,
      clock: trials.clock[i],
      order: trials.order[i],
      ended: trials.ended[i],
      contender: value !== null,
    }));

  const isKnown = (row) => row.low !== null && row.low !== undefined;

  const saidAgain = (row) =>
    `trial ${row.trial} trained again: mean ${show(row.mean)}${isKnown(row) ? `, 95% interval ${interval(row)}` : ''}`;

  const confirmedTrace = (rows, name, marker, place) => {
    const drawn = rows.filter((row) => row.mean !== null && !row.reference && place(row) !== null);
    if (!drawn.length) return null;
    const reach = (row, end) => (isKnown(row) ? Math.abs(row[end] - row.mean) : 0);
    return {
      type: 'scatter',
      mode: 'markers',
      name,
      x: drawn.map(place),
      y: drawn.map((row) => row.mean),
      customdata: drawn.map((row) => row.trial),
      marker: { size: 11, line: { width: 1.5, color: app.ink('card') }, ...marker },
      error_y: {
        type: 'data',
        symmetric: false,
        array: drawn.map((row) => reach(row, 'high')),
        arrayminus: drawn.map((row) => reach(row, 'low')),
        color: marker.color,
        thickness: 1.5,
        width: 5,
      },
      hovertext: drawn.map(saidAgain),
      hoverinfo: 'text',
    };
  };

  const confirmedTraces = () => {
    const { confirmed } = app.model.data;
    if (!confirmed) return [];
    const place = (row) => {
      const found = app.model.byNumber.get(row.trial);
      return found ? xOf(found) : null;
    };
    return [confirmedTrace(confirmed.rows, 'trained again, 95% interval', { color: app.hue(2), symbol: 'diamond' }, place)];
  };

  const knownBaselines = () => app.model.data.baselines.filter((item) => item.value !== null).sort((a, b) => b.value - a.value);

  /** Baselines as level lines. */
  const lines = (end) =>
    knownBaselines().map((item, i) => ({
      type: 'scatter',
      mode: 'lines',
      name: format.label(item.name, 40),
      x: [0, end],
      y: [item.value, item.value],
      line: { color: app.hue(3 + i), width: 1.5, dash: i % 2 ? 'dot' : 'dash' },
      hovertext: `${format.label(item.name, 60)}: ${show(item.value)}`,
      hoverinfo: 'text',
    }));

  /** Their names above their right ends, those too near to each other as one; on narrow screens the legend must do. */
  const labels = (values) => {
    if (app.isNarrow()) return [];
    const near = (Math.max(...values) - Math.min(...values)) * 0.06;
    const made = [];
    for (const item of knownBaselines()) {
      const last = made[made.length - 1];
      if (last && last.y - item.value < near) last.text += `, ${format.label(item.name, 18)}`;
      else
        made.push({
          xref: 'paper',
          x: 1,
          xanchor: 'right',
          y: item.value,
          yanchor: 'bottom',
          showarrow: false,
          text: format.label(item.name, 18),
          font: { size: 11, color: app.ink('muted') },
        });
    }
    return made;
  };

  const build = () => {
    const { data, finished, trials } = app.model;
    if (!finished.some((row) => row.judged)) return { missing: app.missing('No candidate has finished with a value yet.') };
    const shown = app.shown();
    const control = data.control ? controlOf(data.control) : [];
    const end = Math.max(endOf(trials), endOf(control));
    const muted = app.ink('muted');
    const traces = [
      ...dots(shown),
      ...lines(end),
      control.length ? step(control, format.safe(data.control.name), { color: app.hue(1), dash: 'dashdot' }, end) : null,
      app.isFiltered() ? step(trials, 'best so far of all', { color: muted, dash: 'dot', width: 1.5 }, endOf(trials)) : null,
      step(shown, app.isFiltered() ? 'best so far of those shown' : 'best so far', { color: app.hue(0) }, endOf(trials)),
      ...confirmedTraces(),
    ].filter(Boolean);
    const values = shown.filter((row) => row.judged && !row.reference).map((row) => row.value);
    const again = data.confirmed ? data.confirmed.rows.flatMap((row) => [row.mean, row.low, row.high]) : [];
    const others = [...knownBaselines().map((item) => item.value), ...again].filter(Number.isFinite);
    const focus = app.focused(values, others, goal());
    const annotations = labels(focus.axis.range || traces.flatMap((trace) => trace.y).filter((value) => value !== null));
    return {
      traces,
      layout: {
        uirevision: app.state.axis,
        annotations: [...annotations, ...focus.notes],
        margin: { l: 8, t: 8, b: 8, r: 12 },
        xaxis: { title: axis().title, rangemode: 'tozero' },
        yaxis: { title: format.label(goal().label, 60), tickformat: goal().fraction ? '.1%' : '~s', ...focus.axis },
      },
    };
  };

  const interval = (row) => (isKnown(row) ? `${show(row.low)} to ${show(row.high)}` : '–');

  const confirmedTable = () => {
    const { confirmed, hints } = app.model.data;
    if (!confirmed)
      return app.missing(
        'The best networks were not trained again with fresh seeds, so nobody knows how much of their values is luck.',
        hints.confirm,
      );
    const line = (row, who) => [
      who ? `${who}, trial ${row.trial}` : app.trialLink(row.trial, `Trial ${row.trial}${row.reference ? ' (reference)' : ''}`),
      show(row.value),
      show(row.mean),
      interval(row),
      (row.seeds || []).map((seed) => show(seed)).join(' '),
      show(row.test),
    ];
    const rows = [...confirmed.rows.map((row) => line(row)), ...(confirmed.control || []).map((row) => line(row, 'random search'))];
    return h(
      'div',
      {},
      h('h3', {}, 'Trained again, with fresh seeds'),
      app.table(
        ['network', ['in the search', 'number'], ['mean', 'number'], ['95% interval', 'number'], 'each seed', ['test', 'number']],
        rows,
        'Networks trained again',
      ),
      confirmed.pending ? h('p', { class: 'note' }, `${format.many(confirmed.pending, 'training')} still to be done.`) : null,
    );
  };

  const NO_CONTROL = 'No random search under the same budget stands beside this one, so nobody knows whether the strategy was worth it.';
  const NO_BASELINES = 'No hand-designed network was trained at the same recipe.';

  /** What this search can still be held against; without a hint it cannot be. */
  const missing = () => {
    const { control, baselines, hints } = app.model.data;
    return [
      !control && hints.control ? app.missing(NO_CONTROL, hints.control) : null,
      !baselines.length && hints.baselines ? app.missing(NO_BASELINES, hints.baselines) : null,
    ];
  };

  app.section('progress', 'Progress', 'How good after how much', (body) => {
    const chart = app.chart(
      { id: 'progress', label: 'Best value so far against the budget used', build, height: 420 },
      'data filter theme view',
    );
    const rest = h('div');
    const again = () => app.show(rest, confirmedTable(), missing());
    const choose = app.choice(
      'budget as',
      Object.entries(AXES).map(([key, item]) => [key, item.label]),
      () => app.state.axis,
      (key) => {
        app.state.axis = key;
        app.emit('view');
      },
    );
    app.show(body, h('div', { class: 'bar' }, choose), chart.node, rest);
    app.on('data', again);
    again();
  });
})(window.nasReport);
