"""The contract of a leaf operation, to hold one's own leaf to:

    from nas.testing import ops
    ops.check(MyLeaf(width=8), Map(6, 8, 7))

Each check raises `AssertionError` that says what was stated and what the built module does.
"""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from nas.errors import ArchitectureError
from nas.ops import ACTIVATIONS, Leaf, Map, Shape, Tokens, Vector
from nas.ops.activation import Activation
from nas.ops.channels import Channels, Scale, Shuffle
from nas.ops.conv import Conv, Pad
from nas.ops.linear import Attention, Linear
from nas.ops.merge import Add, Blend, Concat, Multiply
from nas.ops.mix import Mix
from nas.ops.pool import AdaptivePool, AvgPool, MaxPool
from nas.ops.scan import SelectiveScan
from nas.ops.shift import Shift
from nas.ops.tokens import PickToken, ToMap
from nas.ops.window import SpaceToDepth, WindowAttention
from nas.ops.zero import Zero

if TYPE_CHECKING:
    import torch

Example = tuple[Leaf, tuple[Shape, ...]]
BATCH = 2
DEFAULTS: tuple[Shape, ...] = (Map(6, 8, 7), Tokens(5, 12), Vector(9))
M, T, V = DEFAULTS
EDGES: tuple[Literal["zero", "keep"], ...] = ("zero", "keep")


def _pools(kind: Callable[..., Leaf]) -> list[Example]:
    fields = ((2, 2, 0, False), (3, 1, 1, False), (3, 2, 1, True), (3, 2, 0, True), (2, 2, 0, True), (5, 3, 2, True), (4, 3, 0, True))
    made: list[Example] = []
    for kernel, stride, padding, ceil in fields:
        leaf = kind((kernel, kernel), (stride, stride), (padding, padding), ceil)
        made += [(leaf, (Map(3, size, size + 1),)) for size in (5, 6, 7, 8)]
    return made


# Leaves whose fields have no defaults, or whose inputs are not simply any shape; all others are tried as they are.
EXAMPLES: dict[str, list[Example]] = {
    "activation": [(Activation(kind), (shape,)) for kind in ACTIVATIONS for shape in DEFAULTS],
    "adaptive_pool": [(AdaptivePool(size, equal), (M,)) for size in ((3, 2), (9, 9), (8, 3)) for equal in (False, True)],
    "add": [(Add(), (shape,) * count) for shape in DEFAULTS for count in (1, 2, 3)],
    "attention": [(Attention(heads), (T,)) for heads in (1, 2, 4)],
    "avg_pool": [*_pools(AvgPool), (AvgPool((3, 3), (2, 2), (1, 1), count_padding=True), (M,))],
    "blend": [(Blend(), shapes) for shapes in ((M, Vector(6)), (M, M, M, Vector(18)), (T, T, Vector(24)), (V, V, Vector(18)))],
    "channels": [(Channels(start, 2), (shape,)) for start in (0, 3) for shape in DEFAULTS],
    "concat": [(Concat(), (M, Map(3, 8, 7))), (Concat(), (T, Tokens(5, 1), T)), (Concat(), (V, V))],
    "conv": [
        (Conv(8), (M,)),
        (Conv(8, (1, 3), (1, 2), (0, 1), bias=True), (M,)),
        (Conv(12, (3, 3), (2, 2), (2, 2), (2, 2), groups=6), (M,)),
        (Conv(9, (8, 7), (3, 3), groups=3), (M,)),
    ],
    "linear": [(Linear(4, bias), (shape,)) for bias in (True, False) for shape in (T, V)],
    "max_pool": _pools(MaxPool),
    "mix": [(Mix("a", options), (shape,) * count) for shape in DEFAULTS for count, options in ((1, 1), (1, 2), (2, 2), (2, 3), (3, 3))],
    "multiply": [(Multiply(), shapes) for shapes in ((M, M), (M, Vector(6)), (T, T), (T, Vector(12)), (V, V))],
    "pad": [(Pad((1, 2), (0, 3), 0.5), (M,)), (Pad((-1, 1), (-2, 0)), (M,)), (Pad((0, 0), (1, 0), channels=(-1, 4)), (M,))],
    "pick_token": [(PickToken(index), (T,)) for index in (0, 4)],
    "scale": [(Scale(0.17), (shape,)) for shape in DEFAULTS],
    "selective_scan": [(SelectiveScan(), (Tokens(n, 6), Tokens(n, 6), Tokens(n, 3), Tokens(n, 3))) for n in (1, 5, 8)],
    "shift": [(Shift(((0, 1), (0, -1), (2, 0), (-1, 3)), turns, edge), (M,)) for turns in (False, True) for edge in EDGES],
    "shuffle": [(Shuffle(groups), (M,)) for groups in (1, 2, 3)],
    "space_to_depth": [(SpaceToDepth(size), (Map(3, 6, 12),)) for size in (1, 2, 3)],
    "to_map": [(ToMap(2, 3), (Tokens(6, 4),))],
    "window_attention": [
        (WindowAttention(1, (2, 3)), (Map(6, 4, 6),)),
        (WindowAttention(2, (3, 3), (1, 1)), (Map(12, 6, 9),)),
        (WindowAttention(2, (4, 2), (0, 1)), (Map(12, 4, 6),)),
        (WindowAttention(2, (4, 3)), (Map(12, 4, 3),)),
    ],
    "zero": [(Zero(width, stride), (M,)) for width in (6, 4) for stride in (1, 2, 3)],
}


