'use strict';

// The trials as a table, a page at a time: the way to every trial without a mouse.
(function (app) {
  const { h, format } = app;
  const SIZE = 25;
  const STATES = { C: 'complete', F: 'failed', R: 'running' };

  let sort = { key: 'goal0', down: true };
  let page = 0;
  let rows = [];
  let focused = null;

  const columns = () => {
    const { model } = app;
    const has = (test) => model.trials.some(test);
    const measures = model.measures.map((measure) => ({
      key: measure.key,
      name: measure.short,
      number: true,
      get: measure.get,
      show: (row) => measure.show(measure.get(row)),
      best: measure.maximise ? 'down' : 'up',
    }));
    return [
      { key: 'number', name: 'trial', number: true, get: (row) => row.number, show: (row) => String(row.number), best: 'up' },
      ...measures,
      { key: 'how', name: 'made by', get: (row) => row.how, show: (row) => app.cut(row.how || '–', 40), best: 'up' },
      has((row) => row.parent !== null) && {
        key: 'parent',
        name: 'parent',
        number: true,
        get: (row) => row.parent,
        show: (row) => (row.parent === null ? '–' : String(row.parent)),
        best: 'up',
      },
      { key: 'state', name: 'state', get: (row) => stateOf(row), show: (row) => stateOf(row), best: 'up' },
      has((row) => row.fraction !== 1) && {
        key: 'fraction',
        name: 'fidelity',
        number: true,
        get: (row) => row.fraction,
        show: (row) => format.percent(row.fraction, 0),
        best: 'down',
      },
      has((row) => row.where !== null) && {
        key: 'where',
        name: 'device',
        get: (row) => row.where,
        show: (row) => app.cut(row.where || '–', 24),
        best: 'up',
      },
    ].filter(Boolean);
  };

  const stateOf = (row) =>
    row.reference ? 'reference' : row.stopped !== null ? `stopped at ${row.stopped}` : row.cut ? 'cut off' : STATES[row.state] || row.state;

  const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b) : a - b);

  const sorted = () => {
    const column = columns().find((item) => item.key === sort.key) || columns()[0];
    const sign = sort.down ? -1 : 1;
    // What is not known comes last, whichever way.
    const known = app.shown().filter((row) => column.get(row) !== null);
    const unknown = app.shown().filter((row) => column.get(row) === null);
    return [...known.sort((a, b) => sign * compare(column.get(a), column.get(b)) || a.number - b.number), ...unknown];
  };

  const pages = () => Math.max(1, Math.ceil(rows.length / SIZE));

  class Table {
    constructor() {
      this.head = h('tr');
      this.body = h('tbody');
      this.count = h('span', { class: 'count' });
      this.table = h(
        'table',
        { class: 'trials', id: 'trial-table', role: 'grid', 'aria-readonly': 'true' },
        h('caption', { class: 'unseen' }, 'Trials; arrow keys move between rows, Enter shows the architecture'),
        h('thead', {}, this.head),
        this.body,
      );
      const turn = (label, to) => app.button(label, () => this.turn(to()), { 'aria-label': `${label} page` });
      this.node = h(
        'div',
        {},
        h('h3', {}, 'All trials as a table'),
        h('div', { class: 'scroll' }, this.table),
        h(
          'div',
          { class: 'tools pager' },
          turn('First', () => 0),
          turn('Previous', () => page - 1),
          this.count,
          turn('Next', () => page + 1),
          turn('Last', () => pages() - 1),
          app.saver('Save CSV', () => `${app.model.data.name}-trials.csv`, csv, 'text/csv'),
        ),
      );
      this.body.addEventListener('keydown', (event) => this.key(event));
      this.body.addEventListener('click', (event) => this.clicked(event));
      this.body.addEventListener('focusin', (event) => {
        focused = Number(event.target.closest('tr').dataset.number);
      });
    }

    update(toFirst) {
      if (toFirst) page = 0;
      rows = sorted();
      page = Math.min(Math.max(0, page), pages() - 1);
      this.drawHead();
      this.drawBody();
    }

    turn(to) {
      page = Math.min(Math.max(0, to), pages() - 1);
      this.drawBody();
    }

    drawHead() {
      const had = this.head.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.head.replaceChildren(
        ...columns().map((column) => {
          const on = sort.key === column.key;
          const arrow = on ? (sort.down ? ' ↓' : ' ↑') : '';
          const button = app.button(column.name + arrow, () => this.sortBy(column), { 'data-key': column.key });
          return h(
            'th',
            { scope: 'col', class: column.number ? 'number' : null, 'aria-sort': on ? (sort.down ? 'descending' : 'ascending') : 'none' },
            button,
          );
        }),
      );
      if (had) this.head.querySelector(`[data-key="${had}"]`)?.focus();
    }

    sortBy(column) {
      sort = { key: column.key, down: sort.key === column.key ? !sort.down : column.best === 'down' };
      this.update(true);
    }

    drawBody() {
      const had = this.body.contains(document.activeElement);
      const kept = rows.slice(page * SIZE, (page + 1) * SIZE);
      const shownColumns = columns();
      this.body.replaceChildren(...kept.map((row, i) => this.row(row, shownColumns, page * SIZE + i + 2)));
      if (!kept.length)
        this.body.append(
          h(
            'tr',
            {},
            h('td', { colspan: shownColumns.length }, app.model.trials.length ? 'No trial passes the filter.' : 'No trial has begun yet.'),
          ),
        );
      this.table.setAttribute('aria-rowcount', rows.length + 1);
      this.count.textContent = rows.length
        ? `${format.whole(page * SIZE + 1)} to ${format.whole(page * SIZE + kept.length)} of ${format.whole(rows.length)}`
        : '';
      this.rove(had);
    }

    row(row, shownColumns, index) {
      const chosen = row.number === app.state.selected;
      const best = row.number === app.model.winner;
      return h(
        'tr',
        {
          tabindex: -1,
          'data-number': row.number,
          'aria-rowindex': index,
          'aria-selected': chosen ? 'true' : null,
          class: best ? 'best' : null,
        },
        shownColumns.map((column) =>
          h(
            'td',
            { class: column.number ? 'number' : null },
            column.show(row),
            best && column.key === 'number' ? h('span', { title: 'the winner' }, ' ★') : null,
          ),
        ),
      );
    }

    /** One row can be reached with Tab; arrow keys go on from there. */
    rove(withFocus) {
      const all = [...this.body.querySelectorAll('tr[data-number]')];
      if (!all.length) return;
      const target = all.find((tr) => Number(tr.dataset.number) === focused) || all[0];
      all.forEach((tr) => {
        tr.tabIndex = tr === target ? 0 : -1;
      });
      if (withFocus) target.focus({ preventScroll: true });
    }

    focusRow(number) {
      focused = number;
      const index = rows.findIndex((row) => row.number === number);
      if (index < 0) return;
      if (Math.floor(index / SIZE) !== page) this.turn(Math.floor(index / SIZE));
      this.rove(false);
      this.body.querySelector(`tr[data-number="${number}"]`).focus();
    }

    key(event) {
      const number = Number(event.target.closest('tr')?.dataset.number);
      const index = rows.findIndex((row) => row.number === number);
      const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1, PageDown: index + SIZE, PageUp: index - SIZE }[
        event.key
      ];
      if (event.key === 'Enter' || event.key === ' ') app.choose(number);
      else if (to !== undefined && index >= 0) this.focusRow(rows[Math.min(Math.max(0, to), rows.length - 1)].number);
      else return;
      event.preventDefault();
    }

    clicked(event) {
      const tr = event.target.closest('tr[data-number]');
      if (!tr) return;
      this.focusRow(Number(tr.dataset.number));
      app.choose(Number(tr.dataset.number));
    }

    mark() {
      this.body.querySelectorAll('tr[data-number]').forEach((tr) => {
        if (Number(tr.dataset.number) === app.state.selected) tr.setAttribute('aria-selected', 'true');
        else tr.removeAttribute('aria-selected');
      });
    }
  }

  const cell = (value) => {
    const text = value === null || value === undefined ? '' : String(value);
    // A text that begins like a formula would be one to a spreadsheet.
    const plain = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
  };

  /** What the table shows, all pages of it, with numbers as they are. */
  const csv = () => {
    const all = columns();
    const { decisions } = app.model.data.space;
    const head = [...all.map((column) => column.name), 'digest', ...decisions.map((decision) => decision.name)];
    const line = (row) => [
      ...all.map((column) => column.get(row)),
      row.digest,
      ...decisions.map((decision, i) => (row.codes && row.codes[i] ? decision.options[row.codes[i] - 1] : null)),
    ];
    return `${[head, ...rows.map(line)].map((cells) => cells.map(cell).join(',')).join('\n')}\n`;
  };

  app.trialTable = () => {
    const table = new Table();
    app.on('data', () => table.update(false));
    app.on('filter', () => table.update(true));
    app.on('selection', () => table.mark());
    table.update(true);
    return table.node;
  };
})(window.nasReport);
