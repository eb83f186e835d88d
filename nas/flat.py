"""The flat list of steps of a hierarchical graph, as programs run it."""

from __future__ import annotations

from typing import NamedTuple

from nas.arch import Graph, Lowered
from nas.ops import Leaf, Shape
from nas.ops.activation import DropPath


class Step(NamedTuple):
    """One flat instruction: place, leaf, numbers of the values read, number of the value written.

    `depth` is how deep it lies, as in `Lowered`. `shared` is the place as networks that share weights know it (see
    `nas.bank`), empty where none was asked for.
    """

    place: str
    op: Leaf
    shapes: tuple[Shape, ...]
    reads: tuple[int, ...]
    writes: int
    depth: float
    shared: str


class Flat(NamedTuple):
    """Steps, the number of the value that is the output, and those that auxiliary heads read. The input is value 0."""

    steps: list[Step]
    output: int
    sources: list[int]


# Place and shared place below the graph, leaf, input shapes, values read: the graph's inputs come first, then one a line.
_Line = tuple[str, str, Leaf, tuple[Shape, ...], tuple[int, ...]]
_Lines = tuple[list[_Line], int]


def trunk_of(lowered: Lowered, source: bool | None, drops: bool) -> Flat:
    """The steps of the main graph. `source`: whether shared places say what is read; None: there are none.

    Without `drops` places where a path may be dropped are left out.
    """
    graph = lowered.main
    steps: list[Step] = []
    values = [0]
    for node, slot, depth in zip(graph.nodes, _slots(graph, source), lowered.depths, strict=True):
        reads = [values[i] for i in node.inputs]
        assert isinstance(node.op, Graph)
        lines, output = _lines(node.op, source, drops)
        values.append(_append(steps, lines, reads, node.name + ".", slot, depth, output))
    # The main graph numbers its values as its nodes.
    return Flat(steps, values[graph.output], [values[value] for _, value, _ in lowered.aux])


def head_of(graph: Graph, source: bool | None, drops: bool) -> Flat:
    """The steps of an auxiliary head."""
    steps: list[Step] = []
    lines, output = _lines(graph, source, drops)
    shared = "" if source is None else f"{graph.label}."
    return Flat(steps, _append(steps, lines, [0], f"{graph.label}.", shared, 1.0, output), [])


def _append(steps: list[Step], lines: list[_Line], reads: list[int], place: str, shared: str, depth: float, output: int) -> int:
    """Append the lines of a graph that reads the flat values `reads`; the flat number of its value `output`."""
    written = len(steps) + 1
    numbers: list[int] = [*reads, *range(written, written + len(lines))]
    for number, (below, within, op, shapes, inputs) in enumerate(lines, written):
        own = (numbers[inputs[0]],) if len(inputs) == 1 else tuple([numbers[i] for i in inputs])
        steps.append(Step(place + below, op, shapes, own, number, depth, shared + within))
    return numbers[output]


def _lines(graph: Graph, source: bool | None, drops: bool) -> _Lines:
    """The lines of a graph and the number of its output. Kept with the graph: those of primitives come again and again."""
    kept: dict[tuple[bool | None, bool], _Lines] = graph.__dict__.setdefault("_flat", {})
    known = kept.get((source, drops))
    if known is None:
        known = kept[source, drops] = _flatten(graph, source, drops)
    return known


def _flatten(graph: Graph, source: bool | None, drops: bool) -> _Lines:
    lines: list[_Line] = []
    shapes, values = [*graph.inputs], list(range(len(graph.inputs)))
    for node, slot in zip(graph.nodes, _slots(graph, source), strict=True):
        reads, written = [values[i] for i in node.inputs], len(graph.inputs) + len(lines)
        if isinstance(node.op, Graph):
            inner, output = _lines(node.op, source, drops)
            numbers, place = [*reads, *range(written, written + len(inner))], node.name + "."
            lines += [
                (place + below, slot + within, op, read, tuple([numbers[i] for i in inputs])) for below, within, op, read, inputs in inner
            ]
            values.append(numbers[output])
        elif isinstance(node.op, DropPath) and not drops:
            values.append(reads[0])
        else:
            lines.append((node.name, slot, node.op, tuple([shapes[i] for i in node.inputs]), tuple(reads)))
            values.append(written)
        shapes.append(node.shape)
    return lines, values[graph.output]


def _slots(graph: Graph, source: bool | None) -> list[str]:
    """For each node the end of its shared place; that of a sub-graph says which operation it is."""
    if source is None:
        return [""] * len(graph.nodes)
    slots = [node.name for node in graph.nodes] if graph.maker is None else graph.maker.slots(graph, source)
    pairs = zip(slots, graph.nodes, strict=True)
    return [f"{slot}:{node.op.maker.identity}/" if isinstance(node.op, Graph) else slot for slot, node in pairs]
