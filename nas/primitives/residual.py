"""Residual blocks, with squeeze-excite where asked, and squeeze-excite by itself."""

from __future__ import annotations

from typing import Literal

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, Add, AvgPool, BatchNorm, Conv, DropPath, GlobalPool, Linear, Multiply, Pad, pair
from nas.ops.base import require_range
from nas.primitives.basic import check_activation, same

# What is added to a body whose shape is another than its input's (He et al., arXiv 1512.03385, section 3.3): a strided
# convolution (option B), or the input itself, subsampled and padded by zero channels (option A), which is free of
# parameters. With `none` nothing is ever added: the plain twin of a residual network.
Shortcut = Literal["projection", "pad", "none"]


def squeeze_excite(g: Inner, x: int, hidden: int, activation: str = "relu", gate: str = "sigmoid") -> int:
    """Scale the channels of `x` by a gate: pool, linear, activation, linear, gate (Hu et al., arXiv 1709.01507)."""
    width = g.shapes[x].width
    pooled = g.add(GlobalPool(), x, name="squeeze")
    s = g.chain(pooled, Linear(hidden), Activation(activation), Linear(width), Activation(gate))
    return g.add(Multiply(), x, s, name="excite")


def shortcut(g: Inner, x: int, width: int, stride: int, kernel: int = 1) -> int:
    """Identity, or a strided convolution and batch norm where the shape changes (He et al., option B)."""
    if stride == 1 and g.shapes[x].width == width:
        return x
    conv = g.add(Conv(width, pair(kernel), pair(stride), same(pair(kernel))), x, name="shortcut_conv")
    return g.add(BatchNorm(), conv, name="shortcut_norm")


def padded_shortcut(g: Inner, x: int, width: int, stride: int) -> int:
    """Identity, every `stride`-th pixel, zero channels behind its own (He et al., option A); cut where narrower."""
    if stride != 1:
        x = g.add(AvgPool((1, 1), pair(stride)), x, name="shortcut_pick")
    more = width - g.shapes[x].width
    return g.add(Pad((0, 0), (0, 0), channels=(0, more)), x, name="shortcut_pad") if more else x


def finish(
    g: Inner,
    body: int,
    x: int,
    *,
    width: int,
    stride: int,
    activation: str | None,
    kind: Shortcut = "projection",
    kernel: int = 1,
) -> int:
    """Body plus shortcut, then the activation."""
    if kind != "none":
        body = g.add(DropPath(), body)
        other = padded_shortcut(g, x, width, stride) if kind == "pad" else shortcut(g, x, width, stride, kernel)
        body = g.add(Add(), body, other)
    return g.add(Activation(activation), body) if activation is not None else body


@primitive("residual_basic")
class BasicResidual(Primitive):
    """Two 3x3 convolutions and a shortcut (He et al., arXiv 1512.03385, figure 5 left).

    `se` is the reduction of squeeze-excite, whose hidden width is never below `se_least`; `shortcut` what is added
    where the shape changes, `none` for a block without one.
    """

    kernel: int = 3
    activation: str = "relu"
    se: int | None = None
    se_least: int = 1
    shortcut: Shortcut = "projection"

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        check_activation(self.activation)
        if self.se is not None:
            require_range(self.se, "se", 1, 4096)
        require_range(self.se_least, "se_least", 1, 4096)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        kernel, act = pair(self.kernel), Activation(self.activation)
        body = g.chain(inputs[0], Conv(width, kernel, pair(stride), same(kernel)), BatchNorm(), act)
        body = g.chain(body, Conv(width, kernel, (1, 1), same(kernel)), BatchNorm())
        if self.se is not None:
            body = squeeze_excite(g, body, max(self.se_least, width // self.se))
        return finish(g, body, inputs[0], width=width, stride=stride, activation=self.activation, kind=self.shortcut)


@primitive("bottleneck")
class Bottleneck(Primitive):
    """1x1, 3x3, 1x1 convolutions and a shortcut (He et al., arXiv 1512.03385, figure 5 right).

    The inner width is the stage's divided by `expansion`; `groups` and `base_width` make it ResNeXt's
    (arXiv 1611.05431) and `se`, the reduction of squeeze-excite, SE-ResNet's. The stride stands on the 3x3
    convolution (ResNet v1.5). The first convolution is `reduce_first` times narrower than the second and the shortcut's
    convolution has `shortcut_kernel`: 2 and 3 in SENet-154 (Hu et al., arXiv 1709.01507, appendix).
    """

    kernel: int = 3
    expansion: int = 4
    groups: int = 1
    base_width: int = 64
    activation: str = "relu"
    se: int | None = None
    reduce_first: int = 1
    shortcut_kernel: int = 1
    shortcut: Shortcut = "projection"

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.expansion, "expansion", 1, 64)
        require_range(self.reduce_first, "reduce_first", 1, 64)
        require_range(self.shortcut_kernel, "shortcut_kernel", 1, 99)
        require_range(self.groups, "groups", 1, 65536)
        require_range(self.base_width, "base_width", 1, 65536)
        check_activation(self.activation)
        if self.se is not None:
            require_range(self.se, "se", 1, 4096)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        kernel, act = pair(self.kernel), Activation(self.activation)
        inner = max(1, width // self.expansion) * self.base_width // 64 * self.groups or self.groups
        # Rounded up to what the groups divide.
        first = -(-inner // (self.groups * self.reduce_first)) * self.groups
        body = g.chain(inputs[0], Conv(first, (1, 1)), BatchNorm(), act)
        body = g.chain(body, Conv(inner, kernel, pair(stride), same(kernel), groups=self.groups), BatchNorm(), act)
        body = g.chain(body, Conv(width, (1, 1)), BatchNorm())
        if self.se is not None:
            body = squeeze_excite(g, body, max(1, width // self.se))
        return finish(
            g,
            body,
            inputs[0],
            width=width,
            stride=stride,
            activation=self.activation,
            kind=self.shortcut,
            kernel=self.shortcut_kernel,
        )


@primitive("squeeze_excite")
class SqueezeExcite(Primitive):
    """A 1x1 or larger convolution whose channels are scaled by squeeze-excite (Hu et al., arXiv 1709.01507).

    With `kernel` None it is the gate alone, at the width of the input; a stride or another width brings a 3x3
    convolution with it.
    """

    reduction: int = 16
    kernel: int | None = None
    gate: Literal["sigmoid", "hardsigmoid"] = "sigmoid"

    def check(self) -> None:
        require_range(self.reduction, "reduction", 1, 4096)
        if self.kernel is not None:
            require_range(self.kernel, "kernel", 1, 99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0]
        moved = stride != 1 or g.shapes[x].width != width
        kernel = 3 if self.kernel is None and moved else self.kernel
        if kernel is not None:
            x = g.chain(x, Conv(width, pair(kernel), pair(stride), same(pair(kernel))), BatchNorm(), Activation("relu"))
        return squeeze_excite(g, x, max(1, width // self.reduction), gate=self.gate)
