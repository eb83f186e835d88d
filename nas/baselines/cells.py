"""Networks of two cells, normal and reduction: each is a genotype and a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal, NamedTuple

from nas.arch import Architecture, Auxiliary, Block, Cell, Primitive, Stage, Use
from nas.arch.codec import operation
from nas.baselines.common import Input, pooled_head
from nas.primitives import (
    ActivationLayer,
    AveragePooling,
    CellGraph,
    CellNode,
    ConvNormAct,
    Edge,
    Flattening,
    LinearLayer,
    SkipConnect,
)

# Left operation and state, right operation and state of each node; state 0 is the earlier input, 1 the later.
Nodes = tuple[tuple[str, int, str, int], ...]


class Genotype(NamedTuple):
    """The nodes of both cells and the states that each of them joins."""

    normal: Nodes
    normal_output: tuple[int, ...]
    reduction: Nodes
    reduction_output: tuple[int, ...]


class Manner(NamedTuple):
    """What the operations of a network have in common beside their names.

    `operation` are fields that each gets which has them, `strided` those of an operation with the stride of a reduction
    cell, `named` the operations that a name stands for where not as usual. `first` and `base` are those of `CellGraph`.
    """

    operation: Mapping[str, Any] = {}
    strided: Mapping[str, Any] = {}
    named: Mapping[str, Primitive] = {}
    first: Literal["adapt", "raw"] = "adapt"
    base: bool = False

    @property
    def eps(self) -> float:
        """That of batch norm."""
        return float(self.operation.get("eps", 1e-5))


# The networks that come from TensorFlow: its padding, its batch norm, raw inputs of the first cell, and a convolution
# where identity has a stride (released code).
STRIDED_IDENTITY = SkipConnect(ConvNormAct(kernel=1, order="act"))
TENSORFLOW = Manner({"eps": 1e-3, "padding": "same"}, named={"skip_connect": STRIDED_IDENTITY}, first="raw")


class Plan(NamedTuple):
    """How cells make a network.

    `repeats` normal cells in each of three stages of `filters`, 2 and 4 times `filters`; a reduction cell before the
    second and the third. The `stem` is a convolution to that width, for images of ImageNet's size with a stride and two
    reduction cells of a quarter and half the filters behind it.
    """

    filters: int
    repeats: int
    stem: int
    imagenet: bool = False
    # The reduction cell stands for the first normal cell of its stage and not before it.
    replaces: bool = False
    # What the first normal cell behind a reduction reads, counted back; by default the last two outputs.
    after_reduction: tuple[int, ...] | None = None
    # Cells of the last stage before the auxiliary head; none is the end of the second stage.
    aux: int = 0
    # Before the mean over pixels.
    activation: str | None = "relu"
    dropout: float = 0.0


def cell_network(name: str, genotype: Genotype, manner: Manner, plan: Plan, input: Input, classes: int) -> Architecture:
    """The network of these cells, with an auxiliary head of weight 0.4."""
    cells = (
        Cell("normal", cell(genotype.normal, genotype.normal_output, manner, reduces=False)),
        Cell("reduction", cell(genotype.reduction, genotype.reduction_output, manner, reduces=True)),
    )
    stages: list[Stage] = []
    f = plan.filters
    if plan.imagenet:
        stages.append((reduction(f // 4), reduction(f // 2)))
    behind = plan.repeats - plan.replaces
    stages += [normal(f, plan.repeats), (reduction(2 * f), *normal(2 * f, behind, plan.after_reduction))]
    last = (reduction(4 * f), *normal(4 * f, behind, plan.after_reduction))
    head = Auxiliary(len(stages) - (plan.aux == 0), auxiliary(manner.eps), 0.4)
    stages += split(last, plan.aux)
    conv = ConvNormAct(activation=None, padding=0 if plan.imagenet else None, eps=manner.eps)
    stem = (Block(conv, plan.stem, 2 if plan.imagenet else 1),)
    top = (Block(ActivationLayer(plan.activation)),) if plan.activation is not None else ()
    return Architecture(name, input, classes, tuple(stages), stem, (*top, *pooled_head(plan.dropout)), cells, (head,))


def cell(nodes: Nodes, output: tuple[int, ...], manner: Manner, reduces: bool) -> CellGraph:
    """A cell of two-input sums."""

    def edge(name: str, source: int) -> Edge:
        op = manner.named.get(name) or operation(name)
        strided = manner.strided if reduces and source < 2 else {}
        return Edge(with_fields(op, {**manner.operation, **strided}), source)

    made = tuple(CellNode((edge(left, i), edge(right, j))) for left, i, right, j in nodes)
    return CellGraph(made, output, first=manner.first, eps=manner.eps, base=manner.base)


def with_fields(op: Primitive, values: Mapping[str, Any]) -> Primitive:
    """The operation with those of the values whose fields it has, and so the operations within it."""
    own = {f.name: getattr(op, f.name) for f in fields(op)}  # type: ignore[arg-type]
    inner = {key: with_fields(item, values) for key, item in own.items() if isinstance(item, Primitive)}
    return replace(op, **inner, **{key: item for key, item in values.items() if key in own})  # type: ignore[type-var]


def reduction(width: int) -> Block:
    """A reduction cell."""
    return Block(Use("reduction"), width, 2)


def normal(width: int, repeat: int, first: tuple[int, ...] | None = None) -> Stage:
    """Normal cells, the first of which may read other outputs than the last two."""
    block = Block(Use("normal"), width, 1, repeat)
    if first is None:
        return (block,)
    return (replace(block, repeat=1, reads=first), *((replace(block, repeat=repeat - 1),) if repeat > 1 else ()))


def split(stage: Stage, cells: int) -> list[Stage]:
    """A stage of cells, split behind so many of them; whole where that is none."""
    if cells == 0:
        return [stage]
    front: list[Block] = []
    for number, block in enumerate(stage):
        taken = min(block.repeat, cells)
        cells -= taken
        front.append(replace(block, repeat=taken))
        if cells == 0:
            rest = (replace(block, repeat=block.repeat - taken),) if block.repeat > taken else ()
            return [tuple(front), (*rest, *stage[number + 1 :])]
    return [stage]


def auxiliary(eps: float) -> Stage:
    """ReLU, 5x5 average pool of stride 3, 1x1 to 128, a convolution as large as the map to 768, classifier.

    The convolution is written as what it is, a linear map of all pixels (Zoph et al., arXiv 1707.07012, released code).
    """
    return (
        Block(ActivationLayer()),
        Block(AveragePooling(5, padding=0), None, 3),
        Block(ConvNormAct(kernel=1, eps=eps), 128),
        Block(Flattening()),
        Block(LinearLayer("relu", bias=False, norm=True, eps=eps), 768),
        Block(LinearLayer(), "classes"),
    )


def arrange(keys: list[str]) -> list[str]:
    """timm's keys with the adapter of a cell's later input before that of the earlier one, as they are here."""
    cells = list(dict.fromkeys(key.split(".")[0] for key in keys))
    ranks = {"conv_1x1": 0, "conv_prev_1x1": 1}

    def place(key: str) -> tuple[int, int]:
        owner, part = key.split(".")[:2]
        return cells.index(owner), ranks.get(part, 2)

    return sorted(keys, key=place)
