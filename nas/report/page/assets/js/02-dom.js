'use strict';

// Elements are made here and only here; texts become text nodes, so that no name can become markup.
(function (app) {
  const SVG = 'http://www.w3.org/2000/svg';

  const append = (node, children) => {
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) node.append(child instanceof Node ? child : String(child));
    }
    return node;
  };

  const set = (node, attributes) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? '' : value);
    }
    return node;
  };

  /** An HTML element: `h('p', {class: 'note'}, 'text', node, [nodes])`. */
  app.h = (tag, attributes, ...children) => append(set(document.createElement(tag), attributes), children);

  /** An SVG element. */
  app.s = (tag, attributes, ...children) => append(set(document.createElementNS(SVG, tag), attributes), children);

  app.button = (text, onclick, attributes = {}) => app.h('button', { type: 'button', onclick, ...attributes }, text);

  /** A labelled select; `options` are [value, text]. */
  app.selector = (label, options, value, onchange, attributes = {}) => {
    const { h } = app;
    const made = h('select', { ...attributes, onchange: (event) => onchange(event.target.value) });
    made.append(...options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
    return h('label', { class: 'field' }, h('span', {}, label), made);
  };

  /** Show other options in a select that stands already, the chosen one kept where it is still there. */
  app.reoption = (field, options, value) => {
    const select = field.querySelector('select');
    const same =
      select.options.length === options.length &&
      options.every(([key, text], i) => select.options[i].value === key && select.options[i].text === text);
    if (!same) select.replaceChildren(...options.map(([key, text]) => app.h('option', { value: key }, text)));
    if (select.value !== value) select.value = value;
  };

  /** A row of buttons of which one is pressed; `get()` says which, and is asked again after each press. */
  app.choice = (label, options, get, onchange) => {
    const { h } = app;
    const buttons = options.map(([key, text]) =>
      app.button(
        text,
        () => {
          onchange(key);
          tell();
        },
        { 'data-key': key },
      ),
    );
    const tell = () => buttons.forEach((button) => button.setAttribute('aria-pressed', String(button.dataset.key === get())));
    tell();
    return h('div', { class: 'choice', role: 'group', 'aria-label': label }, h('span', {}, label), buttons);
  };

  /** Replace what `node` shows. */
  app.show = (node, ...children) => {
    node.replaceChildren();
    return append(node, children);
  };

  /** What is missing, and the command that gets it. */
  app.missing = (text, command) => app.h('div', { class: 'missing' }, app.h('p', {}, text), command ? app.command(command) : null);

  /** A command to copy. */
  app.command = (text) =>
    app.h(
      'div',
      { class: 'command' },
      app.h('code', { tabindex: 0, role: 'region', 'aria-label': 'command' }, text),
      app.copier('Copy', () => text),
    );

  /** A table: `columns` are texts or [text, class]; rows are lists of texts or nodes. */
  app.table = (columns, rows, caption) => {
    const { h } = app;
    const kinds = columns.map((column) => (Array.isArray(column) ? column[1] : null));
    const head = columns.map((column) =>
      h('th', { scope: 'col', class: Array.isArray(column) ? column[1] : null }, Array.isArray(column) ? column[0] : column),
    );
    const body = rows.map((row) =>
      h(
        'tr',
        {},
        row.map((cell, i) => h('td', { class: kinds[i] }, cell)),
      ),
    );
    return h(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
      h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, h('tr', {}, head)), h('tbody', {}, body)),
    );
  };

  /** Label and value pairs. */
  app.pairs = (pairs, attributes = {}) =>
    app.h(
      'dl',
      { class: 'pairs', ...attributes },
      pairs.map(([label, value]) => app.h('div', {}, app.h('dt', {}, label), app.h('dd', {}, value))),
    );

  let pencil = null;
  /** Width in pixels of a text in the page's font. */
  app.textWidth = (text, size, bold = false) => {
    pencil = pencil || document.createElement('canvas').getContext('2d');
    pencil.font = `${bold ? '600 ' : ''}${size}px ${getComputedStyle(document.body).fontFamily}`;
    return pencil.measureText(text).width;
  };

  /** A text cut to `most` characters: names may be of any length. */
  app.cut = (text, most) => (String(text).length > most ? `${String(text).slice(0, most - 1)}…` : String(text));
})(window.nasReport);
