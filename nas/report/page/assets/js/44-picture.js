'use strict';

// A graph as a picture: dagre says where, this says how. Colours are variables, so that it follows the theme.
(function (app) {
  const { s } = app;
  const OP = { height: 28, tall: 42, size: 12, small: 10 };
  const WIDEST = 220;

  const sizeOf = (box) => {
    const first = box.kind === 'op' ? box.name : box.first;
    const wide = Math.max(app.textWidth(first || '', OP.size, box.kind !== 'op'), app.textWidth(box.second || '', box.kind === 'op' || first ? OP.small : OP.size, !first));
    const height = box.kind === 'op' ? (box.second ? OP.tall : OP.height) : first ? 36 : 24;
    return { width: Math.min(WIDEST, Math.ceil(wide) + 18), height };
  };

  const layout = ({ boxes, arrows, direction }) => {
    const graph = new dagre.graphlib.Graph({ multigraph: true });
    const across = direction === 'LR';
    graph.setGraph({ rankdir: direction, nodesep: across ? 10 : 26, ranksep: across ? 34 : 26, edgesep: 10, marginx: 6, marginy: 6 });
    graph.setDefaultEdgeLabel(() => ({}));
    // All operations have one width, so that columns are calm to look at.
    const op = Math.max(60, ...boxes.filter((box) => box.kind === 'op').map((box) => sizeOf(box).width));
    for (const box of boxes) graph.setNode(box.id, { ...sizeOf(box), ...(box.kind === 'op' ? { width: op } : {}) });
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

  const text = (words, x, y, size, extra = {}) => s('text', { x, y, 'font-size': size, 'text-anchor': 'middle', 'dominant-baseline': 'central', ...extra }, words);

  const drawOp = (box, place) => {
    const style = `fill:var(--family-${box.family}-fill,var(--family-block-fill));stroke:var(--family-${box.family}-stroke,var(--family-block-stroke))`;
    const ink = { style: `fill:var(--family-${box.family}-text,var(--text))` };
    return s('g', { class: 'op' }, s('title', {}, box.note || box.name),
      s('rect', { x: place.x - place.width / 2, y: place.y - place.height / 2, width: place.width, height: place.height, rx: 5, style }),
      text(app.cut(box.name, 34), place.x, box.second ? place.y - 8 : place.y, OP.size, ink),
      box.second ? text(app.cut(box.second, 40), place.x, place.y + 9, OP.small, ink) : null);
  };

  const drawState = (box, place) =>
    s('g', { class: 'state' },
      s('rect', { x: place.x - place.width / 2, y: place.y - place.height / 2, width: place.width, height: place.height, rx: Math.min(12, place.height / 2) }),
      box.first ? text(box.first, place.x, place.y - 7, OP.size, { 'font-weight': 600 }) : null,
      box.first ? text(box.second, place.x, place.y + 8, OP.small) : text(box.second, place.x, place.y, box.second.startsWith('state') ? OP.small : OP.size));

  let heads = 0;
  /** An SVG of a graph. */
  app.picture = (graph) => {
    const made = layout(graph);
    const { width, height } = made.graph();
    const head = `arrow-${(heads += 1)}`;
    const arrows = made.edges().map((edge) => s('path', { class: 'arrow', d: path(made.edge(edge).points), 'marker-end': `url(#${head})` }));
    const boxes = graph.boxes.map((box) => (box.kind === 'op' ? drawOp : drawState)(box, made.node(box.id)));
    return s('svg', { class: 'picture', width: Math.ceil(width), height: Math.ceil(height), viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`, role: 'img', 'aria-label': app.cut(graph.said, 4000) },
      s('defs', {}, s('marker', { id: head, viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' }, s('path', { d: 'M0 .8 8 4 0 7.2z', class: 'tip' }))),
      arrows, boxes);
  };
})(window.nasReport);
