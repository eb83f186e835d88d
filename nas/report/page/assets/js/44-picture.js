'use strict';

// A graph as a picture: dagre says where, this says how. Colours are variables, so that it follows the theme.
(function (app) {
  const { s } = app;
  const OP = { height: 28, tall: 42, size: 12, small: 10 };
  const WIDEST = 220;
  const ROOT = 'root';

  const sizeOf = (box) => {
    const first = box.kind === 'op' ? box.name : box.first;
    const wide = Math.max(
      app.textWidth(first || '', OP.size, box.kind !== 'op'),
      app.textWidth(box.second || '', box.kind === 'op' || first ? OP.small : OP.size, !first),
    );
    const height = box.kind === 'op' ? (box.second ? OP.tall : OP.height) : first ? 36 : 24;
    return { width: Math.min(WIDEST, Math.ceil(wide) + 18), height };
  };

  const layout = ({ boxes, arrows }) => {
    const graph = new dagre.graphlib.Graph({ multigraph: true });
    graph.setGraph({ rankdir: 'LR', nodesep: 10, ranksep: 34, edgesep: 10, marginx: 6, marginy: 6 });
    graph.setDefaultEdgeLabel(() => ({}));
    // All operations have one width, so that columns are calm to look at.
    const op = Math.max(60, ...boxes.filter((box) => box.kind === 'op').map((box) => sizeOf(box).width));
    for (const box of boxes) graph.setNode(box.id, { ...sizeOf(box), ...(box.kind === 'op' ? { width: op } : {}) });
    // What is read by others only stands at the beginning, however late it is read.
    graph.setNode(ROOT, { width: 0, height: 0 });
    boxes.filter((box) => !arrows.some(([, to]) => to === box.id)).forEach((box) => graph.setEdge(ROOT, box.id, { weight: 100 }, 'root'));
    arrows.forEach(([from, to], i) => graph.setEdge(from, to, {}, `${i}`));
    dagre.layout(graph);
    return graph;
  };

  /** A smooth line through the points: straight in, curved at each. */
  const path = (points) => {
    const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
    const round = (point) => `${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
    let made = `M${round(points[0])}`;
    for (let i = 1; i < points.length - 1; i++) made += `Q${round(points[i])} ${round(middle(points[i], points[i + 1]))}`;
    return `${made}L${round(points[points.length - 1])}`;
  };

  /** The same as of a column of layers: {places, arrows, left, width, height}. */
  const level = (graph, head) => {
    const made = layout(graph);
    const places = new Map(graph.boxes.map((box) => [box.id, made.node(box.id)]));
    const left = Math.min(...[...places.values()].map((place) => place.x - place.width / 2)) - 6;
    const arrows = made
      .edges()
      .filter((edge) => edge.v !== ROOT)
      .map((edge) => s('path', { class: 'arrow', d: path(made.edge(edge).points), 'marker-end': head }));
    return { places, arrows, left, width: made.graph().width - left, height: made.graph().height };
  };

  const text = (words, x, y, size, extra = {}) =>
    s('text', { x, y, 'font-size': size, 'text-anchor': 'middle', 'dominant-baseline': 'central', ...extra }, words);

  const drawOp = (box, place) => {
    const paint = (part) => `${part}:var(--family-${box.family}-${part},var(--family-block-${part}))`;
    const style = `${paint('fill')};${paint('stroke')}`;
    const ink = { style: `fill:var(--family-${box.family}-text,var(--text))` };
    return s(
      'g',
      { class: 'op' },
      s('title', {}, box.note || box.name),
      s('rect', { x: place.x - place.width / 2, y: place.y - place.height / 2, width: place.width, height: place.height, rx: 5, style }),
      text(app.cut(box.name, 34), place.x, box.second ? place.y - 8 : place.y, OP.size, ink),
      box.second ? text(app.cut(box.second, 40), place.x, place.y + 9, OP.small, ink) : null,
    );
  };

  const drawState = (box, place) =>
    s(
      'g',
      { class: 'state' },
      s('rect', {
        x: place.x - place.width / 2,
        y: place.y - place.height / 2,
        width: place.width,
        height: place.height,
        rx: Math.min(12, place.height / 2),
      }),
      box.first ? text(box.first, place.x, place.y - 7, OP.size, { 'font-weight': 600 }) : null,
      box.first
        ? text(box.second, place.x, place.y + 8, OP.small)
        : text(box.second, place.x, place.y, box.second.startsWith('state') ? OP.small : OP.size),
    );

  let heads = 0;
  /** An SVG of a graph. */
  app.picture = (graph) => {
    const id = `arrow-${(heads += 1)}`;
    const { places, arrows, left = 0, width, height } = (graph.direction === 'LR' ? level : app.chain)(graph, `url(#${id})`);
    const boxes = graph.boxes.map((box) => (box.kind === 'op' ? drawOp : drawState)(box, places.get(box.id)));
    const [w, h] = [Math.ceil(width), Math.ceil(height)];
    return s(
      'svg',
      { class: 'picture', width: w, height: h, viewBox: `${left} 0 ${w} ${h}`, role: 'img', 'aria-label': app.cut(graph.said, 4000) },
      s(
        'defs',
        {},
        s(
          'marker',
          { id, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
          s('path', { d: 'M0 .8 8 4 0 7.2z', class: 'tip' }),
        ),
      ),
      arrows,
      boxes,
    );
  };
})(window.nasReport);
