"""The plain operations: convolution with norm and activation, pools, identity, and what heads are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from nas.arch import Inner, Primitive, preset, primitive
from nas.ops import (
    ACTIVATIONS,
    Activation,
    AdaptivePool,
    Affine,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Map,
    MaxPool,
    Pad,
    Pair,
    Shape,
    Tokens,
    Vector,
    pair,
)
from nas.ops.base import require, require_range

# Order of the parts: `conv` is convolution, norm, activation; `act` is activation, convolution, norm (NASNet's order).
Order = Literal["conv", "act"]
# Pixels on each side; None keeps the size of a map at stride 1; `same` is TensorFlow's, see `least_same`.
Padding = int | Pair | Literal["same"] | None
PoolPadding = int | Literal["same"] | None


def same(kernel: Pair, dilation: int = 1) -> Pair:
    """Padding that keeps the size of a map at stride 1. Raises `ArchitectureError` unless the kernel is odd."""
    require(kernel[0] % 2 == kernel[1] % 2 == 1, f"kernel={kernel[0]}x{kernel[1]} with no padding set", "odd numbers")
    return (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)


def least_same(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """Padding (before, after) of an axis under TensorFlow's `SAME`: the least that gives ceil(size / stride) positions.

    Where it is odd the pixel more stands after the map.
    """
    missing = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return missing // 2, missing - missing // 2


def placed_padding(
    x: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: int = 1
) -> tuple[tuple[Pad, ...], Pair]:
    """What stands before a convolution of the map `x`, and the padding that is left to the convolution itself."""
    if padding is None:
        return (), same(kernel, dilation)
    if padding != "same":
        return (), pair(padding)
    assert isinstance(x, Map)
    rows = least_same(x.rows, kernel[0], stride[0], dilation)
    columns = least_same(x.columns, kernel[1], stride[1], dilation)
    if rows[0] == rows[1] and columns[0] == columns[1]:
        return (), (rows[0], columns[0])
    return (Pad(rows, columns),), (0, 0)


def check_padding(padding: Padding, most: int) -> None:
    """Raise `ArchitectureError` unless it is a number up to `most`, `same` or None."""
    if padding is not None and padding != "same":
        require_range(padding, "padding", 0, most)


def check_activation(kind: str | None) -> None:
    """Raise `ArchitectureError` unless the activation is known or None."""
    require(kind is None or kind in ACTIVATIONS, f"activation={kind!r}", f"none, {', '.join(ACTIVATIONS)}")


def check_eps(eps: float | None) -> None:
    """Raise `ArchitectureError` unless it is a small positive number or None."""
    if eps is not None:
        require_range(eps, "eps", 0.0, 1.0)


@primitive("conv")
class ConvNormAct(Primitive):
    """Convolution to the stage's width, batch norm, activation; each of the two can be left out.

    `padding` None keeps the size of the map (at stride 1). Without norm the convolution has a bias unless told not to.
    """

    kernel: int | Pair = 3
    activation: str | None = "relu"
    norm: bool = True
    bias: bool | None = None
    groups: int = 1
    dilation: int = 1
    padding: Padding = None
    order: Order = "conv"
    eps: float = 1e-5
    momentum: float = 0.1

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 4096)
        require_range(self.groups, "groups", 1, 65536)
        require_range(self.dilation, "dilation", 1, 64)
        check_padding(self.padding, 4096)
        check_activation(self.activation)
        check_eps(self.eps)
        require_range(self.momentum, "momentum", 0.0, 1.0)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        kernel, step = pair(self.kernel), (stride, stride)
        before, padding = placed_padding(g.shapes[inputs[0]], kernel, step, self.padding, self.dilation)
        bias = not self.norm if self.bias is None else self.bias
        conv = Conv(width, kernel, step, padding, (self.dilation, self.dilation), self.groups, bias)
        parts: list[Pad | Conv | BatchNorm | Activation] = [*before, conv]
        if self.norm:
            parts.append(BatchNorm(self.eps, self.momentum))
        if self.activation is not None:
            parts.insert(0 if self.order == "act" else len(parts), Activation(self.activation))
        return g.chain(inputs[0], *parts)


@primitive("max_pool")
class MaxPooling(Primitive):
    """Max pool; where a cell wants another width a 1x1 convolution and batch norm follow (NASNet's released code).

    `eps` is that of the batch norm.
    """

    kernel: int = 3
    padding: PoolPadding = None
    ceil: bool = False
    eps: float = 1e-5

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 4096)
        check_padding(self.padding, self.kernel // 2)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = pool(g, inputs[0], MaxPool(pair(self.kernel), (stride, stride), ceil=self.ceil), self.padding)
        return to_width(g, x, width, self.eps)


@primitive("avg_pool")
class AveragePooling(Primitive):
    """Average pool; a 1x1 convolution and batch norm where another width is wanted.

    With `count_padding` the padding counts as zeros, else not at all. `eps` is that of the batch norm.
    """

    kernel: int = 3
    padding: PoolPadding = None
    ceil: bool = False
    count_padding: bool = False
    eps: float = 1e-5

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 4096)
        check_padding(self.padding, self.kernel // 2)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        leaf = AvgPool(pair(self.kernel), (stride, stride), ceil=self.ceil, count_padding=self.count_padding)
        x = pool(g, inputs[0], leaf, self.padding)
        return to_width(g, x, width, self.eps)


def pool(g: Inner, x: int, leaf: MaxPool | AvgPool, padding: PoolPadding) -> int:
    """The pool `leaf`, which states no padding, with this one."""
    if padding != "same":
        return g.add(replace(leaf, padding=pair((leaf.kernel[0] - 1) // 2 if padding is None else padding)), x)
    shape, (stride, _) = g.shapes[x], leaf.stride
    assert isinstance(shape, Map)
    rows, columns = (least_same(size, leaf.kernel[0], stride) for size in shape[1:])
    if rows[0] == rows[1] and columns[0] == columns[1]:
        return g.add(replace(leaf, padding=(rows[0], columns[0])), x)
    if isinstance(leaf, AvgPool) and leaf.count_padding:
        return g.chain(x, Pad(rows, columns), leaf)
    if stride == 1:
        # As much before the map as after it, and the first position dropped.
        first_gone = Pad((rows[0] - rows[1], 0), (columns[0] - columns[1], 0))
        return g.chain(x, replace(leaf, padding=(rows[1], columns[1])), first_gone)
    # A pixel more after the map than before it is a last window that hangs over the edge by that pixel.
    return g.add(replace(leaf, padding=(rows[0], columns[0]), ceil=True), x)


def to_width(g: Inner, x: int, width: int, eps: float = 1e-5) -> int:
    """A 1x1 convolution and batch norm where the width is another."""
    if g.shapes[x].width == width:
        return x
    return g.chain(x, Conv(width, (1, 1)), BatchNorm(eps))


@primitive("factorized_reduction")
class FactorizedReduction(Primitive):
    """ReLU, then two 1x1 convolutions of half the width on grids shifted by one pixel, joined, and batch norm.

    So that a stride of 2 throws away half of the pixels and not three quarters (Zoph et al., arXiv 1707.07012, released
    code). At stride 1 it is ReLU, a 1x1 convolution and batch norm. `activation` stands in for ReLU, or none.
    """

    eps: float = 1e-5
    activation: str | None = "relu"

    def check(self) -> None:
        check_eps(self.eps)
        check_activation(self.activation)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0] if self.activation is None else g.add(Activation(self.activation), inputs[0])
        shape = g.shapes[x]
        assert isinstance(shape, Map)
        step = (stride, stride)
        if stride == 1 or width < 2 or min(shape.rows, shape.columns) < 2:
            return g.chain(x, Conv(width, (1, 1), step), BatchNorm(self.eps))
        left = g.add(Conv(width // 2, (1, 1), step), x, name="conv")
        # The shift cuts a row and a column and pads on the far side, so that both grids have the same size.
        shifted = g.add(Pad((-1, 1), (-1, 1)), x, name="shift")
        right = g.add(Conv(width - width // 2, (1, 1), step), shifted, name="conv")
        return g.add(BatchNorm(self.eps), g.add(Concat(), left, right))


@primitive("skip_connect")
class SkipConnect(Primitive):
    """Identity, or `change` where the shape changes.

    By default a 1x1 convolution where the width is another, a factorised reduction where the stride is 2 or more.
    """

    change: Primitive = FactorizedReduction()

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        if stride == 1 and g.shapes[inputs[0]].width == width:
            return inputs[0]
        return g.apply(self.change, inputs[0], width=width, stride=stride)


@primitive("global_pool")
class GlobalPooling(Primitive):
    """Mean over all pixels or tokens: a vector."""

    accepts = (Map, Tokens)
    strided = False

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(GlobalPool(), inputs[0])


@primitive("adaptive_pool")
class AdaptivePooling(Primitive):
    """Mean over `size` x `size` windows, whatever the size of the map; of one size each if `equal`."""

    size: int
    equal: bool = False
    strided = False

    def check(self) -> None:
        require_range(self.size, "size", 1, 4096)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(AdaptivePool(pair(self.size), self.equal), inputs[0])


@primitive("flatten")
class Flattening(Primitive):
    """All numbers as one vector."""

    accepts = (Map, Tokens)
    strided = False

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(Flatten(), inputs[0])


@primitive("linear")
class LinearLayer(Primitive):
    """Linear map of a vector (or of each token), with an activation and dropout after it where given.

    With `norm` batch norm of a vector follows the map.
    """

    activation: str | None = None
    dropout: float = 0.0
    bias: bool = True
    norm: bool = False
    eps: float = 1e-5
    accepts = (Vector, Tokens)
    strided = False

    def check(self) -> None:
        check_activation(self.activation)
        check_eps(self.eps)
        require_range(self.dropout, "dropout", 0.0, 0.99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = g.add(Linear(width, self.bias), inputs[0])
        if self.norm:
            x = g.add(BatchNorm(self.eps), x)
        if self.activation is not None:
            x = g.add(Activation(self.activation), x)
        return g.add(Dropout(self.dropout), x) if self.dropout else x


@primitive("dropout")
class DropoutLayer(Primitive):
    """Dropout of single features."""

    rate: float = 0.5
    accepts = (Map, Tokens, Vector)
    strided = False

    def check(self) -> None:
        require_range(self.rate, "rate", 0.0, 0.99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(Dropout(self.rate), inputs[0])


@primitive("activation")
class ActivationLayer(Primitive):
    """An activation function by itself."""

    kind: str = "relu"
    accepts = (Map, Tokens, Vector)
    strided = False

    def check(self) -> None:
        require(self.kind in ACTIVATIONS, f"activation={self.kind!r}", ", ".join(ACTIVATIONS))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(Activation(self.kind), inputs[0])


@primitive("norm")
class Norm(Primitive):
    """Normalisation by itself, then an activation if given.

    Without a `kind` batch norm of a map, layer norm of tokens or a vector. `affine`, a learned scale and shift, takes
    no statistics at all and has no `eps` (Touvron et al., arXiv 2105.03404, equation 1).
    """

    activation: str | None = None
    eps: float | None = None
    kind: Literal["batch", "layer", "affine"] | None = None
    accepts = (Map, Tokens, Vector)
    strided = False

    def check(self) -> None:
        check_activation(self.activation)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        kind = self.kind or ("batch" if isinstance(g.shapes[inputs[0]], Map) else "layer")
        if kind == "affine":
            x = g.add(Affine(), inputs[0])
        elif kind == "batch":
            x = g.add(BatchNorm() if self.eps is None else BatchNorm(self.eps), inputs[0])
        else:
            x = g.add(LayerNorm() if self.eps is None else LayerNorm(self.eps), inputs[0])
        return g.add(Activation(self.activation), x) if self.activation is not None else x


# Operations of NASNet's cells (arXiv 1707.07012, section 3): ReLU comes first.
for _size in (1, 3):
    preset(f"conv_{_size}x{_size}", ConvNormAct(kernel=_size, order="act"))
    # NAS-Bench-201's names (arXiv 2001.00326, table 1).
    preset(f"nor_conv_{_size}x{_size}", ConvNormAct(kernel=_size, order="act"))
preset("conv3x3", ConvNormAct())
for _size in (3, 5, 7):
    preset(f"max_pool_{_size}x{_size}", MaxPooling(kernel=_size))
preset("avg_pool_3x3", AveragePooling())
preset("dilated_conv_3x3", ConvNormAct(order="act", dilation=2))
