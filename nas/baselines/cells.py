"""Networks of two cells, normal and reduction: each is a genotype and a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal, NamedTuple

from nas.arch import Architecture, Block, Cell, Primitive, Stage, Use
from nas.arch.codec import operation
from nas.baselines.common import Input, pooled_head
from nas.baselines.stack import Group, Side, Stack, large_entry, large_stem, small_stem
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
    f, behind = plan.filters, plan.repeats - plan.replaces
    groups = (
        Group(normal(f, plan.repeats)),
        Group(normal(2 * f, behind), (reduction(2 * f),), plan.after_reduction),
        Group(normal(4 * f, behind), (reduction(4 * f),), plan.after_reduction),
    )
    conv = ConvNormAct(activation=None, eps=manner.eps)
    stem = large_stem(conv, plan.stem) if plan.imagenet else small_stem(conv, plan.stem)
    entry = large_entry((reduction(f),), f, f) if plan.imagenet else ()
    side = Side(1 if plan.aux == 0 else 2, plan.aux, auxiliary(manner.eps))
    top = (Block(ActivationLayer(plan.activation)),) if plan.activation is not None else ()
    head = (*top, *pooled_head(plan.dropout))
    return Stack(name, input, classes, cells, stem, groups, head, entry, side).architecture()


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


def normal(width: int, repeat: int) -> Block:
    """Normal cells."""
    return Block(Use("normal"), width, 1, repeat)


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
