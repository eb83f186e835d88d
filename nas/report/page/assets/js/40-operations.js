'use strict';

// Short names and families of operations, as our own pictures have them.
(function (app) {
  let known = null;
  app.on('data', () => (known = null));

  // Keys are read and written again: Python writes 2.0 where JavaScript writes 2.
  const table = () => {
    if (!known) known = new Map(Object.entries(app.model.data.operations || {}).map(([key, value]) => [canonical(key), value]));
    return known;
  };

  const canonical = (key) => {
    try {
      return JSON.stringify(JSON.parse(key));
    } catch {
      return key;
    }
  };

  const headOf = (operation) => (operation && typeof operation === 'object' ? Object.keys(operation)[0] : String(operation));

  const lastOf = (operation) => {
    const steps = operation?.sequential?.ops;
    return Array.isArray(steps) && steps.length ? steps[steps.length - 1].op || steps[steps.length - 1] : null;
  };

  /** {name, family, note} of an operation as it stands in an architecture. */
  app.operation = (operation) => {
    const found = table().get(JSON.stringify(operation)) || table().get(JSON.stringify(headOf(operation)));
    const note = app.cut(typeof operation === 'string' ? operation : JSON.stringify(operation).replace(/"/g, ''), 300);
    if (found) return { name: found[0], family: found[1], note };
    const last = lastOf(operation);
    if (last) return { name: app.operation(last).name, family: app.operation(last).family, note };
    return { name: headOf(operation).replace(/_/g, ' '), family: 'block', note };
  };

  /** A swatch and a name for each family that is in use. */
  app.legend = (keys) =>
    app.h('ul', { class: 'legend', 'aria-label': 'Families of operations' },
      (app.model.data.families || []).filter((family) => keys.has(family.key) && family.key !== 'state').map((family) => app.h('li', {}, app.swatch(family.key), family.name)));

  app.swatch = (key) => app.h('span', { class: 'swatch', 'aria-hidden': 'true', style: `background:var(--family-${key}-fill);border-color:var(--family-${key}-stroke)` });
})(window.nasReport);
