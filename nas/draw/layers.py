"""A graph of layers from top to bottom: the input, each layer over those that read it, the output."""

from __future__ import annotations

from typing import NamedTuple

from nas.arch.codec import encode
from nas.draw.cell import SMALL, two_lines
from nas.draw.geometry import Box, Drawing, Line, Rect, Text, widest
from nas.draw.layout import Layers, Placed, order, place, wired
from nas.draw.names import family, short_name
from nas.draw.text import clean, fitted
from nas.primitives import LayerGraph, Sequential

HIGH, LOW, SIZE = 36.0, 20.0, 12.0
MAX_WIDTH = 240.0
JOIN = "concat, conv 1x1"
GAP, LANE_GAP, PITCH = 20.0, 9.0, 14.0
# Between two rows; the further a line goes across, the more room it gets.
TURN, MORE, STEEP = 24.0, 26.0, 0.1


class Unit(NamedTuple):
    """A box: its style, one or two lines of text, what it reads, a note."""

    style: str
    first: str
    second: str
    reads: tuple[int, ...] = ()
    note: str = ""


def units(graph: LayerGraph) -> list[Unit]:
    """The input, the operation of each layer and, where its set is joined behind it, the join; last the output."""
    made, states = [Unit("state", "", "input")], [0]
    behind = graph.sets == "behind"
    for number, layer in enumerate(graph.layers):
        reads = (states[-1],) if behind else tuple(states[state] for state in layer.reads or (0,))
        note = clean(f"layer {number + 1}: {encode(layer.op)}")[:300]
        # A sequence is what it ends in: its name is long, and all would have one colour.
        last = layer.op.ops[-1].op if isinstance(layer.op, Sequential) else layer.op
        made.append(Unit(family(last), short_name(layer.op).removeprefix("sequence of "), detail(graph, number), reads, note))
        if behind and number:
            joins = (len(made) - 1, *(states[state] for state in layer.reads))
            made.append(Unit("state", "", JOIN if layer.reads else "conv 1x1", joins))
        states.append(len(made) - 1)
    joined = len(graph.ends) > 1
    return [*made, Unit("state", "concat" if joined else "", "output", tuple(states[state] for state in graph.ends))]


def detail(graph: LayerGraph, number: int) -> str:
    """The number of a layer, its width and stride, and whether what was made before it is halved first."""
    layer = graph.layers[number]
    parts = [f"layer {number + 1}"] + ([] if layer.width is None else [f"width {layer.width}"])
    parts += [f"stride {layer.stride}"] if layer.stride > 1 else []
    parts += [f"concat of {len(layer.reads)}"] if graph.sets == "before" and len(layer.reads) > 1 else []
    parts += ["states halved before"] if number in graph.reduce else []
    return ", ".join(parts)


def draw_layers(graph: LayerGraph) -> Drawing:
    """The layers, their corner at (0, 0). The layout's layers are rows, its heights widths."""
    made = units(graph)
    widths = widths_of(made)
    net = wired([unit.reads for unit in made], widths, [PITCH] * len(made))
    order(net.graph)
    placed = place(net.graph, GAP, LANE_GAP)
    unit_of = {item: number for number, item in enumerate(net.units)}
    tops, bottoms, row_of = rows(net.graph, placed, [LOW if unit.style == "state" and not unit.first else HIGH for unit in made], unit_of)
    out = Drawing(placed.height, bottoms[-1])
    for link, x in zip(net.graph.links, placed.arrivals, strict=True):
        start = (placed.middles[link.source], bottoms[row_of[link.source]])
        end = (x, tops[row_of[link.target]])
        out.lines.append(Line((start, end), link.target in unit_of, curved=True, down=True))
    for item, row in row_of.items():
        x = placed.middles[item]
        if item in net.graph.lanes:
            out.lines.append(Line(((x, tops[row]), (x, bottoms[row]))))
    for number, unit in enumerate(made):
        item, row = net.units[number], row_of[net.units[number]]
        out.boxes.append(box(unit, Rect(placed.middles[item] - widths[number] / 2, tops[row], widths[number], bottoms[row] - tops[row])))
    return out


def widths_of(made: list[Unit]) -> list[float]:
    """All operations have one width and all states one, unless more lines than that come in."""
    ops = [unit for unit in made if unit.style != "state"]
    op = min(MAX_WIDTH, max(widest([unit.first for unit in ops], SIZE), widest([unit.second for unit in ops], SMALL)) + 20)
    state = widest([JOIN], SIZE, bold=True) + 20
    return [max(state if unit.style == "state" else op, len(unit.reads) * PITCH + 10) for unit in made]


def rows(
    graph: Layers, placed: Placed, heights: list[float], unit_of: dict[int, int]
) -> tuple[list[float], list[float], dict[int, int]]:
    """The upper and the lower side of every row, and the row of each item."""
    row_of = {item: number for number, row in enumerate(graph.layers) for item in row}
    across = [0.0] * len(graph.layers)
    for link, x in zip(graph.links, placed.arrivals, strict=True):
        row = row_of[link.target]
        across[row] = max(across[row], abs(placed.middles[link.source] - x))
    tops, bottoms = [0.0], list[float]()
    for row, items in enumerate(graph.layers):
        if row:
            tops.append(bottoms[-1] + TURN + min(MORE, STEEP * across[row]))
        bottoms.append(tops[-1] + max(heights[unit_of[item]] for item in items if item in unit_of))
    return tops, bottoms, row_of


def box(unit: Unit, rect: Rect) -> Box:
    """A state as in a cell, or an operation over what is said of it."""
    if unit.style == "state":
        return two_lines(rect, unit.first, unit.second)
    x, room = rect.x + rect.width / 2, rect.width - 12
    first = Text(fitted(unit.first, SIZE, room), x, rect.y + 12, SIZE, "middle")
    return Box(rect, unit.style, (first, Text(fitted(unit.second, SMALL, room), x, rect.y + 27, SMALL, "middle")), unit.note)