def examples(kind: type[Leaf]) -> list[Example]:
    """Leaves of a class with inputs that fit. Raises `AssertionError` for a new leaf that has none: add it to `EXAMPLES`."""
    made = EXAMPLES.get(kind.name)
    if made is None:
        needed = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]  # type: ignore[arg-type]
        _require(not needed, f"leaf {kind.name!r} has no example in nas.testing.ops.EXAMPLES and needs the fields {needed}")
        made = [(kind(), (shape,)) for shape in DEFAULTS if fits(kind(), shape)]
    _require(bool(made), f"leaf {kind.name!r} fits none of {DEFAULTS}: add it to nas.testing.ops.EXAMPLES")
    return made


def fits(leaf: Leaf, *shapes: Shape) -> bool:
    """Whether the leaf takes these inputs."""
    try:
        leaf.shape(*shapes)
    except ArchitectureError:
        return False
    return True


def check(leaf: Leaf, *shapes: Shape) -> None:
    """Hold a leaf at these input shapes to the whole contract. Raises `AssertionError` at the first breach."""
    check_value(leaf)
    check_module(leaf, *shapes)
    check_macs(leaf, *shapes)
    check_flags(leaf, *shapes)
    check_biases(leaf, *shapes)
    check_saved(leaf, *shapes)
    check_reach(leaf, *shapes)
    check_other_kinds(leaf)
    check_code(leaf, *shapes)


def check_value(leaf: Leaf) -> None:
    """A leaf is a value: equal and of equal hash after pickling, frozen, and described in one line."""
    copy = pickle.loads(pickle.dumps(leaf))
    _require(copy == leaf and hash(copy) == hash(leaf), f"{leaf} is {copy} after pickling")
    text = leaf.describe()
    _require(bool(text) and "\n" not in text, f"{leaf} describes itself as {text!r}")


def check_module(leaf: Leaf, *shapes: Shape) -> None:
    """The module gives the stated shape, has the stated parameters, and its gradients are finite."""
    module = leaf.module(*shapes)
    inputs = tensors(shapes)
    for each in inputs:
        each.requires_grad_()
    output = module(*inputs)
    stated = leaf.shape(*shapes)
    _same(tuple(output.shape), (BATCH, *stated), f"{leaf} at {shapes}: shape of the output")
    counted = sum(p.numel() for p in module.parameters())
    _same(leaf.params(*shapes), counted, f"{leaf} at {shapes}: parameters")
    output.square().sum().backward()
    for each in (*inputs, *module.parameters()):
        _require(each.grad is not None and bool(each.grad.isfinite().all()), f"{leaf} at {shapes}: a gradient is missing or not finite")


def check_macs(leaf: Leaf, *shapes: Shape) -> None:
    """Twice the stated multiply-adds are the floating point operations that torch counts; where it counts none, none."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        module = leaf.module(*shapes).eval()
    with FlopCounterMode(display=False) as counter:
        module(*[each.to("meta") for each in tensors(shapes)])
    _same(2 * BATCH * leaf.macs(*shapes), counter.get_total_flops(), f"{leaf} at {shapes}: floating point operations of a batch of {BATCH}")


def check_flags(leaf: Leaf, *shapes: Shape) -> None:
    """What `overwrites` keeps the shape of its first input; what `reshapes` is a view that copies nothing."""
    stated = leaf.shape(*shapes)
    _require(not leaf.overwrites or stated == shapes[0], f"{leaf} overwrites but makes {stated} of {shapes[0]}")
    _require(leaf.arity in (None, len(shapes)), f"{leaf} states {leaf.arity} inputs and takes {len(shapes)}")
    if leaf.reshapes:
        (x,) = tensors(shapes)
        same = leaf.module(*shapes)(x).untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        _require(same, f"{leaf} at {shapes} reshapes but copies")


def check_biases(leaf: Leaf, *shapes: Shape) -> None:
    """The stated biases are those of the module's convolutions and linear maps."""
    from torch import nn

    parts = [part for part in leaf.module(*shapes).modules() if isinstance(part, nn.Linear | nn.modules.conv._ConvNd)]
    counted = sum(part.bias.numel() for part in parts if part.bias is not None)
    _same(leaf.biases(*shapes), counted, f"{leaf} at {shapes}: biases")


