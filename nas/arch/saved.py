"""What training keeps of one example until its backward pass: each value once, however many operations keep it."""

from __future__ import annotations

from collections.abc import Sequence

from nas.arch.graph import Graph
from nas.arch.lower import Lowered


def saved_numbers(lowered: Lowered) -> int:
    """Numbers of 4 bytes that autograd keeps of one example, the image and auxiliary heads included."""
    book = _Book()
    values = book.run(lowered.main, [book.new(shape.elements) for shape in lowered.main.inputs])
    for graph, source, _ in lowered.aux:
        book.run(graph, [values[source]])
    return book.extra + sum(book.sizes[value] for value in book.kept)


class _Book:
    """Values by the memory they lie in; one that only looks at another has that one's number."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.kept: set[int] = set()
        self.extra = 0

    def new(self, size: int) -> int:
        """A value with memory of its own."""
        self.sizes.append(size)
        return len(self.sizes) - 1

    def run(self, graph: Graph, inputs: Sequence[int]) -> list[int]:
        """The values of `graph`, inputs first."""
        values, shapes = [*inputs], [*graph.inputs]
        for node in graph.nodes:
            reads = [values[i] for i in node.inputs]
            if isinstance(node.op, Graph):
                value = self.run(node.op, reads)[node.op.output]
            else:
                value = reads[0] if node.op.reshapes else self.new(node.shape.elements)
                saved = node.op.saved(*[shapes[i] for i in node.inputs])
                self.kept.update(reads[i] for i in saved.inputs)
                self.kept.update((value,) if saved.output else ())
                self.extra += saved.extra
            values.append(value)
            shapes.append(node.shape)
        return values
