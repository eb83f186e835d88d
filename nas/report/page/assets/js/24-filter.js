'use strict';

// Which trials are shown. One filter for all charts and the table.
(function (app) {
  const EMPTY = { text: '', how: '', state: '', front: false, ranges: {} };
  const STATES = [
    ['', 'all'],
    ['C', 'complete'],
    ['full', 'comparable'],
    ['F', 'failed'],
    ['R', 'running'],
    ['S', 'stopped early'],
  ];
  let filter = structuredClone(EMPTY);
  let kept = null;

  app.on('data', () => (kept = null));

  /** Options of each decision that a word is in, or is `name=option` of. */
  const optionsWith = (word) =>
    app.model.data.space.decisions.map((decision) => {
      const found = new Set();
      decision.options.forEach((option, i) => {
        const label = String(option).toLowerCase();
        if (label.includes(word) || (word.includes('=') && `${decision.name.toLowerCase()}=${label}`.includes(word))) found.add(i + 1);
      });
      return found;
    });

  const tester = (word) => {
    if (/^#?\d+$/.test(word)) {
      const number = Number(word.replace('#', ''));
      return (row) => row.number === number;
    }
    const sets = optionsWith(word);
    const used = sets.map((set, i) => (set.size ? i : -1)).filter((i) => i >= 0);
    const said = (text) => text !== null && text.toLowerCase().includes(word);
    return (row) =>
      (row.codes && used.some((i) => sets[i].has(row.codes[i]))) ||
      row.digest?.startsWith(word) ||
      said(row.how) ||
      said(row.reason) ||
      said(row.where) ||
      (!app.model.data.space.form && said(row.yaml));
  };

  const stateTests = {
    C: (row) => row.complete,
    full: (row) => row.comparable,
    F: (row) => row.state === 'F',
    R: (row) => row.state === 'R',
    S: (row) => row.stopped !== null,
  };

  const tests = () => {
    const made = filter.text.toLowerCase().split(/\s+/).filter(Boolean).map(tester);
    if (filter.how) made.push((row) => row.how === filter.how);
    if (filter.state) made.push(stateTests[filter.state]);
    for (const [key, [low, high]] of Object.entries(filter.ranges)) {
      const measure = app.measure(key);
      if (!measure) continue;
      if (low !== null) made.push((row) => measure.get(row) !== null && measure.get(row) >= low);
      if (high !== null) made.push((row) => measure.get(row) !== null && measure.get(row) <= high);
    }
    if (filter.front) {
      const front = app.onFront();
      made.push((row) => front.has(row.number));
    }
    return made;
  };

  /** The trials that are shown, in order of number; phases, which judge nothing, are none of them. */
  app.shown = () => {
    if (!kept) {
      const all = tests();
      kept = all.length ? app.model.trials.filter((row) => all.every((test) => test(row))) : app.model.trials;
    }
    return kept;
  };

  app.isFiltered = () => app.shown() !== app.model.trials;

  /** Change the filter: any of text, how, state, front, ranges. */
  app.setFilter = (change) => {
    filter = { ...filter, ...change };
    kept = null;
    app.emit('filter');
    app.say(`${app.format.many(app.shown().length, 'trial')} shown`);
  };

  app.clearFilter = () => {
    filter = structuredClone(EMPTY);
    kept = null;
    app.emit('filter');
    app.say('All trials shown');
  };

  const readBound = (measure, text) => {
    const number = app.format.read(text);
    // 93 of an accuracy is 93%, unless the sign says so already.
    return number !== null && measure.goal.fraction && !text.includes('%') && Math.abs(number) > 1 ? number / 100 : number;
  };

  const bound = (measure, side) => {
    const input = app.h('input', {
      type: 'text',
      inputmode: 'decimal',
      size: 7,
      placeholder: side ? 'to' : 'from',
      'aria-label': `${measure.label}, ${side ? 'at most' : 'at least'}`,
      oninput: () => {
        const number = readBound(measure, input.value);
        input.setAttribute('aria-invalid', String(input.value.trim() !== '' && number === null));
        const range = [...(filter.ranges[measure.key] || [null, null])];
        range[side] = number;
        app.setFilter({ ranges: { ...filter.ranges, [measure.key]: range } });
      },
    });
    return input;
  };

  const range = (measure) =>
    app.h(
      'fieldset',
      { class: 'range', 'data-key': measure.key },
      app.h('legend', {}, measure.short),
      bound(measure, 0),
      app.h('span', { 'aria-hidden': 'true' }, 'to'),
      bound(measure, 1),
    );

  /** A range for each measure that has none yet: the first trial that was timed brings one for latency. */
  const addRanges = (ranges) => {
    const there = new Set([...ranges.children].map((item) => item.dataset.key));
    ranges.append(...app.model.measures.filter((measure) => !there.has(measure.key)).map(range));
  };

  const hows = () => [
    ['', 'all'],
    ...[...new Set(app.model.trials.map((row) => row.how).filter(Boolean))].sort().map((how) => [how, app.cut(how, 40)]),
  ];

  const debounced = (act, pause = 150) => {
    let timer = 0;
    return (...given) => {
      clearTimeout(timer);
      timer = setTimeout(() => act(...given), pause);
    };
  };

  /** The controls; they stay as they are when data comes in, so that nothing typed is lost. */
  app.filterControls = () => {
    const { h } = app;
    const text = h('input', {
      type: 'search',
      id: 'filter-text',
      placeholder: 'sep_conv_5x5, depth=3, #17',
      oninput: debounced((event) => app.setFilter({ text: event.target.value })),
    });
    const how = app.selector('made by', hows(), '', (value) => app.setFilter({ how: value }));
    const state = app.selector('state', STATES, '', (value) => app.setFilter({ state: value }));
    const front = h('input', { type: 'checkbox', onchange: (event) => app.setFilter({ front: event.target.checked }) });
    const ranges = h('div', { class: 'ranges' });
    const count = h('output', { class: 'count', for: 'filter-text' });
    const form = h(
      'form',
      { class: 'filter', role: 'search', 'aria-label': 'Filter the trials', onsubmit: (event) => event.preventDefault() },
      h('label', { class: 'field wide' }, h('span', {}, 'operations, decisions, numbers'), text),
      how,
      state,
      ranges,
      h('label', { class: 'check' }, front, ' only the front'),
      app.button('Clear filter', () => {
        form.reset();
        form.querySelectorAll('[aria-invalid]').forEach((input) => input.removeAttribute('aria-invalid'));
        app.clearFilter();
      }),
      count,
    );
    const tell = () => {
      addRanges(ranges);
      app.reoption(how, hows(), filter.how);
      count.textContent = `${app.format.whole(app.shown().length)} of ${app.format.many(app.model.trials.length, 'trial')}`;
    };
    app.on('filter data', tell);
    tell();
    return form;
  };
})(window.nasReport);
