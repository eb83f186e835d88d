'use strict';

// Learning curves: all of them faint, the winner's and the selected one's strong.
(function (app) {
  const { h, format } = app;

  const goal = () => app.model.goals[0];
  const last = (items) => items[items.length - 1];
  const said = (row) => {
    const [epochs, values] = row.curve;
    const end = row.stopped === null ? '' : ', stopped early';
    return `trial ${row.number}: ${format.value(goal(), last(values))} after ${format.many(last(epochs), 'epoch')}${end}`;
  };
  const hasCurve = (row) => row.curve !== null && row.curve[0].length > 0;

  /** Many curves as one trace with gaps: a trace each would take seconds. */
  const faint = (rows) => {
    const x = [];
    const y = [];
    const customdata = [];
    const hovertext = [];
    for (const row of rows) {
      x.push(...row.curve[0], null);
      y.push(...row.curve[1], null);
      const text = said(row);
      for (let i = 0; i <= row.curve[0].length; i++) {
        customdata.push(row.number);
        hovertext.push(text);
      }
    }
    return {
      type: 'scatter',
      mode: 'lines',
      name: 'all trials',
      x,
      y,
      customdata,
      hovertext,
      hoverinfo: 'text',
      line: { width: 0.8, color: app.ink('muted') },
      opacity: rows.length > 200 ? 0.3 : 0.5,
    };
  };

  const ends = (rows) => ({
    type: 'scatter',
    mode: 'markers',
    name: 'stopped early',
    x: rows.map((row) => last(row.curve[0])),
    y: rows.map((row) => last(row.curve[1])),
    customdata: rows.map((row) => row.number),
    hovertext: rows.map(said),
    hoverinfo: 'text',
    marker: { symbol: 'x-thin', size: 7, line: { width: 1.6, color: app.hue(1) } },
  });

  const strong = (row, name, colour, dash = 'solid') => ({
    type: 'scatter',
    mode: row.curve[0].length < 30 ? 'lines+markers' : 'lines',
    name,
    x: row.curve[0],
    y: row.curve[1],
    customdata: row.curve[0].map(() => row.number),
    hovertext: row.curve[0].map(
      (epoch, i) => `trial ${row.number}, epoch ${format.number(epoch)}: ${format.value(goal(), row.curve[1][i])}`,
    ),
    hoverinfo: 'text',
    line: { width: 3, color: colour, dash },
    marker: { size: 6, color: colour },
  });

  const baselines = () =>
    app.model.data.baselines
      .filter((item) => item.curve && item.curve[0].length)
      .map((item, i) => ({
        type: 'scatter',
        mode: 'lines',
        name: format.label(item.name, 40),
        x: item.curve[0],
        y: item.curve[1],
        line: { width: 2, dash: 'dash', color: app.hue(3 + i) },
        hovertext: format.label(item.name, 60),
        hoverinfo: 'text',
      }));

  /** `rows` are those whose curves are drawn; few epochs have a mark each. */
  const axes = (rows) => {
    const epochs = Math.max(1, ...rows.map((row) => last(row.curve[0])));
    return {
      xaxis: { title: 'epoch', rangemode: 'tozero', ...(epochs <= 12 ? { dtick: 1 } : {}) },
      yaxis: { title: format.label(goal().label, 60), tickformat: goal().fraction ? '.0%' : '~s' },
    };
  };

  /** The curves of one trial and of its parent, for its panel. */
  app.curveChart = ([number, parent]) => {
    const row = app.model.byNumber.get(number);
    const before = parent === null ? null : app.model.byNumber.get(parent);
    const traces = [
      strong(row, `trial ${number}`, app.hue(0)),
      before && hasCurve(before)
        ? {
            ...strong(before, `parent, trial ${parent}`, app.ink('muted'), 'dot'),
            line: { width: 1.5, dash: 'dot', color: app.ink('muted') },
          }
        : null,
    ];
    return { traces: traces.filter(Boolean), layout: { uirevision: number, ...axes([row]) } };
  };

  const build = () => {
    if (!app.model.trials.some(hasCurve))
      return {
        missing: app.missing(
          'No trial reported a value after an epoch: its evaluator has no learning curves, or none has finished one yet.',
        ),
      };
    const rows = app.shown().filter(hasCurve);
    const stopped = rows.filter((row) => row.stopped !== null);
    const winner = app.model.byNumber.get(app.model.winner);
    const selected =
      app.state.selected === null || app.state.selected === app.model.winner ? null : app.model.byNumber.get(app.state.selected);
    const traces = [
      rows.length ? faint(rows) : null,
      stopped.length ? ends(stopped) : null,
      ...baselines(),
      winner && hasCurve(winner) ? strong(winner, `winner, trial ${winner.number}`, app.hue(2)) : null,
      selected && hasCurve(selected) ? strong(selected, `selected, trial ${selected.number}`, app.hue(0)) : null,
    ].filter(Boolean);
    return { traces, layout: { uirevision: 'curves', ...axes(app.model.trials.filter(hasCurve)) } };
  };

  app.section('curves', 'Curves', 'Learning curves', (body) => {
    const chart = app.chart({ id: 'curves', label: 'Learning curves of the trials', build, height: 420 }, 'data filter theme selection');
    app.show(body, h('p', { class: 'caption' }, 'Value after each epoch. Click a curve to see its architecture.'), chart.node);
  });
})(window.nasReport);
