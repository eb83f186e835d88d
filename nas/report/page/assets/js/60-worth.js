'use strict';

// Which decisions mattered, and which of their options were good.
(function (app) {
  const { h, format } = app;
  const MOST = 12;
  let all = false;

  const decisions = () => app.model.data.space.decisions;

  const chosen = () => {
    const { importance } = app.model.data;
    const index = decisions().findIndex((decision) => decision.name === app.state.decision);
    return index >= 0 ? index : importance && importance.rows.length ? importance.rows[0][0] : 0;
  };

  const pick = (index) => {
    app.state.decision = decisions()[index].name;
    app.emit('decision');
  };

  const bar = ([index, share], most) => {
    const decision = decisions()[index];
    return h('li', {}, h('button', { type: 'button', class: 'worth', 'aria-pressed': String(index === chosen()), 'data-index': index, onclick: () => pick(index), title: app.cut(decision.name, 400) },
      h('span', { class: 'name' }, app.cut(decision.name, 80)), h('span', { class: 'track', 'aria-hidden': 'true' }, h('span', { class: 'fill', style: `width:${most ? (100 * share) / most : 0}%` })), h('span', { class: 'number' }, format.percent(share))));
  };

  const bars = () => {
    const { importance, hints } = app.model.data;
    if (!importance || !importance.rows.length) return app.missing(`What each decision was worth is not known${hints.importance ? `: ${hints.importance}` : '.'}`);
    const shown = all ? importance.rows : importance.rows.slice(0, MOST);
    const rest = importance.rows.length - MOST;
    const method = `Share of the differences in ${importance.goal} that each decision explains: ${importance.method}, of ${format.many(importance.trials, 'trial')}.`;
    return h('div', {}, h('p', { class: 'caption' }, method, importance.note ? ` ${importance.note}` : ''), h('ol', { class: 'bars' }, shown.map((row) => bar(row, importance.rows[0][1]))),
      rest > 0 ? app.button(all ? 'Show fewer' : `Show ${rest} more`, () => { all = !all; app.emit('decision'); }) : null);
  };

  const build = () => {
    const index = chosen();
    const decision = decisions()[index];
    const goal = app.model.goals[0];
    const rows = app.shown().filter((row) => row.contender && row.codes && row.codes[index]);
    if (!decision || !rows.length) return { missing: app.missing('No finished trial that can be compared made this decision.') };
    const traces = decision.options.map((option, i) => [app.cut(format.option(option), 40), rows.filter((row) => row.codes[index] === i + 1)]).filter(([, kept]) => kept.length).map(([name, kept], i) => ({
      type: 'box', name: `${format.safe(name)} (${kept.length})`, y: kept.map((row) => row.value), customdata: kept.map((row) => row.number), boxpoints: kept.length > 400 ? 'outliers' : 'all', jitter: 0.5, pointpos: 0, fillcolor: 'rgba(0,0,0,0)',
      marker: { color: app.hue(i), size: 5, opacity: 0.6 }, line: { color: app.hue(i), width: 1.5 }, hoveron: 'points', hoverinfo: 'text', hovertext: kept.map((row) => `trial ${row.number}: ${format.value(goal, row.value)}`),
    }));
    return { traces, layout: { uirevision: decision.name, showlegend: false, yaxis: { title: goal.label, tickformat: goal.fraction ? '.1%' : '~s' }, xaxis: { title: format.safe(app.cut(decision.name, 80)), type: 'category' } } };
  };

  const options = () => decisions().map((decision, i) => [String(i), app.cut(decision.name, 60)]);

  app.section('worth', 'Decisions', (body) => {
    const chart = app.chart({ id: 'options', label: 'Values of the trials by the option of the chosen decision', build, height: 380 }, 'data filter theme decision');
    const list = h('div');
    const choose = app.selector('decision', options(), String(chosen()), (value) => pick(Number(value)));
    const again = () => {
      const had = list.contains(document.activeElement) ? document.activeElement.dataset.index : null;
      app.show(list, bars());
      if (had) list.querySelector(`[data-index="${had}"]`)?.focus({ preventScroll: true });
      app.reoption(choose, options(), String(chosen()));
    };
    app.show(body, h('div', { class: 'halves' }, list, h('div', {}, h('h3', {}, 'Which option was good'), h('div', { class: 'bar' }, choose), chart.node)));
    app.on('data decision', again);
    again();
  });
})(window.nasReport);
