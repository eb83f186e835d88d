'use strict';

// Short names and families of operations, as our own pictures have them.
(function (app) {
  let known = null;
  app.on('data', () => (known = null));

  const table = () => {
    if (!known) known = new Map(Object.entries(app.model.data.operations || {}));
    return known;
  };

  const headOf = (operation) => (operation && typeof operation === 'object' ? Object.keys(operation)[0] : String(operation));

  const sizeOf = (kernel) => (Array.isArray(kernel) ? kernel.join('x') : `${kernel}x${kernel}`);

  /** By its name alone, for those whose fields are decisions themselves: too many to be told of one by one. */
  const ofHead = (operation) => {
    const found = table().get(JSON.stringify(headOf(operation)));
    const kernel = typeof operation === 'object' ? operation[headOf(operation)]?.kernel : undefined;
    return found && kernel ? [`${found[0].replace(/ \d+x\d+$/, '')} ${sizeOf(kernel)}`, found[1]] : found;
  };

  const lastOf = (operation) => {
    const steps = operation?.sequential?.ops;
    return Array.isArray(steps) && steps.length ? steps[steps.length - 1].op || steps[steps.length - 1] : null;
  };

  /** {name, family, note} of an operation as it stands in an architecture. */
  app.operation = (operation) => {
    const found = table().get(JSON.stringify(operation)) || ofHead(operation);
    const note = app.cut(typeof operation === 'string' ? operation : JSON.stringify(operation).replace(/"/g, ''), 300);
    const last = lastOf(operation);
    // A sequence is what it ends in: its name is long, and all would have one colour.
    if (last)
      return { name: found ? found[0].replace(/^sequence of /, '') : app.operation(last).name, family: app.operation(last).family, note };
    if (found) return { name: found[0], family: found[1], note };
    return { name: headOf(operation).replace(/_/g, ' '), family: 'block', note };
  };

  /** A swatch and a name for each family that is in use. */
  app.legend = (keys) =>
    app.h(
      'ul',
      { class: 'legend', 'aria-label': 'Families of operations' },
      (app.model.data.families || [])
        .filter((family) => keys.has(family.key) && family.key !== 'state')
        .map((family) => app.h('li', {}, app.swatch(family.key), family.name)),
    );

  app.swatch = (key) =>
    app.h('span', {
      class: 'swatch',
      'aria-hidden': 'true',
      style: `background:var(--family-${key}-fill);border-color:var(--family-${key}-stroke)`,
    });
})(window.nasReport);
