"""The cell: a small directed acyclic graph of operations (Zoph et al., arXiv 1707.07012, section 3)."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache
from typing import ClassVar, Literal

from nas.arch import Graph, Inner, Primitive, primitive
from nas.errors import ArchitectureError
from nas.ops import Add, Concat, DropPath, Frozen, Leaf, Map, frozen
from nas.ops.base import require, require_range
from nas.primitives.basic import FactorizedReduction, SkipConnect
from nas.primitives.zero import NoConnection

MAX_NODES = 64


@frozen
class Edge(Frozen):
    """An operation on the state numbered `source`."""

    op: Primitive
    source: int
    yaml_names: ClassVar[dict[str, str]] = {"source": "from"}


@frozen
class CellNode(Frozen):
    """A new state: the outputs of the edges combined."""

    edges: tuple[Edge, ...]
    combine: Literal["add", "concat"] = "add"

    def check(self) -> None:
        require(len(self.edges) > 0, "edges is empty", "one edge or more")

    @staticmethod
    def from_short(data: object) -> object:
        """A bare list of edges stands for their sum."""
        return {"edges": data} if isinstance(data, list) else data

    @staticmethod
    def to_short(fields: dict[str, object]) -> object:
        """A sum is written as the list of its edges."""
        return fields["edges"] if len(fields) == 1 else fields


@primitive("cell")
class CellGraph(Primitive):
    """States 0 and 1 are the outputs of the two blocks before (the earlier one first); each node adds a state.

    Both inputs are brought to the cell's width, and state 0 to the map size of state 1, by ReLU, a 1x1 convolution or
    factorised reduction, and batch norm. Edges from the inputs take the cell's stride. The output is the concatenation
    of the states in `output`, or of all that no edge reads (`unused`), an input among them only if `unused_inputs`.
    With `inputs` 1 the only input is state 0 (NAS-Bench-201). `first` says what state 0 is in the first cell of a
    network, which has but one block before it: adapted like any other, or `raw` as in the released NASNet. With `base`
    the later input is adapted twice over, as in the released ENAS.
    """

    nodes: tuple[CellNode, ...]
    output: tuple[int, ...] | Literal["unused"] = "unused"
    inputs: int = 2
    unused_inputs: bool = False
    first: Literal["adapt", "raw"] = "adapt"
    eps: float = 1e-5
    base: bool = False
    cached = False

    def check(self) -> None:
        require_range(self.inputs, "inputs", 1, 2)
        require(0 < len(self.nodes) <= MAX_NODES, f"{len(self.nodes)} nodes", f"1 to {MAX_NODES}")
        for number, node in enumerate(self.nodes):
            states = self.inputs + number
            for edge in node.edges:
                if not 0 <= edge.source < states:
                    require(False, f"nodes[{number}] reads state from={edge.source}", f"0 to {states - 1}, the states before it")
        if self.output != "unused":
            require(len(self.output) > 0, "output is empty", "one state or more")
            require_range(self.output, "output", 0, self.inputs + len(self.nodes) - 1)

    @property
    def reads(self) -> int:
        return self.inputs

    @property
    def operations(self) -> int:
        return sum([edge.op.operations for node in self.nodes for edge in node.edges])

    def resized(self, width: float, depth: float) -> CellGraph:
        nodes = tuple(
            replace(node, edges=tuple(replace(edge, op=edge.op.resized(width, depth)) for edge in node.edges)) for node in self.nodes
        )
        return replace(self, nodes=nodes)

    @property
    def identity(self) -> str:
        return self.name

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The states that are joined."""
        if self.output != "unused":
            return self.output
        used = {edge.source for node in self.nodes for edge in node.edges}
        start = 0 if self.unused_inputs else self.inputs
        return tuple(i for i in range(start, self.inputs + len(self.nodes)) if i not in used)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        # The inside depends on the adapted inputs alone, which are the same for most cells of a stage: worked out once.
        return g.apply(self.body, *self.adapt(g, inputs, width), width=width, stride=stride, name="nodes")

    @cached_property
    def body(self) -> CellBody:
        """The inside of the cell."""
        return CellBody(self)

    @cached_property
    def wants(self) -> tuple[bool, bool]:
        """Whether anything reads state 0, and state 1."""
        sources = {edge.source for node in self.nodes for edge in node.edges}.union(self.outputs)
        return 0 in sources, 1 in sources

    def adapt(self, g: Inner, inputs: tuple[int, ...], width: int) -> list[int]:
        """The input states at the cell's width and at one map size. What nothing reads costs nothing: the other stands for it."""
        last, adapter = inputs[-1], _adapter(self.eps)
        if self.inputs == 1:
            return [last if g.shapes[last].width == width else g.apply(adapter, last, width=width, name="input0")]
        early, late = self.wants
        newest = g.apply(adapter, last, width=width, name="input1") if late else last
        if late and self.base:
            newest = g.apply(adapter, newest, width=width, name="base1")
        if not early:
            return [newest, newest]
        if self.first == "raw" and inputs[0] == last:
            return [last, newest]
        earlier, target = g.shapes[inputs[0]], g.shapes[last]
        assert isinstance(earlier, Map)
        assert isinstance(target, Map)
        factor = -(-earlier.rows // target.rows)
        oldest = g.apply(adapter, inputs[0], width=width, stride=factor, name="input0")
        return [oldest, newest if late else oldest]


@lru_cache(maxsize=64)
def _adapter(eps: float) -> FactorizedReduction:
    return FactorizedReduction(eps)


@frozen
class Droppable(Primitive):
    """An operation whose whole output training may drop."""

    op: Primitive
    name = "droppable"

    @property
    def strided(self) -> bool:  # type: ignore[override]
        return self.op.strided

    @property
    def accepts(self) -> tuple[type, ...]:  # type: ignore[override]
        return self.op.accepts

    @property
    def identity(self) -> str:
        return self.op.identity

    def slots(self, graph: Graph, source: bool) -> list[str]:
        return self.op.slots(graph, source)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = self.op.expand(g, *inputs, width=self.op.settle(width, tuple(g.shapes)), stride=stride)
        return g.add(DropPath(), x)


def droppable(op: Primitive) -> Primitive:
    """`Droppable(op)`, made once an operation.

    Identity is never dropped, or a state could vanish altogether (Larsson et al., arXiv 1605.07648; released NASNet code).
    """
    made: Primitive | None = op.__dict__.get("_droppable")
    if made is None:
        made = op.__dict__["_droppable"] = op if isinstance(op, SkipConnect | NoConnection) else Droppable(op)
    return made


@frozen
class CellBody(Primitive):
    """The inside of a cell, from its adapted inputs to the joined output."""

    cell: CellGraph
    name = "nodes"
    cached = False

    @cached_property
    def plan(self) -> list[tuple[Leaf, list[tuple[Primitive, int, str]]]]:
        """For each node the leaf that joins its edges, and each edge's operation, source and name in the graph."""
        made: list[tuple[Leaf, list[tuple[Primitive, int, str]]]] = []
        for number, node in enumerate(self.cell.nodes, self.cell.inputs):
            edges = [(droppable(edge.op), edge.source, f"node{number}_{edge.op.name}") for edge in node.edges]
            made.append((_ADD if node.combine == "add" else _CONCAT, edges))
        return made

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        cell, count = self.cell, self.cell.inputs
        states = list(inputs)
        given = len(states)
        for leaf, edges in self.plan:
            outputs = [
                g.apply(op, states[source], width=width, stride=stride if source < count else 1, name=name) for op, source, name in edges
            ]
            states.append(outputs[0] if len(outputs) == 1 else g.add(leaf, *outputs))
        target = g.shapes[states[-1]]
        ends = [self.shrink(g, states[i], target, width) if i < given else states[i] for i in cell.outputs]
        return g.add(_CONCAT, *ends) if len(ends) > 1 else ends[0]

    @property
    def identity(self) -> str:
        return ""

    def slots(self, graph: Graph, source: bool) -> list[str]:
        made: list[str] = []
        for number, node in enumerate(self.cell.nodes, self.cell.inputs):
            for index, edge in enumerate(node.edges):
                made.append(f"node{number}.{index}" + (f"<{edge.source}" if source else ""))
            if len(node.edges) > 1:
                made.append(f"node{number}")
        # What is left are inputs that are joined, and the joining.
        return made + [f"end{node.inputs[0]}" for node in graph.nodes[len(made) :]]

    def shrink(self, g: Inner, x: int, target: object, width: int) -> int:
        """An input that is joined is reduced like everything else, and brought to the cell's width if it is raw."""
        shape = g.shapes[x]
        if not isinstance(shape, Map) or not isinstance(target, Map):
            raise ArchitectureError(f"a cell joins states {shape} and {target}; allowed: maps")
        if shape.rows == target.rows and shape.width == width:
            return x
        return g.apply(FactorizedReduction(self.cell.eps), x, width=width, stride=-(-shape.rows // target.rows))


_ADD, _CONCAT = Add(), Concat()
