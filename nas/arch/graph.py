"""Graph: a directed acyclic graph of leaf operations with every shape known. Always derived, never stored."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from nas.errors import ArchitectureError
from nas.ops import Leaf, Shape


class Facts(NamedTuple):
    """What a leaf at given input shapes is: output shape, parameters, multiply-adds, numbers that it writes."""

    shape: Shape
    params: int
    macs: int
    activations: int


MAX_KEPT = 4096


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


# A node before its name is made unique: label, operation, inputs, facts.
Step = tuple[str, "Leaf | Graph", tuple[int, ...], Facts]


class Graph:
    """Nodes in an order in which they can run. Values are numbered: first the inputs, then one a node.

    A node's operation is a leaf or a graph again, so a sub-graph that repeats is worked out once. `maker` is the
    primitive that it is made from, if any.
    """

    def __init__(self, label: str, inputs: tuple[Shape, ...], steps: list[Step], output: int, maker: Any = None) -> None:
        self.label = label
        self.maker = maker
        self.inputs = inputs
        self.output = output
        self._steps = steps
        shape = inputs[output] if output < len(inputs) else steps[output - len(inputs)][3][0]
        params = macs = activations = 0
        for _, _, _, facts in steps:
            params += facts[1]
            macs += facts[2]
            activations += facts[3]
        self.facts = Facts(shape, params, macs, activations)

    @property
    def shape(self) -> Shape:
        """Shape of the output."""
        return self.facts.shape

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, their names made unique. Made when asked for: a search costs many graphs and builds few."""
        seen: dict[str, int] = {}
        nodes = []
        for label, op, inputs, facts in self._steps:
            count = seen[label] = seen.get(label, 0) + 1
            nodes.append(Node(label if count == 1 else f"{label}_{count}", op, inputs, facts))
        return tuple(nodes)

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


def leaf_facts(op: Leaf, shapes: tuple[Shape, ...]) -> Facts:
    """Facts of a leaf. Raises `ArchitectureError` when the inputs do not fit."""
    kept = cache_of(op)
    facts: Facts | None = kept.get(shapes)
    if facts is None:
        facts = kept[shapes] = _leaf_facts(op, shapes)
    return facts


def cache_of(op: Any) -> dict[Any, Any]:
    """A bounded cache that lives on the operation itself: looking it up needs no hash of the operation.

    Operations of presets and of a space's options live as long as the space, so this hits nearly always.
    """
    kept: dict[Any, Any] | None = op.__dict__.get("_cache")
    if kept is None or len(kept) > MAX_KEPT:
        kept = op.__dict__["_cache"] = {}
    return kept


@lru_cache(maxsize=65536)
def _leaf_facts(op: Leaf, shapes: tuple[Shape, ...]) -> Facts:
    if op.arity is not None and len(shapes) != op.arity:
        raise ArchitectureError(f"{op.name} got {len(shapes)} inputs; allowed: {op.arity}")
    shape = op.shape(*shapes)
    written = 0 if op.overwrites or op.reshapes else shape.elements
    return Facts(shape, op.params(*shapes), op.macs(*shapes), written)


class GraphBuilder:
    """Collects nodes. Handles are the numbers of values."""

    __slots__ = ("inputs", "shapes", "steps")

    def __init__(self, inputs: tuple[Shape, ...]) -> None:
        self.inputs = inputs
        self.shapes: list[Shape] = list(inputs)
        self.steps: list[Step] = []

    def add(self, op: Leaf | Graph, *inputs: int, name: str | None = None) -> int:
        """Append a node and return the handle of its value. Raises `ArchitectureError` when shapes do not fit."""
        if type(op) is Graph:
            facts, label = op.facts, name or op.label
        else:
            assert isinstance(op, Leaf)
            facts, label = leaf_facts(op, tuple([self.shapes[i] for i in inputs])), name or op.name
        self.steps.append((label, op, inputs, facts))
        self.shapes.append(facts[0])
        return len(self.shapes) - 1

    def chain(self, x: int, *ops: Leaf) -> int:
        """Append leaves one after another."""
        for op in ops:
            x = self.add(op, x)
        return x

    def finish(self, label: str, output: int, maker: Any = None) -> Graph:
        """The graph collected so far."""
        return Graph(label, self.inputs, self.steps, output, maker)
