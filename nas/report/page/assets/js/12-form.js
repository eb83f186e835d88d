'use strict';

// From the decisions of a trial to its architecture as plain data, by the template of the space.
(function (app) {
  const OUT = Symbol('out');

  const resolveChoice = (form, decided) => {
    const index = decided(form['?']);
    if (index === undefined || index < 0 || index >= form.of.length) throw new Error(`decision ${form['?']} is missing`);
    return resolve(form.of[index][1], decided);
  };

  const resolve = (form, decided) => {
    if (form === null || typeof form !== 'object') return form;
    if (Array.isArray(form)) return form.map((item) => resolve(item, decided));
    if ('?' in form) return resolveChoice(form, decided);
    if ('??' in form) return form['??'].map((item) => resolve(item, decided)).filter((item) => item !== OUT);
    if ('!' in form) return OUT;
    return Object.fromEntries(Object.entries(form).map(([key, item]) => [key, resolve(item, decided)]));
  };

  const ORDER = ['name', 'input', 'classes', 'cells', 'stem', 'stages', 'head', 'aux'];

  /** The fields as a person would write them. */
  const inOrder = (data) =>
    Object.fromEntries(
      [...ORDER.filter((key) => key in data), ...Object.keys(data).filter((key) => !ORDER.includes(key))].map((key) => [key, data[key]]),
    );

  const indexOf = (space) => {
    if (!space.index) Object.defineProperty(space, 'index', { value: new Map(space.decisions.map((decision, i) => [decision.name, i])) });
    return space.index;
  };

  /** The architecture of a trial as plain data; null where its decisions are not known or the space has no form. */
  app.architecture = (row) => {
    const { space } = app.model.data;
    if (!space.form || !row.codes) return null;
    const index = indexOf(space);
    const decided = (name) => (index.has(name) ? row.codes[index.get(name)] - 1 : undefined);
    // Options are found by their place: 1 and 1.0 are two options in Python, and one number here.
    return inOrder(resolve(space.form, decided));
  };

  /** A decision as a reader sees it: [name, option] of a trial, those that were made. */
  app.decisions = (row) =>
    row.codes
      ? app.model.data.space.decisions
          .map((decision, i) => [decision.name, row.codes[i] ? decision.options[row.codes[i] - 1] : undefined])
          .filter(([, option]) => option !== undefined)
      : [];

  /** What differs between two trials: [name, option before, option after], undefined where a decision was not made. */
  app.changes = (before, after) => {
    if (!before || !before.codes || !after.codes) return [];
    const option = (row, i) => app.model.data.space.decisions[i].options[row.codes[i] - 1];
    return app.model.data.space.decisions
      .map((decision, i) => [decision.name, i])
      .filter(([, i]) => before.codes[i] !== after.codes[i])
      .map(([name, i]) => [name, option(before, i), option(after, i)]);
  };

  /** What an option is called: as in pictures, unless two options of the decision would be called the same. */
  app.optionName = (decision, i) => {
    const short = decision.short?.[i];
    return short && decision.short.indexOf(short) === decision.short.lastIndexOf(short) ? short : app.format.option(decision.options[i]);
  };
})(window.nasReport);
