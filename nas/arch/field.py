"""Receptive fields: which pixels of the image a value of a graph depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nas.arch.graph import Graph
from nas.ops import Reach


class Span(NamedTuple):
    """Along one axis: place i of a value sees the image's pixels from i * step + low to i * step + high."""

    low: int
    high: int
    step: int

    @property
    def size(self) -> int:
        """Pixels; those of the padding count."""
        return self.high - self.low + 1

    def through(self, reach: Reach) -> Span:
        """What an operation sees that reads this value so."""
        low, high = self.low + self.step * reach.low, self.high + self.step * reach.high
        return Span(low, high, self.step * reach.stride)


# Rows and columns; None is the whole image.
Field = tuple[Span, Span] | None
PIXEL: Field = (Span(0, 0, 1), Span(0, 0, 1))


def trace(graph: Graph, inputs: Sequence[Field], leaves: list[Field]) -> list[Field]:
    """The fields of all values of `graph`, inputs first. Those of its leaves, in running order, go to `leaves`."""
    fields, shapes = [*inputs], [*graph.inputs]
    for node in graph.nodes:
        reads = [fields[i] for i in node.inputs]
        if isinstance(node.op, Graph):
            field = trace(node.op, reads, leaves)[node.op.output]
        else:
            field = _through(_join(reads), node.op.reach(*[shapes[i] for i in node.inputs]))
            leaves.append(field)
        fields.append(field)
        shapes.append(node.shape)
    return fields


def _through(field: Field, reach: tuple[Reach, Reach] | None) -> Field:
    if field is None or reach is None:
        return None
    return field[0].through(reach[0]), field[1].through(reach[1])


def _join(fields: Sequence[Field]) -> Field:
    """What a place sees that reads several values at that place: the least box around all."""
    first, *others = fields
    for other in others:
        if first is None or other is None:
            return None
        rows, columns = (
            Span(min(a.low, b.low), max(a.high, b.high), max(a.step, b.step)) for a, b in zip(first, other, strict=True)
        )
        first = rows, columns
    return first
