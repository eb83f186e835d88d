"""Graph: a directed acyclic graph of leaf operations with every shape known. Always derived, never stored."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from nas.errors import ArchitectureError
from nas.ops import Leaf, Shape


class Facts(NamedTuple):
    """What a leaf at given input shapes is: output shape, parameters, multiply-adds, numbers that it writes."""

    shape: Shape
    params: int
    macs: int
    activations: int


class Node(NamedTuple):
    """One step: `op` reads the values numbered `inputs` and writes a value of `shape`."""

    name: str
    op: Leaf | Graph
    inputs: tuple[int, ...]
    facts: Facts

    @property
    def shape(self) -> Shape:
        """Shape of the value that the node writes."""
        return self.facts.shape


class Graph:
    """Nodes in an order in which they can run. Values are numbered: first the inputs, then one a node.

    A node's operation is a leaf or a graph again, so a sub-graph that repeats is worked out once.
    """

    __slots__ = ("facts", "inputs", "label", "nodes", "output")

    def __init__(self, label: str, inputs: tuple[Shape, ...], nodes: tuple[Node, ...], output: int) -> None:
        self.label = label
        self.inputs = inputs
        self.nodes = nodes
        self.output = output
        shape = inputs[output] if output < len(inputs) else nodes[output - len(inputs)].facts.shape
        params = macs = activations = 0
        for node in nodes:
            facts = node.facts
            params += facts.params
            macs += facts.macs
            activations += facts.activations
        self.facts = Facts(shape, params, macs, activations)

    @property
    def shape(self) -> Shape:
        """Shape of the output."""
        return self.facts.shape

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, Leaf, tuple[Shape, ...], Facts]]:
        """All leaves in running order: (place such as `stages.0.1.conv`, leaf, input shapes, facts)."""
        shapes = [*self.inputs]
        for node in self.nodes:
            place = f"{prefix}.{node.name}" if prefix else node.name
            if isinstance(node.op, Graph):
                yield from node.op.leaves(place)
            else:
                yield place, node.op, tuple(shapes[i] for i in node.inputs), node.facts
            shapes.append(node.facts.shape)


@lru_cache(maxsize=65536)
def leaf_facts(op: Leaf, shapes: tuple[Shape, ...]) -> Facts:
    """Facts of a leaf. Raises `ArchitectureError` when the inputs do not fit."""
    if op.arity is not None and len(shapes) != op.arity:
        raise ArchitectureError(f"{op.name} got {len(shapes)} inputs; allowed: {op.arity}")
    shape = op.shape(*shapes)
    written = 0 if op.overwrites or op.reshapes else shape.elements
    return Facts(shape, op.params(*shapes), op.macs(*shapes), written)


class GraphBuilder:
    """Collects nodes. Handles are the numbers of values; names are made unique within the graph."""

    __slots__ = ("_names", "inputs", "nodes", "shapes")

    def __init__(self, inputs: tuple[Shape, ...]) -> None:
        self.inputs = inputs
        self.shapes: list[Shape] = list(inputs)
        self.nodes: list[Node] = []
        self._names: dict[str, int] = {}

    def add(self, op: Leaf | Graph, *inputs: int, name: str | None = None) -> int:
        """Append a node and return the handle of its value. Raises `ArchitectureError` when shapes do not fit."""
        if isinstance(op, Graph):
            facts, label = op.facts, name or op.label
        else:
            facts, label = leaf_facts(op, tuple([self.shapes[i] for i in inputs])), name or op.name
        seen = self._names.get(label, 0)
        self._names[label] = seen + 1
        self.nodes.append(Node(f"{label}_{seen + 1}" if seen else label, op, inputs, facts))
        self.shapes.append(facts.shape)
        return len(self.shapes) - 1

    def chain(self, x: int, *ops: Leaf) -> int:
        """Append leaves one after another."""
        for op in ops:
            x = self.add(op, x)
        return x

    def finish(self, label: str, output: int) -> Graph:
        """The graph collected so far."""
        return Graph(label, self.inputs, tuple(self.nodes), output)
