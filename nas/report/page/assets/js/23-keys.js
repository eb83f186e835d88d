'use strict';

// The legend of a chart: buttons, so that what they hide can be hidden without a mouse, and that they wrap on narrow screens.
(function (app) {
  const { h, s } = app;

  const PATHS = {
    circle: 'M8 3.5a4.5 4.5 0 1 0 .01 0z',
    square: 'M4 4h8v8H4z',
    diamond: 'M8 2.5 13.5 8 8 13.5 2.5 8z',
    'triangle-up': 'M8 3 13.5 12.5h-11z',
    'triangle-down': 'M8 13 13.5 3.5h-11z',
    pentagon: 'M8 2.5 13.3 6.4 11.3 12.8H4.7L2.7 6.4z',
    hexagon: 'M8 2.5 12.8 5.2v5.6L8 13.5 3.2 10.8V5.2z',
    'star-square': 'M3 3l5 2 5-2-2 5 2 5-5-2-5 2 2-5z',
    bowtie: 'M3 3.5l5 4.5 5-4.5v9L8 8l-5 4.5z',
    star: 'M8 1.5l1.8 4.2 4.7.4-3.6 3 1.1 4.5L8 11.3l-4 2.3 1.1-4.5-3.6-3 4.7-.4z',
    'x-thin': 'M4 4l8 8M12 4l-8 8',
  };
  const DASHES = { dash: '5 3', dot: '1.5 2.5', dashdot: '6 2 1.5 2' };
  const CLEAR = 'rgba(0,0,0,0)';

  const first = (value) => (Array.isArray(value) ? value[0] : value);

  const line = (trace) =>
    s('path', {
      d: 'M1 8h20',
      style: `stroke:${trace.line.color};stroke-width:${Math.min(3, trace.line.width || 2)};fill:none`,
      'stroke-dasharray': DASHES[trace.line.dash] || null,
    });

  const mark = (trace) => {
    const symbol = first(trace.marker.symbol) || 'circle';
    const open = symbol.endsWith('-open');
    const colour = first(trace.marker.color);
    const edge =
      trace.marker.line && (colour === CLEAR || symbol === 'x-thin' || symbol === 'star')
        ? trace.marker.line.color
        : open
          ? colour
          : 'none';
    const fill =
      open || symbol === 'x-thin' || colour === CLEAR ? 'none' : typeof colour === 'number' || colour === null ? 'var(--accent)' : colour;
    return s('path', {
      d: PATHS[symbol.replace('-open', '')] || PATHS.circle,
      transform: 'translate(3 0)',
      style: `fill:${fill};stroke:${edge};stroke-width:1.5`,
    });
  };

  const area = (trace) => s('rect', { x: 3, y: 2, width: 16, height: 12, rx: 2, style: `fill:${trace.fillcolor}` });

  const glyph = (trace) =>
    s(
      'svg',
      { width: 22, height: 16, viewBox: '0 0 22 16', 'aria-hidden': 'true' },
      trace.stackgroup
        ? area(trace)
        : [trace.mode.includes('lines') ? line(trace) : null, trace.mode.includes('markers') ? mark(trace) : null],
    );

  /** Names in traces are escaped for plotly; here they are texts. */
  const plain = (name) => name.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

  /** The buttons for the traces; `hidden` are the names of those that are not shown. */
  app.keys = (traces, hidden, toggle) =>
    traces
      .filter((trace) => trace.type === 'scatter' && trace.showlegend !== false)
      .map((trace) =>
        h(
          'button',
          {
            type: 'button',
            class: 'key',
            'aria-pressed': String(!hidden.has(trace.name)),
            'data-name': trace.name,
            onclick: () => toggle(trace.name),
          },
          glyph(trace),
          plain(trace.name),
        ),
      );
})(window.nasReport);
