'use strict';

// A graph of layers as a column, what reads further back as arcs beside it: quieter than any layout of so many long edges.
(function (app) {
  const { s } = app;
  const OP = { height: 40, size: 12, small: 10 };
  const STATE = 26;
  const GAP = 18;
  const LANE = 13;
  const EDGE = 8;

  const heightOf = (box) => (box.kind === 'op' ? OP.height : box.first ? 36 : STATE);
  const widthOf = (box) => Math.max(app.textWidth(box.name || box.first || '', OP.size, true), app.textWidth(box.second, OP.small)) + 24;

  /** Boxes from top to bottom, in their order. */
  const stack = (boxes) => {
    const width = Math.min(260, Math.max(...boxes.map(widthOf)));
    let y = EDGE;
    const places = new Map();
    boxes.forEach((box, rank) => {
      places.set(box.id, { rank, x: EDGE + width / 2, y: y + heightOf(box) / 2, width, height: heightOf(box) });
      y += heightOf(box) + GAP;
    });
    return { places, width, height: y - GAP + EDGE };
  };

  /** Each arc in a lane that none of those beside it uses; short ones stand inside. */
  const lanes = (arcs) => {
    const taken = [];
    for (const arc of [...arcs].sort((a, b) => a.to - a.from - (b.to - b.from) || a.from - b.from)) {
      arc.lane = taken.findIndex((spans) => spans.every(([from, to]) => arc.to <= from || arc.from >= to));
      if (arc.lane < 0) arc.lane = taken.push([]) - 1;
      taken[arc.lane].push([arc.from, arc.to]);
    }
    return taken.length;
  };

  const straight = (a, b, head) =>
    s('path', { class: 'arrow', d: `M${a.x} ${a.y + a.height / 2}V${b.y - b.height / 2}`, 'marker-end': head });

  /** Out of the right side, down a lane, and into the right side of what reads it. */
  const bent = (a, b, lane, head) => {
    const right = a.x + a.width / 2;
    const x = right + 16 + lane * LANE;
    const [from, to] = [a.y + a.height / 4, b.y - b.height / 4];
    const round = Math.min(7, (to - from) / 2);
    return s('path', {
      class: 'arrow',
      d: `M${right} ${from}H${x - round}Q${x} ${from} ${x} ${from + round}V${to - round}Q${x} ${to} ${x - round} ${to}H${right + 1}`,
      'marker-end': head,
    });
  };

  /** {arrows, places, width, height} of a column; `head` is the marker of an arrow's end. */
  app.chain = ({ boxes, arrows }, head) => {
    const { places, width, height } = stack(boxes);
    const links = arrows.map(([from, to]) => ({ a: places.get(from), b: places.get(to) }));
    const near = links.filter(({ a, b }) => b.rank - a.rank === 1);
    const far = links.filter(({ a, b }) => b.rank - a.rank !== 1).map(({ a, b }) => ({ a, b, from: a.rank, to: b.rank }));
    const count = lanes(far);
    return {
      places,
      height,
      width: EDGE * 2 + width + (count ? 16 + count * LANE : 0),
      arrows: [...near.map(({ a, b }) => straight(a, b, head)), ...far.map((arc) => bent(arc.a, arc.b, arc.lane, head))],
    };
  };
})(window.nasReport);
