'use strict';

// The one name that this page adds to the window. Every file of js/ adds its topic to it; they are joined in the order of their names.
// There is no build step. Layout: prettier --print-width 140 --single-quote.
window.nasReport = (() => {
  const listeners = new Map();

  const app = {
    model: null,
    sections: [],
    // What the reader chose; it outlives every update of the data.
    state: { selected: null, x: null, y: 'goal0', colour: 'how', size: '', axis: 'clock', decision: null, theme: 'auto' },
  };

  /** Call `listener` whenever `event` ('data', 'filter', 'selection', 'theme', 'view') happens. */
  app.on = (events, listener) => {
    for (const event of events.split(' ')) listeners.set(event, [...(listeners.get(event) || []), listener]);
  };

  app.emit = (event) => {
    for (const listener of listeners.get(event) || []) listener(event);
  };

  /** A part of the page, `title` its name in the bar. `draw(body)` is called once and sees to updates itself. */
  app.section = (id, title, heading, draw) => app.sections.push({ id, title, heading, draw });

  /** Tell those who do not see the page. */
  app.say = (text) => {
    document.getElementById('said').textContent = text;
  };

  return app;
})();
