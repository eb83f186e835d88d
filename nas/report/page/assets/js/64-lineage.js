'use strict';

// From whom a trial descends: its ancestors in a line, and beside them the other children that they had.
(function (app) {
  const { h, s, format } = app;
  const BESIDE = 4;
  const STEP = { x: 132, y: 46 };
  const BOX = { width: 108, height: 36 };
  const opened = new Set();
  let focused = null;

  const subject = () => {
    const wish = app.state.lineage ?? app.model.winner;
    return app.model.byNumber.get(wish) || app.model.byNumber.get(app.model.winner) || null;
  };

  /** The ancestors of a row, the oldest first, itself last. A record that goes in a circle ends there. */
  const line = (row) => {
    const found = [];
    const seen = new Set();
    for (let at = row; at && !seen.has(at.number); at = at.parent === null ? null : app.model.byNumber.get(at.parent)) {
      found.unshift(at);
      seen.add(at.number);
    }
    return found;
  };

  /** Places: {row, column, level, from, more}. The line is level 0, other children hang below their parent's column + 1. */
  const places = (ancestors) => {
    const own = new Set(ancestors.map((row) => row.number));
    const made = [];
    ancestors.forEach((row, column) => {
      made.push({ key: row.number, row, column, level: 0, from: column ? ancestors[column - 1].number : null, line: true });
      const others = (app.model.children.get(row.number) || []).filter((child) => !own.has(child.number)).sort((a, b) => app.better(b, a));
      const shown = opened.has(row.number) ? others : others.slice(0, BESIDE);
      shown.forEach((child, i) => made.push({ key: child.number, row: child, column: column + 1, level: i + 1, from: row.number }));
      if (others.length > shown.length)
        made.push({
          key: `more-${row.number}`,
          more: others.length - shown.length,
          parent: row.number,
          column: column + 1,
          level: shown.length + 1,
          from: row.number,
        });
    });
    return made;
  };

  const centre = (place) => ({ x: 8 + BOX.width / 2 + place.column * STEP.x, y: 8 + BOX.height / 2 + place.level * STEP.y });

  const link = (place, byKey) => {
    const parent = byKey.get(place.from);
    if (!parent) return null;
    const a = centre(parent);
    const b = centre(place);
    const x = b.x - BOX.width / 2;
    const middle = a.x + BOX.width / 2 + (x - a.x - BOX.width / 2) / 2;
    return s('path', {
      class: place.line ? 'stem' : 'twig',
      d: `M${a.x + BOX.width / 2} ${a.y}C${middle} ${a.y} ${middle} ${b.y} ${x} ${b.y}`,
    });
  };

  const valueOf = (row) =>
    row.value === null ? { F: 'failed', R: 'running' }[row.state] || '–' : format.value(app.model.goals[0], row.value);

  const classOf = (place) =>
    [
      'tree',
      place.line ? 'line' : '',
      place.row?.number === app.model.winner ? 'best' : '',
      place.row?.number === app.state.selected ? 'chosen' : '',
      place.row?.state === 'F' ? 'failed' : '',
    ].join(' ');

  const act = (place) => {
    focused = place.key;
    if (place.row) app.choose(place.row.number);
    else {
      opened.add(place.parent);
      app.emit('lineage');
    }
  };

  const box = (place) => {
    const { x, y } = centre(place);
    const label = place.row
      ? `trial ${place.row.number}, ${valueOf(place.row)}${place.line ? ', in the line' : ''}`
      : `${place.more} more children of trial ${place.parent}`;
    return s(
      'g',
      { class: classOf(place), role: 'button', tabindex: -1, 'data-key': place.key, 'aria-label': label, onclick: () => act(place) },
      s('rect', { x: x - BOX.width / 2, y: y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: 8 }),
      place.row
        ? [
            s(
              'text',
              { x, y: y - 7, 'text-anchor': 'middle', 'dominant-baseline': 'central', 'font-weight': 600 },
              `trial ${place.row.number}${place.row.number === app.model.winner ? ' ★' : ''}`,
            ),
            s('text', { x, y: y + 8, 'text-anchor': 'middle', 'dominant-baseline': 'central', class: 'small' }, valueOf(place.row)),
          ]
        : s('text', { x, y, 'text-anchor': 'middle', 'dominant-baseline': 'central' }, `${place.more} more`),
    );
  };

  /** The nearest place in the direction of an arrow key. */
  const neighbour = (all, here, key) => {
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
    if (key === 'ArrowLeft') return all.find((place) => place.key === here.from);
    const ahead = all.filter((place) =>
      dx
        ? place.column > here.column && (place.from === here.key || place.level === here.level)
        : place.column === here.column && (place.level - here.level) * dy > 0,
    );
    return ahead.sort(
      (a, b) =>
        Math.abs(a.column - here.column) +
        Math.abs(a.level - here.level) -
        Math.abs(b.column - here.column) -
        Math.abs(b.level - here.level),
    )[0];
  };

  const keys = (svg, all) => (event) => {
    const here = all.find((place) => String(place.key) === event.target.dataset?.key);
    if (!here) return;
    if (event.key === 'Enter' || event.key === ' ') act(here);
    else if (event.key.startsWith('Arrow')) {
      const there = neighbour(all, here, event.key);
      if (there) focusPlace(svg, there.key, true);
    } else return;
    event.preventDefault();
  };

  const focusPlace = (svg, key, now) => {
    const nodes = [...svg.querySelectorAll('[data-key]')];
    const target = nodes.find((node) => node.dataset.key === String(key)) || nodes[nodes.length - 1];
    nodes.forEach((node) => node.setAttribute('tabindex', node === target ? 0 : -1));
    if (now && target) target.focus();
  };

  const tree = (ancestors, hadFocus) => {
    const all = places(ancestors);
    const byKey = new Map(all.map((place) => [place.key, place]));
    const width = 16 + BOX.width + STEP.x * Math.max(...all.map((place) => place.column));
    const height = 16 + BOX.height + STEP.y * Math.max(...all.map((place) => place.level));
    const svg = s(
      'svg',
      {
        class: 'lineage',
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: 'group',
        'aria-label': 'Lineage; arrow keys move, Enter shows the architecture',
      },
      all.map((place) => link(place, byKey)),
      all.map(box),
    );
    svg.addEventListener('keydown', keys(svg, all));
    const key = focused !== null && byKey.has(focused) ? focused : ancestors[ancestors.length - 1].number;
    queueMicrotask(() => focusPlace(svg, key, hadFocus));
    return h('div', { class: 'frame' }, svg);
  };

  const steps = (ancestors) => {
    const rows = ancestors.map((row, i) => {
      const changes = i ? app.changes(ancestors[i - 1], row) : [];
      const words = changes
        .slice(0, 6)
        .map(([name, before, after]) =>
          h('li', {}, h('code', {}, app.cut(name, 100)), ` ${format.made(before, 60)} → ${format.made(after, 60)}`),
        );
      return [
        app.trialLink(row.number, `Trial ${row.number}`),
        valueOf(row),
        app.cut(row.how || '–', 60),
        words.length
          ? h('ul', { class: 'plain' }, words, changes.length > 6 ? h('li', {}, `and ${changes.length - 6} more`) : null)
          : i
            ? 'the same network again'
            : '',
      ];
    });
    return app.table(['trial', [app.model.goals[0].label, 'number'], 'made by', 'what changed'], rows, 'The line, step by step');
  };

  const sayAlone = (row, of) => {
    const how = app.cut(row.how || 'unknown', 60);
    return `Trial ${row.number}, ${of}, was not made from another trial (${how}), and none was made from it.`;
  };

  const sayLine = (row, of, ancestors) => {
    const steps = ancestors.length - 1;
    const whence = steps ? `${format.many(steps, 'step')} from trial ${ancestors[0].number}` : 'made from no other trial';
    return `Trial ${row.number}, ${of}: ${whence}. Below each are other children of its parent, the best first.`;
  };

  const content = (hadFocus) => {
    const row = subject();
    if (!row) return app.missing('There is no finished trial yet whose lineage could be shown.');
    const ancestors = line(row);
    const of = row.number === app.model.winner ? 'the winner' : 'chosen last';
    const children = (app.model.children.get(row.number) || []).length;
    const alone = ancestors.length === 1 && !children;
    return [
      h('p', { class: 'caption' }, alone ? sayAlone(row, of) : sayLine(row, of, ancestors)),
      row.number === app.model.winner || app.model.winner === null
        ? null
        : app.button('Show the lineage of the winner', () => {
            app.state.lineage = app.model.winner;
            app.emit('lineage');
          }),
      tree(ancestors, hadFocus),
      ancestors.length > 1 ? steps(ancestors) : null,
    ];
  };

  app.section('lineage', 'Lineage', 'Where it comes from', (body) => {
    const again = (event) => {
      // Another trial that is selected is the subject; closing its panel changes nothing.
      if (event === 'selection' && app.state.selected !== null) app.state.lineage = app.state.selected;
      const scrolled = body.querySelector('.frame')?.scrollLeft;
      const had = body.contains(document.activeElement) && document.activeElement.dataset.key !== undefined;
      app.show(body, content(had));
      const frame = body.querySelector('.frame');
      // The newest stands at the right end.
      if (frame) frame.scrollLeft = event === 'data' && scrolled !== undefined ? scrolled : frame.scrollWidth;
    };
    app.on('data selection view lineage', again);
    again();
  });
})(window.nasReport);