def check_saved(leaf: Leaf, *shapes: Shape) -> None:
    """The numbers that autograd keeps of an example are those stated, but for less than a tenth of what goes in and out."""
    saved, stated = leaf.saved(*shapes), leaf.shape(*shapes)
    told = saved.extra + sum(shapes[i].elements for i in saved.inputs) + (stated.elements if saved.output else 0)
    found = (saved_bytes(leaf.module(*shapes), shapes, 4) - saved_bytes(leaf.module(*shapes), shapes, 2)) / 8
    room = 0.1 * sum(shape.elements for shape in (*shapes, stated))
    _require(abs(found - told) <= room, f"{leaf} at {shapes} keeps {found:g} numbers for its gradient, stated {told}")


def saved_bytes(module: torch.nn.Module, shapes: tuple[Shape, ...], batch: int) -> int:
    """Bytes that autograd keeps of a batch after the forward pass of a module in training, each memory once, parameters left out."""
    import torch

    seen: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        memory = tensor.untyped_storage()
        seen[memory.data_ptr()] = (memory.nbytes(), tensor)  # held, so that no other tensor gets its place
        return tensor

    inputs = [each.requires_grad_() for each in tensors(shapes, batch)]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = module.train()(*inputs)
    del output
    own = {each.untyped_storage().data_ptr() for each in (*module.parameters(), *module.buffers())}
    return sum(size for place, (size, _) in seen.items() if place not in own)


def check_reach(leaf: Leaf, *shapes: Shape) -> None:
    """No pixel of an output reads further than stated, nor does a token that is said to read its own place only."""
    import torch

    reach, stated = leaf.reach(*shapes), leaf.shape(*shapes)
    if reach is None or isinstance(stated, Vector) or any(type(x) is not type(stated) for x in shapes):
        return
    axes = (1,) if isinstance(stated, Tokens) else (2, 3)
    module, inputs = leaf.module(*shapes).eval(), [each.requires_grad_() for each in tensors(shapes)]
    output = module(*inputs)
    output = output.sum([axis for axis in range(output.ndim) if axis not in axes])
    for place in itertools.product(*[{0, size // 2, size - 1} for size in output.shape]):
        for gradient in torch.autograd.grad(output[place], inputs, retain_graph=True, allow_unused=True):
            if gradient is None:
                continue
            weight = gradient.abs().sum([axis for axis in range(gradient.ndim) if axis not in axes])
            seen = (weight > 1e-20).nonzero().T.tolist()  # less is a masked place of a softmax
            for found, told in zip(seen, reach, strict=False):
                size = max(found, default=0) - min(found, default=0) + 1
                _require(size <= told.high - told.low + 1, f"{leaf} at {shapes} reads {size} places at {place}, stated {told}")


def check_other_kinds(leaf: Leaf) -> None:
    """Inputs of another kind are refused by a typed error, or fit."""
    for shape in (*DEFAULTS, Map(1, 1, 1), Tokens(1, 1), Vector(1)):
        count = leaf.arity or 2
        if fits(leaf, *(shape,) * count):
            made = leaf.shape(*(shape,) * count)
            _require(all(n > 0 for n in made), f"{leaf} makes {made} of {shape}")


def check_code(leaf: Leaf, *shapes: Shape) -> None:
    """The leaf as exported code takes the module's weights and gives the same output."""
    import torch

    from nas.export.python import leaf_to_python

    text, module = leaf_to_python(leaf, shapes), leaf.module(*shapes).eval()
    space: dict[str, Any] = {"__name__": "exported"}
    exec(text, space)
    block, inputs = space["Block"]().eval(), tensors(shapes)
    weights = {f"{leaf.name}.{key}": tensor for key, tensor in module.state_dict().items()}
    _same(sorted(weights), sorted(block.state_dict()), f"{leaf} at {shapes}: weights of its code")
    block.load_state_dict(weights)
    with torch.no_grad():
        same = torch.allclose(module(*inputs), block(*inputs), rtol=1e-5, atol=1e-6)
    _require(same, f"{leaf} at {shapes}: its code gives another output than its module:\n{text}")


def tensors(shapes: tuple[Shape, ...], batch: int = BATCH) -> list[torch.Tensor]:
    """Normal numbers of these shapes, the same at each call."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, *shape, generator=generator) for shape in shapes]


def _same(stated: object, found: object, what: str) -> None:
    _require(stated == found, f"{what}: {stated} and {found}; the contract: equal")


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(message)
