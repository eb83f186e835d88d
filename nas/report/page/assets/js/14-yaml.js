'use strict';

// Plain data as YAML, innermost collections in one line: the text that `nas` itself writes.
(function (app) {
  const PLAIN = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
  // YAML 1.1 would read these as something else.
  const RESERVED = new Set(['y', 'n', 'yes', 'no', 'on', 'off', 'true', 'false', 'null']);

  const isCollection = (value) => value !== null && typeof value === 'object';
  const items = (value) => (Array.isArray(value) ? value : Object.values(value));
  const isNested = (value) => isCollection(value) && items(value).some((item) => isCollection(item) && items(item).length > 0);

  const number = (value) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf';
    const text = String(value);
    // YAML 1.1 knows no number without a point that has an exponent.
    return text.includes('e') && !text.includes('.') ? text.replace('e', '.0e') : text;
  };

  // Beyond ASCII as escapes, which every reader of YAML 1.1 takes in double quotes.
  const quoted = (text) =>
    JSON.stringify(text).replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);

  const scalar = (value) => {
    if (typeof value === 'string') return PLAIN.test(value) && !RESERVED.has(value.toLowerCase()) ? value : quoted(value);
    return typeof value === 'number' ? number(value) : String(value);
  };

  const flow = (value) => {
    if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
    if (isCollection(value))
      return `{${Object.entries(value)
        .map(([key, item]) => `${scalar(key)}: ${flow(item)}`)
        .join(', ')}}`;
    return scalar(value);
  };

  const writeMapping = (data, first, indent, lines) => {
    for (const [key, item] of Object.entries(data)) {
      const head = `${first}${scalar(key)}:`;
      if (!isNested(item)) lines.push(`${head} ${flow(item)}`);
      else {
        lines.push(head);
        const inner = Array.isArray(item) ? indent : `${indent}  `;
        write(item, inner, inner, lines);
      }
      first = indent;
    }
  };

  const write = (data, first, indent, lines) => {
    if (!isNested(data)) lines.push(first + flow(data));
    else if (!Array.isArray(data)) writeMapping(data, first, indent, lines);
    else {
      for (const item of data) {
        write(item, `${first}- `, `${indent}  `, lines);
        first = indent;
      }
    }
  };

  /** Plain data as YAML. */
  app.dump = (data) => {
    const lines = [];
    write(data, '', '', lines);
    return `${lines.join('\n')}\n`;
  };

  /** The YAML of a trial's architecture, or null where it is not known. */
  app.yamlOf = (row) => {
    if (row.yaml) return row.yaml;
    const data = app.architecture(row);
    return data ? app.dump(data) : null;
  };
})(window.nasReport);
