"""Residual blocks that normalise and activate before they convolve, and add to an untouched shortcut."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, Add, BatchNorm, Conv, Dropout, DropPath, Leaf, pair
from nas.ops.base import require_range
from nas.primitives.basic import check_activation, same


def preactivated(
    g: Inner, x: int, convs: list[Conv], stride: int, activation: str, shared: bool, dropout: float = 0.0
) -> int:
    """Norm, activation and convolution for each of `convs`, dropout before the last one; the shortcut added.

    Where the shape changes the shortcut is a strided 1x1 convolution of the activated input (He et al., released code).
    Elsewhere it is the input itself, or with `shared` the activated input.
    """
    norm, act = BatchNorm(), Activation(activation)
    width = convs[-1].width
    moved = stride != 1 or g.shapes[x].width != width
    active = g.chain(x, norm, act)
    body = g.add(convs[0], active)
    for conv in convs[1:]:
        drop: list[Leaf] = [Dropout(dropout)] if dropout and conv is convs[-1] else []
        body = g.chain(body, norm, act, *drop, conv)
    body = g.add(DropPath(), body)
    other = active if moved or shared else x
    if moved:
        other = g.add(Conv(width, (1, 1), pair(stride)), other, name="shortcut_conv")
    return g.add(Add(), body, other)


@primitive("preact_basic")
class PreactBasic(Primitive):
    """Norm, activation, 3x3 convolution, twice, and a shortcut (He et al., arXiv 1603.05027, figure 1b).

    With `dropout` between the convolutions it is the block of Wide ResNet (arXiv 1605.07146, figure 1d). `shared` is
    for the first block of a network, whose activation stands before the two paths part (arXiv 1603.05027, appendix).
    """

    kernel: int = 3
    activation: str = "relu"
    dropout: float = 0.0
    shared: bool = False

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        check_activation(self.activation)
        require_range(self.dropout, "dropout", 0.0, 0.99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        kernel = pair(self.kernel)
        convs = [Conv(width, kernel, pair(step), same(kernel)) for step in (stride, 1)]
        return preactivated(g, inputs[0], convs, stride, self.activation, self.shared, self.dropout)


@primitive("preact_bottleneck")
class PreactBottleneck(Primitive):
    """Norm, activation, convolution, three times, of kernels 1x1, 3x3, 1x1, and a shortcut (arXiv 1603.05027).

    The inner width is the stage's divided by `expansion`; the stride stands on the 3x3 convolution. `shared` is as in
    `preact_basic`.
    """

    kernel: int = 3
    expansion: int = 4
    activation: str = "relu"
    shared: bool = False

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.expansion, "expansion", 1, 64)
        check_activation(self.activation)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        kernel, inner = pair(self.kernel), max(1, width // self.expansion)
        convs = [Conv(inner, (1, 1)), Conv(inner, kernel, pair(stride), same(kernel)), Conv(width, (1, 1))]
        return preactivated(g, inputs[0], convs, stride, self.activation, self.shared)
