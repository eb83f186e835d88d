'use strict';

// Everything in its place; then what tests and a reader's console may ask for.
(function (app) {
  const { h } = app;

  const drawSections = () => {
    const main = document.getElementById('main');
    for (const section of app.sections) {
      const body = h('div', { class: 'body' });
      main.append(
        h(
          'section',
          { id: section.id, class: 'card', 'aria-labelledby': `${section.id}-title` },
          h('h2', { id: `${section.id}-title`, tabindex: -1 }, section.heading),
          body,
        ),
      );
      section.draw(body);
    }
  };

  const start = () => {
    app.load(JSON.parse(document.getElementById('report-data').textContent));
    app.startTheme();
    app.startHeader();
    drawSections();
    app.startNav();
    app.startLive();
  };

  const failed = (error) => {
    document
      .getElementById('main')
      .replaceChildren(h('p', { class: 'verdict failed' }, `This page cannot show its data: ${error.message}`));
    throw error;
  };

  /** Resolves when everything stands and what is on the screen is drawn. */
  app.ready = new Promise((resolve, reject) => {
    try {
      start();
      setTimeout(() => resolve(app), 30);
    } catch (error) {
      reject(error);
      failed(error);
    }
  });
  app.ready.catch(() => {});

  const rowOf = (number) => {
    const row = app.model.byNumber.get(number);
    if (!row) throw new Error(`there is no trial ${number}`);
    return row;
  };

  app.yaml = (number) => app.yamlOf(rowOf(number));
  app.data = (number) => app.architecture(rowOf(number));
  app.select = (number) => app.choose(number);
})(window.nasReport);
