'use strict';

// One trial in full: a panel beside the page, which stays open while data comes in.
(function (app) {
  const { h, format } = app;
  const NAMES = { C: 'complete', F: 'failed', R: 'running' };
  const MOST = 12;
  let from = null;
  let shown = null;
  let curve = null;

  const panel = () => document.getElementById('detail');

  /** Select a trial and show its panel. */
  app.choose = (number) => {
    if (!app.model.byNumber.has(number)) return false;
    if (panel().hidden || !panel().contains(document.activeElement)) from = document.activeElement;
    app.state.selected = number;
    draw(true);
    app.emit('selection');
    return true;
  };

  /** Close the panel; the focus goes back to where it was. */
  app.close = () => {
    if (panel().hidden) return;
    panel().hidden = true;
    document.body.classList.remove('with-detail');
    app.state.selected = null;
    shown = null;
    release();
    app.emit('selection');
    giveBack();
  };

  const giveBack = () => {
    const there = from && from.isConnected && from !== document.body ? from : document.querySelector('#trial-table tr[tabindex="0"]');
    if (there) there.focus({ preventScroll: true });
  };

  const release = () => {
    if (curve) app.drop(curve);
    curve = null;
  };

  /** A link to the panel of a trial; plain text where there is no such trial here. */
  app.trialLink = (number, text) =>
    app.model.byNumber.has(number) ? app.button(text, () => app.choose(number), { class: 'link' }) : h('span', {}, text);

  const badges = (row) => [
    row.number === app.model.winner ? h('span', { class: 'pill ended' }, 'winner') : null,
    app.onFront().has(row.number) ? h('span', { class: 'pill' }, 'on the front') : null,
    row.reference ? h('span', { class: 'pill' }, 'reference') : null,
    row.complete ? null : h('span', { class: `pill ${row.state === 'F' ? 'failed' : 'running'}` }, NAMES[row.state]),
  ];

  const family = (row) => {
    const children = (app.model.children.get(row.number) || []).slice().sort((a, b) => app.better(b, a));
    const links = children.slice(0, 12).map((child) => app.trialLink(child.number, String(child.number)));
    return [
      row.parent === null ? null : ['parent', app.trialLink(row.parent, `trial ${row.parent}`)],
      children.length
        ? ['children', h('span', { class: 'row' }, links, children.length > 12 ? ` and ${children.length - 12} more` : '')]
        : null,
    ].filter(Boolean);
  };

  const fidelity = (row) => {
    const parts = [row.fraction === 1 ? 'full' : `${format.percent(row.fraction, 0)} of the full one`];
    if (row.stopped !== null) parts.push(`stopped early after ${format.many(row.stopped, 'epoch')}`);
    if (row.cut) parts.push('cut off by the budget');
    return parts.join(', ');
  };

  const facts = (row) =>
    app.pairs(
      [
        ...app.model.measures.map((measure) => [measure.label, measure.show(measure.get(row))]),
        ['made by', app.cut(row.how || 'unknown', 100)],
        ...family(row),
        ['fidelity', fidelity(row)],
        row.order === null ? ['order', 'not finished'] : ['order', `finished as number ${row.order + 1}`],
        row.where ? ['device', app.cut(row.where, 80)] : null,
        row.digest ? ['digest', h('code', {}, row.digest)] : null,
      ].filter(Boolean),
    );

  const option = (value) => (value === undefined ? h('i', {}, 'not made') : app.cut(format.option(value), 120));

  const differences = (row) => {
    const parent = row.parent === null ? null : app.model.byNumber.get(row.parent);
    if (!parent) return null;
    const changes = app.changes(parent, row);
    const table = (some) =>
      app.table(
        ['decision', 'parent', 'here'],
        some.map(([name, before, after]) => [app.cut(name, 120), option(before), option(after)]),
        'Decisions that differ from the parent',
      );
    // One decision may lead to a hundred others: those stand behind a click.
    const rest = changes.slice(MOST);
    return h(
      'section',
      {},
      h('h3', {}, `What differs from trial ${parent.number}`),
      changes.length ? table(changes.slice(0, MOST)) : h('p', {}, 'No decision: the same network again.'),
      rest.length ? h('details', {}, h('summary', {}, `${format.many(rest.length, 'more decision')}`), table(rest)) : null,
    );
  };

  const pictures = (architecture, number) => {
    const graphs = app.graphs(architecture);
    const families = new Set(graphs.flatMap((graph) => graph.boxes.filter((box) => box.kind === 'op').map((box) => box.family)));
    return graphs.length
      ? h(
          'section',
          { class: 'cells' },
          h('h3', {}, graphs.length === 1 ? 'Its cell' : 'Its cells'),
          graphs.map((graph) =>
            h(
              'div',
              {},
              h('h4', {}, app.cut(graph.name, 80)),
              app.viewer(app.picture(graph), `Picture of ${graph.name}`, `trial-${number}-${graph.name}`),
            ),
          ),
          app.legend(families),
        )
      : null;
  };

  const network = (row) => {
    const architecture = app.architecture(row);
    const yaml = app.yamlOf(row);
    return [
      architecture ? pictures(architecture, row.number) : null,
      architecture ? h('section', {}, h('h3', {}, 'Its stages'), app.stages(architecture)) : null,
      yaml
        ? h(
            'section',
            {},
            h('h3', {}, 'Its YAML'),
            app.yamlBox(yaml, () => `${app.model.data.name}-trial-${row.number}.yaml`),
          )
        : h('p', { class: 'note' }, 'Its architecture is not recorded here.'),
    ];
  };

  const curveOf = (row) => {
    release();
    if (!row.curve || !row.curve[0].length) return null;
    curve = app.chart({
      id: 'detail-curve',
      label: `Learning curve of trial ${row.number}`,
      height: 220,
      build: () => app.curveChart([row.number, row.parent]),
    });
    curve.near = true;
    curve.update();
    return h('section', {}, h('h3', {}, 'Its learning curve'), curve.node);
  };

  const decided = (row) => {
    const made = app.decisions(row);
    return made.length
      ? h(
          'details',
          {},
          h('summary', {}, `All ${format.many(made.length, 'decision')}`),
          app.table(
            ['decision', 'option'],
            made.map(([name, value]) => [app.cut(name, 120), option(value)]),
            'All decisions',
          ),
        )
      : null;
  };

  const safely = (make) => {
    try {
      return make();
    } catch (error) {
      return h('p', { class: 'note' }, `This part cannot be shown: ${error.message}`);
    }
  };

  const draw = (fresh) => {
    const row = app.model.byNumber.get(app.state.selected);
    const node = panel();
    const scrolled = node.scrollTop;
    shown = keyOf(row);
    node.hidden = false;
    document.body.classList.add('with-detail');
    node.setAttribute('aria-labelledby', 'detail-title');
    app.show(
      node,
      h(
        'div',
        { class: 'detail-head' },
        h('h2', { id: 'detail-title', tabindex: -1 }, `Trial ${row.number} `, badges(row)),
        app.button('Close', app.close, { class: 'close', 'aria-keyshortcuts': 'Escape' }),
      ),
      row.reason ? h('p', { class: 'verdict failed' }, app.cut(row.reason, 4000)) : null,
      (row.notes || []).map((note) => h('p', { class: 'note' }, app.cut(note, 1000))),
      facts(row),
      safely(() => differences(row)),
      safely(() => network(row)),
      curveOf(row),
      decided(row),
      app.button('Show its lineage', () => toLineage(row.number)),
    );
    if (fresh) document.getElementById('detail-title').focus({ preventScroll: true });
    node.scrollTop = fresh ? 0 : scrolled;
  };

  /** The panel would hide it on a narrow screen. */
  const toLineage = (number) => {
    app.close();
    app.state.lineage = number;
    app.emit('lineage');
    document.getElementById('lineage').scrollIntoView();
    document.getElementById('lineage-title').focus({ preventScroll: true });
  };

  const keyOf = (row) =>
    JSON.stringify([
      row.state,
      row.values,
      row.curve,
      row.encoded,
      row.stopped,
      row.notes,
      (app.model.children.get(row.number) || []).length,
      row.number === app.model.winner,
    ]);

  app.on('data', () => {
    if (app.state.selected === null) return;
    const row = app.model.byNumber.get(app.state.selected);
    if (!row) app.close();
    else if (keyOf(row) !== shown) draw(false);
  });
  app.on('theme', () => curve && curve.update());
  addEventListener('keydown', (event) => event.key === 'Escape' && app.close());
})(window.nasReport);
