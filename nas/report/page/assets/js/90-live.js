'use strict';

// While a search runs the page asks for its data again and again; a finished page never asks for anything.
(function (app) {
  const SLOWEST = 60;
  let known = null;
  let last = null;

  const tell = (text, lost) => {
    const note = document.getElementById('live');
    note.hidden = false;
    note.textContent = text;
    note.classList.toggle('lost', Boolean(lost));
  };

  /** The new data, or null where there is nothing new. Throws where the server cannot be reached. */
  const ask = async (url) => {
    const headers = known ? { 'If-None-Match': known } : {};
    const answer = await fetch(url, { headers, cache: 'no-store' });
    if (answer.status === 304) return null;
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const text = await answer.text();
    known = answer.headers.get('ETag');
    // Servers that know no ETag say the same again.
    if (text === last) return null;
    last = text;
    return JSON.parse(text);
  };

  const take = (data) => {
    app.load(data);
    app.paintFamilies();
    app.emit('data');
  };

  const round = async (live, wait) => {
    let next = live.seconds;
    try {
      const data = await ask(live.url);
      if (data) take(data);
      tell(app.model.data.state === 'running' ? 'live' : 'search ended');
    } catch {
      tell('search ended or server gone', true);
      next = Math.min(SLOWEST, wait * 2);
    }
    setTimeout(() => round(live, next), 1000 * next);
  };

  app.startLive = () => {
    const { live } = app.model.data;
    if (!live) return;
    tell('live');
    setTimeout(() => round(live, live.seconds), 1000 * live.seconds);
  };
})(window.nasReport);
