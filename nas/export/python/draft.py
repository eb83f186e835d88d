"""Drafts: every sub-graph as the steps that a `forward` takes, what the builder leaves out left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.arch import Graph
from nas.ops import Call, DropPath, Expression, Leaf, Shape

if TYPE_CHECKING:
    from nas.export.python.form import Form

# Arguments of torch's classes that take one number for both axes.
_BOTH_AXES = ("kernel_size", "stride", "padding", "dilation", "output_size")


class Instance(NamedTuple):
    """A module with its arguments: of a class of the file, a torch class, or `nn.Sequential` of others."""

    of: Form | str
    args: tuple[tuple[str, Any], ...]


SEQUENCE = "nn.Sequential"


@dataclass
class Step:
    """One step of a draft.

    It is an expression, the call of a module of torch or of ours, or that of a child. Steps of one `kind` differ in
    `values` alone.
    """

    name: str
    kind: tuple[Any, ...]
    values: dict[str, Any]
    reads: tuple[int, ...]
    # The leaf that wrote the value and is alone to hold it; None where that cannot be told.
    writer: str | None
    leaf: Leaf | None = None
    # The module of a leaf, where it stands as one.
    module: Instance | None = None
    expression: Expression | None = None
    child: Draft | None = None
    # Holds weights, or more than a leaf.
    heavy: bool = False

    @property
    def attribute(self) -> str | None:
        """The attribute that holds its module, if it has one."""
        return None if self.expression is not None else self.name


@dataclass(eq=False)
class Draft:
    """A sub-graph: values are numbered as in a graph, inputs first."""

    label: str
    shapes: tuple[Shape, ...]
    shape: Shape
    stateless: bool
    steps: list[Step] = field(default_factory=list)
    output: int = 0
    height: int = 0
    form: Form | None = None
    instance: Instance | None = None

    @property
    def writer(self) -> str | None:
        """The leaf that wrote the output, if nothing within reads it."""
        number = self.output - len(self.shapes)
        if number < 0 or any(self.output in step.reads for step in self.steps):
            return None
        return self.steps[number].writer

    @property
    def alias(self) -> int | None:
        """The input that is the output, where nothing is done."""
        return self.output if self.output < len(self.shapes) else None

    @property
    def sequence(self) -> bool:
        """Whether it is a chain of modules named 0, 1, 2 and so on."""
        count = len(self.shapes)
        return count == 1 and bool(self.steps) and self.output == len(self.steps) and all(
            step.attribute == str(i) and step.reads == (i,) for i, step in enumerate(self.steps)
        )


def module_of(step: Step) -> Instance:
    """The module of a step that has one."""
    if step.child is not None:
        assert step.child.instance is not None
        return step.child.instance
    assert step.module is not None
    return step.module


class Drafter:
    """Makes the drafts of graphs, one a sub-graph; `drop_path` is the rate of the last block, 0 leaves them out."""

    def __init__(self, drop_path: float) -> None:
        self.drop_path = drop_path
        self.drafts: list[Draft] = []
        self._known: dict[tuple[int, str, float | None], Draft] = {}
        self._drops: dict[int, bool] = {}
        self._graphs: list[Graph] = []

    def draft(self, graph: Graph, hint: str, depth: float) -> Draft:
        """The draft of a graph that lies `depth` deep (0 to 1); `hint` is the name of the cell it is part of."""
        rate = self.drop_path * depth if self.drops(graph) else None
        key = (id(graph), hint, rate)
        made = self._known.get(key)
        if made is None:
            # Kept alive, or another graph might get its id.
            self._graphs.append(graph)
            made = self._known[key] = self._draft(graph, hint, depth)
        return made

    def drops(self, graph: Graph) -> bool:
        """Whether the graph has places of drop path that are kept."""
        if self.drop_path <= 0.0:
            return False
        known = self._drops.get(id(graph))
        if known is None:
            known = self._drops[id(graph)] = any(
                self.drops(node.op) if isinstance(node.op, Graph) else isinstance(node.op, DropPath) for node in graph.nodes
            )
        return known

    def _draft(self, graph: Graph, hint: str, depth: float) -> Draft:
        draft = Draft(_label(graph.label, hint), graph.inputs, graph.shape, graph.facts.params == 0)
        shapes, count = [*graph.inputs, *[node.shape for node in graph.nodes]], len(graph.inputs)
        value = {i: i for i in range(count)}
        for number, node in enumerate(graph.nodes, count):
            reads = tuple(value[i] for i in node.inputs)
            step = self.step(node.name, node.op, tuple(shapes[i] for i in node.inputs), reads, hint, depth)
            if isinstance(step, int):
                value[number] = step
                continue
            draft.steps.append(step)
            value[number] = count + len(draft.steps) - 1
        draft.output = value[graph.output]
        draft.height = 1 + max((step.child.height for step in draft.steps if step.child is not None), default=0)
        self.drafts.append(draft)
        return draft

    def step(
        self, name: str, op: Leaf | Graph, shapes: tuple[Shape, ...], reads: tuple[int, ...], hint: str, depth: float
    ) -> Step | int:
        """The step of a node, or the value that it hands on where it does nothing."""
        if isinstance(op, Leaf):
            alone = len(reads) == 1 and op.arity is None and op.params(*shapes) == 0  # a sum of one
            if alone or (isinstance(op, DropPath) and self.drop_path <= 0.0):
                return reads[0]
            return leaf_step(name, op, shapes, reads, self.drop_path * depth)
        label = _label(op.label, hint)
        child = self.draft(op, _operation(name) if label == "droppable" else hint, depth)
        if child.label == "droppable":
            child.label = _operation(name)
        if child.alias is not None:
            return reads[child.alias]
        if child.stateless and len(child.steps) == 1 and child.steps[0].leaf is not None:
            only = child.steps[0]
            assert only.leaf is not None
            inner = tuple(child.shapes[i] for i in only.reads)
            return leaf_step(name, only.leaf, inner, tuple(reads[i] for i in only.reads), self.drop_path * depth)
        return Step(name, ("child",), {}, reads, child.writer, child=child, heavy=True)


def leaf_step(name: str, leaf: Leaf, shapes: tuple[Shape, ...], reads: tuple[int, ...], rate: float) -> Step:
    """The step of a leaf."""
    heavy = leaf.params(*shapes) > 0 and leaf.macs(*shapes) > 0
    code = leaf.code(*shapes)
    values = plain(code)
    if isinstance(leaf, DropPath):
        values["rate"] = rate
    module = Instance(code.kind, tuple(values.items()))
    written = leaf.expression(*shapes)
    if written is not None:
        kind = ("expression", written.template, written.in_place, tuple(written.values))
        return Step(name, kind, dict(written.values), reads, leaf.name, leaf, module, written, heavy=heavy)
    return Step(name, ("call", code.kind, tuple(values)), values, reads, leaf.name, leaf, module, heavy=heavy)


def plain(code: Call) -> dict[str, Any]:
    """The arguments, one number where torch takes one for both axes."""
    made = dict(code.args)
    if code.kind.startswith("nn."):
        for name in _BOTH_AXES:
            value = made.get(name)
            if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]:
                made[name] = value[0]
    return made


def _label(label: str, hint: str) -> str:
    """The name of a class in snake case: a cell and its inside are called after the cell."""
    if label not in ("cell", "nodes") or not hint:
        return "chain" if label == "sequential" else label
    return hint if label == "cell" and hint.endswith("cell") else f"{hint}_{label}"


def _operation(name: str) -> str:
    """`sep_conv` of an edge's name `node2_sep_conv_3`."""
    words = name.split("_")
    if words[0].startswith("node") and len(words) > 1:
        words = words[1:]
    return "_".join(words[:-1] if len(words) > 1 and words[-1].isdigit() else words)
