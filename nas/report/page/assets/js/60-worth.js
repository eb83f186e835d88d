'use strict';

// Which decisions mattered, and which of their options were good.
(function (app) {
  const { h, format } = app;
  const MOST = 12;
  let all = false;

  const decisions = () => app.model.data.space.decisions;

  /** What decisions were worth by the chosen goal: {goal, rows}; null where that is not known. */
  const worth = () => {
    const { importance } = app.model.data;
    const made = importance && (importance.goals || [importance]);
    const found = made && (made.find((item) => item.goal === app.state.goal) || made[0]);
    return found && found.rows.length ? found : null;
  };

  const goalPlace = () =>
    Math.max(
      0,
      app.model.goals.findIndex((goal) => goal.name === app.state.goal),
    );

  const chosen = () => {
    const index = decisions().findIndex((decision) => decision.name === app.state.decision);
    return index >= 0 ? index : worth() ? worth().rows[0][0] : 0;
  };

  const pick = (index) => {
    app.state.decision = decisions()[index].name;
    app.emit('decision');
  };

  const bar = ([index, share], most) => {
    const decision = decisions()[index];
    return h(
      'li',
      {},
      h(
        'button',
        {
          type: 'button',
          class: 'worth',
          'aria-pressed': String(index === chosen()),
          'data-index': index,
          onclick: () => pick(index),
          title: app.cut(decision.name, 400),
        },
        h('span', { class: 'name' }, app.cut(decision.name, 80)),
        h(
          'span',
          { class: 'track', 'aria-hidden': 'true' },
          h('span', { class: 'fill', style: `width:${most ? (100 * share) / most : 0}%` }),
        ),
        h('span', { class: 'number' }, format.percent(share)),
      ),
    );
  };

  const bars = () => {
    const { importance, hints } = app.model.data;
    const made = worth();
    if (!made) return app.missing(`What each decision was worth is ${hints.importance || 'not known.'}`);
    const label = app.model.goals[goalPlace()].label;
    const rest = made.rows.length - MOST;
    const how = `${app.cut(importance.method, 80)}, of ${format.many(importance.trials, 'trial')}`;
    const method = `What each decision had to do with a good ${app.cut(label, 60)}: ${how}.`;
    return h(
      'div',
      {},
      h('p', { class: 'caption' }, method, importance.note ? ` ${importance.note}` : ''),
      h(
        'ol',
        { class: 'bars' },
        (all ? made.rows : made.rows.slice(0, MOST)).map((row) => bar(row, made.rows[0][1])),
      ),
      rest > 0
        ? app.button(all ? 'Show fewer' : `Show ${rest} more`, () => {
            all = !all;
            app.emit('decision');
          })
        : null,
    );
  };

  const build = () => {
    const index = chosen();
    const decision = decisions()[index];
    const place = goalPlace();
    const goal = app.model.goals[place];
    const rows = app.shown().filter((row) => row.contender && row.values[place] !== null && row.codes && row.codes[index]);
    if (!decision || !rows.length) return { missing: app.missing('No finished trial that can be compared made this decision.') };
    const kept = decision.options
      .map((_, i) => ({
        option: i,
        values: rows.filter((row) => row.codes[index] === i + 1).map((row) => [row.number, row.values[place]]),
      }))
      .filter((item) => item.values.length);
    kept.sort((a, b) => worst(goal) * (median(a.values) - median(b.values)));
    const names = kept.map((item) => `${format.label(app.optionName(decision, item.option), 30)} (${item.values.length})`);
    return {
      traces: kept.map((item, i) => box(item.values, names[i], goal, colourOf(decision, item.option))),
      layout: {
        height: 110 + 34 * kept.length,
        uirevision: `${decision.name} ${goal.name}`,
        xaxis: { title: format.label(goal.label, 60), tickformat: goal.fraction ? '.0%' : '~s', nticks: 6 },
        yaxis: { type: 'category', categoryarray: names, categoryorder: 'array', ticks: '' },
      },
    };
  };

  // The best option stands on top, and an axis of categories begins at the bottom.
  const worst = (goal) => (goal.maximise ? 1 : -1);

  const median = (pairs) => {
    const values = pairs.map(([, value]) => value).sort((a, b) => a - b);
    return (values[Math.floor((values.length - 1) / 2)] + values[Math.ceil((values.length - 1) / 2)]) / 2;
  };

  const colourOf = (decision, option) => {
    const family = decision.families?.[option];
    return family ? app.familyColour(family) : app.hue(0);
  };

  const box = (pairs, name, goal, colour) => ({
    type: 'box',
    orientation: 'h',
    name,
    x: pairs.map(([, value]) => value),
    y: pairs.map(() => name),
    customdata: pairs.map(([number]) => number),
    boxpoints: pairs.length > 400 ? 'outliers' : 'all',
    jitter: 0.6,
    pointpos: 0,
    fillcolor: 'rgba(0,0,0,0)',
    marker: { color: colour, size: 5, opacity: 0.55 },
    line: { color: colour, width: 1.5 },
    hoveron: 'points',
    hoverinfo: 'text',
    hovertext: pairs.map(([number, value]) => `trial ${number}: ${format.value(goal, value)}`),
  });

  const options = () => decisions().map((decision, i) => [String(i), app.cut(decision.name, 60)]);

  app.section('worth', 'Decisions', 'What each decision was worth', (body) => {
    const chart = app.chart(
      { id: 'options', label: 'Values of the trials by the option of the chosen decision', build, height: 380 },
      'data filter theme decision',
    );
    const list = h('div');
    const choose = app.selector('decision', options(), String(chosen()), (value) => pick(Number(value)));
    const again = () => {
      const had = list.contains(document.activeElement) ? document.activeElement.dataset.index : null;
      app.show(list, bars());
      if (had) list.querySelector(`[data-index="${had}"]`)?.focus({ preventScroll: true });
      app.reoption(choose, options(), String(chosen()));
    };
    const { goals } = app.model;
    const goal =
      goals.length > 1
        ? app.choice(
            'goal',
            goals.map((item) => [item.name, item.label]),
            () => goals[goalPlace()].name,
            (name) => {
              app.state.goal = name;
              app.emit('decision');
            },
          )
        : null;
    app.show(
      body,
      goal,
      h(
        'div',
        { class: 'halves' },
        list,
        h('div', {}, h('h3', {}, 'Which option was good'), h('div', { class: 'bar' }, choose), chart.node),
      ),
    );
    app.on('data decision', again);
    again();
  });
})(window.nasReport);
