"""The contract of a primitive, to hold one's own block or cell operation to:

    from nas.testing import primitives
    primitives.check_operation(MyBlock())          # as an operation of a cell: any width, stride 1 or 2, odd maps
    primitives.check(MyBlock(), Tokens(16, 24))    # anywhere else

Each check raises `AssertionError` that says what was asked and what came.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from nas.arch import PRESETS, PRIMITIVES, Graph, Primitive, place
from nas.arch.codec import Decoder, encode
from nas.arch.text import dump, parse
from nas.ops import Map, Shape, Tokens, Vector
from nas.primitives import (
    AdaptivePooling,
    AveragePooling,
    Branches,
    CellGraph,
    CellNode,
    ConvNormAct,
    DenseLayers,
    DenseTransition,
    Edge,
    FactorizedConv,
    Inception,
    Layer,
    LayerGraph,
    MaxPooling,
    Mixed,
    Mixer,
    Narrow,
    NoConnection,
    Residual,
    SeparableConv,
    Sequential,
    SkipConnect,
    Step,
)
from nas.testing.ops import BATCH, tensors

if TYPE_CHECKING:
    import torch

WIDTHS = (4, 6, 16, 24, 33)
STRIDES = (1, 2)
# Input, width and stride of the few places where an operation is run forward and backward.
RUNS = ((Map(6, 7, 7), 6, 1), (Map(5, 7, 7), 33, 2), (Map(16, 8, 8), 16, 2), (Map(4, 1, 1), 4, 2), (Map(3, 5, 2), 24, 1))
SIZES = ((8, 8), (7, 7), (32, 32), (1, 1), (5, 2))
INPUTS: tuple[Shape, ...] = (Map(24, 8, 8), Tokens(16, 24), Vector(24))

# Primitives that cannot be made of defaults alone.
EXAMPLES: dict[str, tuple[Primitive, ...]] = {
    "adaptive_pool": (AdaptivePooling(2),),
    "avg_pool": tuple(AveragePooling(size, "same", count_padding=counts) for size in (2, 3, 4) for counts in (False, True)),
    "branches": (
        Branches((Step(ConvNormAct(1)), Step(ConvNormAct(3)), Step(MaxPooling()))),
        Branches((Step(ConvNormAct(1)), Step(SkipConnect())), "add"),
        Branches((Step(ConvNormAct(1)), Step(ConvNormAct(3, activation="sigmoid"))), "multiply"),
    ),
    "cell": (
        CellGraph((CellNode((Edge(ConvNormAct(), 0), Edge(SkipConnect(), 0))), CellNode((Edge(SeparableConv(), 1),), "concat")), inputs=1),
        CellGraph((CellNode((Edge(ConvNormAct(), 0),)),), (0, 1), inputs=1),
    ),
    "conv": (ConvNormAct(padding="same"), ConvNormAct((2, 5), padding="same", order="act")),
    "dense_transition": (DenseTransition(ceil=True),),
    "dense_layers": (DenseLayers(2, growth=5), DenseLayers(1, growth=5, bottleneck=0)),
    "inception": (Inception(), Inception(third=3), Inception((3, 2, 4, 1, 2, 5))),
    "layers": (
        LayerGraph((Layer(ConvNormAct()), Layer(MaxPooling(), (0, 1), stride=2), Layer(ConvNormAct((1, 5)), (1, 2), 7))),
        LayerGraph((Layer(ConvNormAct()), Layer(MaxPooling(), (), 5, 2), Layer(ConvNormAct()))),
        LayerGraph((Layer(ConvNormAct()), Layer(SeparableConv(), (1,)), Layer(ConvNormAct(1), (0, 2))), output="last"),
        LayerGraph((Layer(ConvNormAct()), Layer(SeparableConv()), Layer(ConvNormAct(1), (0, 1))), "behind", "last"),
        LayerGraph((Layer(ConvNormAct()), Layer(SeparableConv(), (0,)), Layer(ConvNormAct(1), (0, 1))), "behind", "unread", (1, 2)),
    ),
    "max_pool": tuple(MaxPooling(size, "same") for size in (2, 3, 4)),
    "mixed": (
        Mixed((SkipConnect(), ConvNormAct(), AveragePooling(), MaxPooling(), NoConnection()), "a"),
        Mixed((SeparableConv(),)),
    ),
    "mixer": (Mixer(), Mixer(None, norm="affine", scale=1e-4)),
    "narrow": (Narrow(FactorizedConv(padding="same")), Narrow(MaxPooling(), 3)),
    "residual": (Residual((Step(ConvNormAct()), Step(ConvNormAct(activation=None), stride=1))),),
    "sep_conv": (SeparableConv(5, padding="same"), SeparableConv(3, dilation=2, padding="same")),
    "sequential": (Sequential((Step(ConvNormAct()), Step(SeparableConv(), width=5), Step(ConvNormAct(1)))),),
}


def examples() -> dict[str, Primitive]:
    """Every registered primitive at least once, and every preset, by a name for tests.

    Raises `AssertionError` for a new primitive that needs fields: add it to `EXAMPLES`.
    """
    made: dict[str, Primitive] = dict(PRESETS.items())
    for name, kind in PRIMITIVES.items():
        if name in EXAMPLES:
            made.update({f"{name}-{i}": op for i, op in enumerate(EXAMPLES[name])})
        elif name not in made:
            needed = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]  # type: ignore[arg-type]
            _require(not needed, f"primitive {name!r} has no example in nas.testing.primitives.EXAMPLES and needs the fields {needed}")
            made[name] = kind()
    return made


def is_operation(op: Primitive) -> bool:
    """Whether it can be an operation of a cell: it reads one map, takes a stride, and has no width of its own."""
    fixed = isinstance(op, Inception) and op.widths is not None
    joined = isinstance(op, CellGraph) and len(op.outputs) > 1
    shaped = isinstance(op, LayerGraph) and not _plain(op)
    return Map in op.accepts and op.strided and op.reads == 1 and not (fixed or joined or shaped)


def _plain(op: LayerGraph) -> bool:
    """Whether the whole has one output, of the width and size that its place has."""
    own = any(layer.width is not None or layer.stride > 1 for layer in op.layers)
    return len(op.ends) == 1 and not op.reduce and not own


def check_operation(op: Primitive) -> None:
    """As an operation of a cell: exactly the width asked for and ceil(size / stride), whatever the input.

    Shapes are checked everywhere; forward and backward run at a few places. Raises `AssertionError` at the first breach.
    """
    check_yaml(op)
    for width, (rows, columns), stride in itertools.product(WIDTHS, SIZES, STRIDES):
        for shape in (Map(width, rows, columns), Map(5, rows, columns)):
            found = place(op, (shape,), width, stride).shape
            wanted = Map(width, -(-rows // stride), -(-columns // stride))
            _require(found == wanted, f"{op} at {shape}, width {width}, stride {stride} gives {found}; wanted: {wanted}")
    for shape, width, stride in RUNS:
        check_graph(place(op, (shape,), width, stride))


def check(op: Primitive, *shapes: Shape, width: int | None = None, stride: int = 1) -> None:
    """At these inputs: builds, runs, and every stated shape is the true one. Raises `AssertionError` at the first breach."""
    check_yaml(op)
    check_graph(place(op, shapes, width, stride))


def check_yaml(op: Primitive) -> None:
    """Written and read again it is equal, and of equal hash."""
    text = dump([encode(op)])
    (data,) = parse(text)
    copy = Decoder().decode(data, Primitive, "op")
    _require(copy == op and hash(copy) == hash(op), f"{op} written as {text.strip()!r} is read as {copy}")


def check_graph(graph: Graph) -> None:
    """Every node's stated shape and parameters are those of its module; outputs and gradients are finite."""
    inputs = [each.requires_grad_() for each in tensors(graph.inputs)]
    parameters: list[torch.Tensor] = []
    output = run(graph, inputs, parameters)
    _require(tuple(output.shape) == (BATCH, *graph.shape), f"{graph.label} states {graph.shape} and gives {tuple(output.shape)[1:]}")
    counted = sum(p.numel() for p in parameters)
    _require(counted == graph.facts.params, f"{graph.label} states {graph.facts.params} parameters and has {counted}")
    _require(bool(output.isfinite().all()), f"{graph.label} at {graph.inputs} gives numbers that are not finite")
    # The mean, as a plain sum behind batch norm has no gradient at all.
    (output.square().sum() + output.mean()).backward()  # type: ignore[no-untyped-call]
    for each in (*inputs, *parameters):
        known = each.grad is not None and bool(each.grad.isfinite().all())
        _require(known, f"{graph.label} at {graph.inputs}: a gradient is missing or not finite")


def run(graph: Graph, inputs: list[torch.Tensor], parameters: list[torch.Tensor]) -> torch.Tensor:
    """The output of a graph, each leaf built anew where it stands; appends its parameters to `parameters`.

    Nothing is done in place, so that it also says what `nas.build` should give.
    """
    values, shapes = list(inputs), list(graph.inputs)
    for node in graph.nodes:
        reads = [values[i] for i in node.inputs]
        if isinstance(node.op, Graph):
            values.append(run(node.op, reads, parameters))
        else:
            module = node.op.module(*[shapes[i] for i in node.inputs])
            parameters += module.parameters()
            values.append(module(*reads))
        found = tuple(values[-1].shape)[1:]
        _require(found == tuple(node.shape), f"{graph.label}.{node.name} states {node.shape} and gives {found}")
        shapes.append(node.shape)
    return values[graph.output]


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(message)
