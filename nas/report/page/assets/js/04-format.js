'use strict';

// Numbers as a person reads them: the same forms as on the command line.
(function (app) {
  const SCALES = [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ];
  const DASH = '–';

  const format = {};

  /** 7356124 as 7.36M. */
  format.count = (number) => {
    if (number === null || number === undefined) return DASH;
    const [scale, letter] = SCALES.find(([least]) => Math.abs(number) >= least) || [1, ''];
    return scale === 1 ? String(+number.toPrecision(4)) : `${(number / scale).toPrecision(3)}${letter}`;
  };

  /** The inverse: "7.36M" as a number; null where it is none. */
  format.read = (text) => {
    const found = /^\s*([-+]?\d*\.?\d+(?:e[-+]?\d+)?)\s*([kmgt%]?)\s*$/i.exec(text);
    if (!found) return null;
    const letter = found[2].toUpperCase();
    const scale = letter === '%' ? 0.01 : (SCALES.find(([, name]) => name.toUpperCase() === letter) || [1])[0];
    return Number(found[1]) * scale;
  };

  format.percent = (share, digits = 1) => (share === null || share === undefined ? DASH : `${(100 * share).toFixed(digits)}%`);

  format.number = (number) => (number === null || number === undefined ? DASH : String(+Number(number).toPrecision(4)));

  /** 0.35s, 42s, 5m 20s, 3h 05m. */
  format.seconds = (seconds) => {
    if (seconds === null || seconds === undefined) return DASH;
    if (seconds < 10) return `${+seconds.toFixed(2)}s`;
    const whole = Math.round(seconds);
    if (whole < 60) return `${whole}s`;
    if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, '0')}s`;
    return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`;
  };

  /** A value of a goal, in its unit. */
  format.value = (goal, value) => {
    if (value === null || value === undefined) return DASH;
    if (goal.fraction) return format.percent(value, 2);
    if (goal.unit === 'count') return format.count(value);
    if (goal.unit === 's') return format.seconds(value);
    return format.number(value) + (goal.unit ? ` ${goal.unit}` : '');
  };

  format.many = (number, word) => `${format.whole(number)} ${word}${number === 1 ? '' : 's'}`;

  /** An option of a decision, which may be null, true, or a text that is empty. */
  format.option = (option) => (option === '' ? '""' : String(option));

  /** plotly reads some tags and entities in its texts. */
  format.safe = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

  /** A name of any length as part of a text of plotly's. */
  format.label = (text, most) => format.safe(app.cut(text, most));

  /** 12345 as 12,345. */
  format.whole = (number) => number.toLocaleString('en');

  /** An option, or that its decision was not made. */
  format.made = (option, most) => (option === undefined ? 'not made' : app.cut(format.option(option), most));

  app.format = format;
})(window.nasReport);
