'use strict';

// The data as rows, one a trial, and what follows from them.
(function (app) {
  const at = (column, i) => (column ? column[i] : null);

  const decode = (text, digits) =>
    Array.from({ length: text.length / digits }, (_, i) => parseInt(text.slice(i * digits, (i + 1) * digits), 36));

  /** A trial. Its decisions are decoded when they are first asked for. */
  class Row {
    constructor(data, i) {
      const trials = data.trials;
      const text = (index) => (index === null || index === undefined ? null : data.strings[index]);
      for (const name of [
        'number',
        'state',
        'params',
        'macs',
        'latency',
        'seconds',
        'began',
        'ended',
        'clock',
        'order',
        'parent',
        'stopped',
        'digest',
        'yaml',
        'curve',
        'notes',
      ]) {
        this[name] = at(trials[name], i) ?? null;
      }
      for (const name of ['how', 'reason', 'kind', 'where']) this[name] = text(at(trials[name], i));
      for (const name of ['cut', 'phase', 'reference']) this[name] = Boolean(at(trials[name], i));
      this.fraction = at(trials.fraction, i) ?? 1;
      this.values = trials.values.map((column) => column[i]);
      this.value = this.values[0] ?? null;
      this.encoded = at(trials.decisions, i) || null;
      this.digits = data.space.digits;
      this.complete = this.state === 'C';
      this.judged = this.complete && this.value !== null && !this.phase;
      // Only these may be held against each other: the same share of the training, and all of it.
      this.comparable = this.judged && this.stopped === null && this.fraction === data.comparable;
      this.contender = this.comparable && !this.reference;
    }

    /** A number for each decision of the space: 0 not made, else 1 + the index of its option. */
    get codes() {
      if (this.decoded === undefined) this.decoded = this.encoded && decode(this.encoded, this.digits);
      return this.decoded;
    }
  }

  const children = (rows) => {
    const found = new Map();
    for (const row of rows) {
      if (row.parent === null) continue;
      if (found.has(row.parent)) found.get(row.parent).push(row);
      else found.set(row.parent, [row]);
    }
    return found;
  };

  /** Read the data; everything else reads `app.model`. */
  app.load = (data) => {
    if (data.format !== 1) throw new Error(`format ${data.format} of the data is not known to this page; it knows 1`);
    const rows = data.trials.number.map((_, i) => new Row(data, i));
    const byNumber = new Map(rows.map((row) => [row.number, row]));
    const finished = rows.filter((row) => row.order !== null && !row.phase).sort((a, b) => a.order - b.order);
    app.model = { data, rows, byNumber, finished, children: children(rows), goals: data.goals, trials: rows.filter((row) => !row.phase) };
    app.model.winner = data.winner ? data.winner.trial : data.best;
    app.model.measures = app.measuresOf(app.model);
    app.state.x = app.state.x || (data.goals.length > 1 ? 'goal1' : 'macs');
    if (!app.measure(app.state.x)) app.state.x = app.model.measures[1].key;
  };

  const COSTS = [
    ['macs', 'multiply-adds', 'MACs', 'count'],
    ['params', 'parameters', 'parameters', 'count'],
    ['latency', 'latency', 'latency', 'ms'],
    ['seconds', 'device time', 'device time', 's'],
  ];

  /** Everything a chart can have as an axis: the goals, then the costs that are known and are no goal. */
  app.measuresOf = (model) => {
    const goals = model.goals.map((goal, i) => ({
      key: `goal${i}`,
      label: goal.label,
      short: goal.label,
      maximise: goal.maximise,
      goal,
      get: (row) => row.values[i] ?? null,
      show: (value) => app.format.value(goal, value),
      log: goal.unit === 'count',
    }));
    const named = new Set(model.goals.flatMap((goal) => [goal.name, goal.name.replace(/_ms$/, '')]));
    const costs = COSTS.filter(([key]) => !named.has(key) && (key === 'macs' || model.rows.some((row) => row[key] !== null))).map(
      ([key, label, short, unit]) => {
        const goal = { unit, fraction: false };
        return {
          key,
          label,
          short,
          maximise: false,
          goal,
          get: (row) => row[key],
          show: (value) => app.format.value(goal, value),
          log: true,
        };
      },
    );
    return [...goals, ...costs];
  };

  app.measure = (key) => app.model.measures.find((measure) => measure.key === key);

  /** The Pareto front of rows under two measures, from the smallest x up. Equal points stand once. */
  app.front = (rows, x, y) => {
    const sign = (measure) => (measure.maximise ? -1 : 1);
    const known = rows.filter((row) => x.get(row) !== null && y.get(row) !== null);
    known.sort((a, b) => sign(x) * (x.get(a) - x.get(b)) || sign(y) * (y.get(a) - y.get(b)) || a.number - b.number);
    const found = [];
    let best = Infinity;
    for (const row of known) {
      if (sign(y) * y.get(row) >= best) continue;
      best = sign(y) * y.get(row);
      found.push(row);
    }
    return found;
  };

  /** Those on the front: the study's own where there are several goals, else value against the chosen cost. */
  app.onFront = () => {
    const { data, trials } = app.model;
    if (data.front) return new Set(data.front);
    const x = app.state.x.startsWith('goal') ? app.measure('macs') : app.measure(app.state.x);
    return new Set(
      app
        .front(
          trials.filter((row) => row.contender),
          x || app.model.measures[1],
          app.measure('goal0'),
        )
        .map((row) => row.number),
    );
  };

  /** Above zero where `a` is better than `b` by the first goal; those without a value are the worst. */
  app.better = (a, b) => {
    if (a.value === null || b.value === null) return (a.value !== null) - (b.value !== null) || b.number - a.number;
    return (app.model.goals[0].maximise ? 1 : -1) * (a.value - b.value) || b.number - a.number;
  };

  /** Best so far, in order of completion: the rows that were better than all before. */
  app.records = (rows) => {
    const sign = app.model.goals[0].maximise ? 1 : -1;
    const found = [];
    for (const row of rows) {
      if (row.contender && (!found.length || sign * row.value > sign * found[found.length - 1].value)) found.push(row);
    }
    return found;
  };
})(window.nasReport);
