'use strict';

// What all charts share: their looks, when they are drawn, and that zoom and legend outlive every update.
(function (app) {
  const { format } = app;
  const charts = [];
  const CONFIG = { displayModeBar: false, showTips: false, scrollZoom: false };
  // Between two drawings of new data, in times of what one takes.
  const PATIENCE = 8;
  const coarse = matchMedia('(pointer: coarse)').matches;

  /** Whether there is room for words beside the plot. */
  app.isNarrow = () => document.body.clientWidth < 640;

  const axis = (extra = {}) => ({
    gridcolor: app.ink('grid'),
    linecolor: app.ink('muted'),
    zeroline: false,
    ticks: 'outside',
    tickcolor: app.ink('muted'),
    automargin: true,
    ...extra,
    title: { text: extra.title || '', font: { size: 12, color: app.ink('muted') }, standoff: 8 },
  });

  const FEW = 10;
  // How far out, in widths of where nearly all lie, a value is that would press all others into a line.
  const FAR = 2;

  /** Where an axis begins for the better nine tenths of the values; null where the others lie no further out than these lie apart. */
  app.focus = (values, goal) => {
    const sorted = values.map((value) => (goal.maximise ? value : -value)).sort((a, b) => a - b);
    const [worst, kept, best] = [sorted[0], sorted[Math.ceil(sorted.length / 10)], sorted[sorted.length - 1]];
    const spread = best - kept;
    if (sorted.length < FEW || !(spread > 0) || kept - worst <= FAR * spread) return null;
    const from = kept - 0.5 * spread;
    return { from: goal.maximise ? from : -from };
  };

  /** The axis of trials' `values` that shows `others` in any case; `notes` say how many trials it does not show at first. */
  app.focused = (values, others, goal) => {
    const focus = app.focus(values, goal);
    if (!focus) return { axis: {}, notes: [] };
    const best = goal.maximise ? Math.max(...values) : Math.min(...values);
    const [low, high] = [Math.min(best, focus.from, ...others), Math.max(best, focus.from, ...others)];
    const range = [low - 0.05 * (high - low), high + 0.08 * (high - low)];
    const outside = values.filter((value) => value < range[0] || value > range[1]).length;
    if (!outside) return { axis: {}, notes: [] };
    const text = `${format.many(outside, 'trial')} further ${goal.maximise ? 'down' : 'up'}: “Reset zoom” shows all`;
    const font = { size: 11, color: app.ink('muted') };
    const note = { xref: 'paper', yref: 'paper', x: 0.01, xanchor: 'left', showarrow: false, text, font, bgcolor: app.ink('card') };
    return { axis: { range }, notes: [{ ...note, y: goal.maximise ? 0.01 : 0.99, yanchor: goal.maximise ? 'bottom' : 'top' }] };
  };

  const look = (layout, gd) => ({
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    hovermode: 'closest',
    dragmode: coarse ? false : 'zoom',
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: app.ink('text') },
    hoverlabel: { bgcolor: app.ink('card'), bordercolor: app.ink('edge'), font: { color: app.ink('text'), size: 12 }, align: 'left' },
    margin: { l: 8, r: 12, t: 8, b: 8 },
    height: gd.clientHeight || 380,
    ...layout,
    showlegend: false,
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  });

  const clickedNumber = (event) => {
    const point = event.points.find((item) => Number.isInteger(item.customdata));
    return point ? point.customdata : null;
  };

  class Chart {
    constructor({ id, label, build, height = 400 }) {
      Object.assign(this, { id, build, dirty: true, near: false, drawn: false, hidden: new Set(), rest: 0, ended: 0, cost: 0 });
      this.keys = app.h('div', { class: 'keys', role: 'group', 'aria-label': `Legend, hides and shows: ${label}` });
      this.plot = app.h('div', { class: 'plot', id: `chart-${id}`, role: 'img', 'aria-label': label, style: `height:${height}px` });
      this.missing = app.h('div', { hidden: true });
      this.tools = app.h(
        'div',
        { class: 'tools' },
        app.button('Reset zoom', () => this.reset(), { 'aria-label': `Reset the zoom of: ${label}` }),
        app.button('Save SVG', () => this.save(), { 'aria-label': `Save as SVG: ${label}` }),
      );
      this.node = app.h('figure', { class: 'chart' }, this.keys, this.plot, this.missing, this.tools);
      this.watch();
    }

    watch() {
      // plotly itself looks at the window alone, but a panel beside the page makes it narrower, too.
      new ResizeObserver(() => this.drawn && !this.plot.hidden && this.plot.clientWidth && this.fit()).observe(this.plot);
      new IntersectionObserver(
        ([entry]) => {
          this.near = entry.isIntersecting;
          if (this.near) schedule();
        },
        { rootMargin: '400px' },
      ).observe(this.node);
    }

    /** Something that it shows has changed: it is drawn again when it is near the screen. */
    update(event) {
      this.dirty = true;
      // Thousands of points take half a second: while data streams in, most of the time is the reader's.
      this.rest = event === 'data' ? this.ended + PATIENCE * this.cost : 0;
      schedule();
    }

    draw() {
      const begun = performance.now();
      this.dirty = false;
      this.render();
      this.ended = performance.now();
      this.cost = this.ended - begun;
    }

    render() {
      const { traces = [], layout = {}, missing = null } = this.build();
      this.plot.hidden = this.tools.hidden = this.keys.hidden = Boolean(missing);
      this.missing.hidden = !missing;
      if (missing) {
        app.show(this.missing, missing);
        return;
      }
      this.plot.style.height = layout.height ? `${layout.height}px` : this.plot.style.height;
      traces.forEach((trace) => {
        trace.visible = !this.hidden.has(trace.name);
      });
      this.drawKeys(traces);
      Plotly.react(this.plot, traces, look(layout, this.plot), CONFIG);
      if (!this.drawn) this.listen();
      this.tick();
    }

    drawKeys(traces) {
      const had = this.keys.contains(document.activeElement) ? document.activeElement.dataset.name : null;
      app.show(
        this.keys,
        app.keys(traces, this.hidden, (name) => this.toggle(name)),
      );
      if (had !== null) [...this.keys.children].find((key) => key.dataset.name === had)?.focus({ preventScroll: true });
    }

    toggle(name) {
      if (!this.hidden.delete(name)) this.hidden.add(name);
      this.draw();
    }

    listen() {
      this.drawn = true;
      this.plot.on('plotly_relayout', () => this.tick());
      this.plot.on('plotly_click', (event) => {
        const number = clickedNumber(event);
        if (number !== null) app.choose(number);
      });
    }

    /** Over more than a decade a logarithmic axis has room for 1, 2 and 5 alone; in less plotly knows better. */
    tick() {
      const change = {};
      for (const name of ['xaxis', 'yaxis']) {
        const { type, range, dtick } = this.plot._fullLayout[name];
        const wide = Math.abs(range[1] - range[0]) > 1;
        if (type === 'log' && wide !== (dtick === 'D2'))
          Object.assign(change, { [`${name}.dtick`]: wide ? 'D2' : null, [`${name}.tickmode`]: wide ? 'linear' : 'auto' });
      }
      if (Object.keys(change).length) Plotly.relayout(this.plot, change);
    }

    /** As wide as its place. */
    fit() {
      if (Math.abs(this.plot._fullLayout.width - this.plot.clientWidth) > 1) Plotly.Plots.resize(this.plot);
    }

    reset() {
      if (this.drawn) Plotly.relayout(this.plot, { 'xaxis.autorange': true, 'yaxis.autorange': true });
    }

    save() {
      Plotly.downloadImage(this.plot, {
        format: 'svg',
        filename: `${app.model.data.name}-${this.id}`,
        width: this.plot.clientWidth,
        height: this.plot.clientHeight,
      });
    }
  }

  let timer = null;

  /** One chart a turn of the browser, those on the screen alone, so that the page answers while it draws. */
  const schedule = () => {
    clearTimeout(timer);
    const waiting = charts.filter((chart) => chart.dirty && chart.near && chart.node.isConnected);
    if (!waiting.length) return;
    const next = waiting.reduce((a, b) => (b.rest < a.rest ? b : a));
    timer = setTimeout(() => turn(next), Math.max(0, next.rest - performance.now()));
  };

  const turn = (chart) => {
    try {
      if (chart.dirty) chart.draw();
    } finally {
      // One that cannot be drawn keeps none of the others.
      schedule();
    }
  };

  /** A chart; `build()` gives {traces, layout} or {missing: node}, and is called again after each of `events`. */
  app.chart = (options, events) => {
    const chart = new Chart(options);
    charts.push(chart);
    if (events) app.on(events, (event) => chart.update(event));
    return chart;
  };

  /** Take a chart that left the page out of the list. */
  app.drop = (chart) => {
    if (chart.drawn) Plotly.purge(chart.plot);
    charts.splice(charts.indexOf(chart), 1);
  };

  /** Draw what is not drawn yet, seen or not: for print and for tests. */
  app.drawAll = () => charts.filter((chart) => chart.dirty).forEach((chart) => chart.draw());

  matchMedia('(max-width: 639px)').addEventListener('change', () => charts.forEach((chart) => chart.update()));
})(window.nasReport);
