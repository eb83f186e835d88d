"""Separable, factorised and dilated convolutions: the operations of NASNet, AmoebaNet and MobileNet-v1."""

from __future__ import annotations

from typing import Literal

from nas.arch import Inner, Primitive, preset, primitive
from nas.ops import Activation, BatchNorm, Conv, Pair, pair
from nas.ops.base import require_range
from nas.primitives.basic import check_activation, check_eps, placed_padding, same


@primitive("sep_conv")
class SeparableConv(Primitive):
    """Depthwise separable convolution, `times` over: ReLU, depthwise, pointwise, batch norm (arXiv 1707.07012, A.4).

    The first of them takes the stride and goes to the new width.
    """

    kernel: int = 3
    dilation: int = 1
    times: int = 2
    eps: float = 1e-5
    padding: Literal["same"] | None = None

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.dilation, "dilation", 1, 64)
        require_range(self.times, "times", 1, 16)
        check_eps(self.eps)

    @property
    def operations(self) -> int:
        return self.times

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, kernel = inputs[0], pair(self.kernel)
        dilation = pair(self.dilation)
        for step in [stride] + [1] * (self.times - 1):
            wide = g.shapes[x].width
            before, padding = placed_padding(g.shapes[x], kernel, pair(step), self.padding, self.dilation)
            depthwise = Conv(wide, kernel, pair(step), padding, dilation, groups=wide)
            x = g.chain(x, Activation("relu"), *before, depthwise, Conv(width, (1, 1)), BatchNorm(self.eps))
        return x


@primitive("factorized_conv")
class FactorizedConv(Primitive):
    """A 1xn then an nx1 convolution: ReLU, 1xn, batch norm, ReLU, nx1, batch norm (arXiv 1707.07012, section 3)."""

    kernel: int = 7
    eps: float = 1e-5
    padding: Literal["same"] | None = None

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0]
        # Each of the two takes the stride of its own axis.
        sides: tuple[tuple[Pair, Pair], ...] = (((1, self.kernel), (1, stride)), ((self.kernel, 1), (stride, 1)))
        for kernel, step in sides:
            before, padding = placed_padding(g.shapes[x], kernel, step, self.padding)
            x = g.chain(x, Activation("relu"), *before, Conv(width, kernel, step, padding), BatchNorm(self.eps))
        return x


@primitive("depthwise_separable")
class DepthwiseSeparable(Primitive):
    """MobileNet-v1's block: depthwise, norm, activation, pointwise, norm, activation (arXiv 1704.04861, figure 3)."""

    kernel: int = 3
    activation: str = "relu"

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        check_activation(self.activation)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        wide, kernel = g.shapes[inputs[0]].width, pair(self.kernel)
        depthwise = Conv(wide, kernel, pair(stride), same(kernel), groups=wide)
        act = Activation(self.activation)
        return g.chain(inputs[0], depthwise, BatchNorm(), act, Conv(width, (1, 1)), BatchNorm(), act)


for _size in (3, 5, 7):
    preset(f"sep_conv_{_size}x{_size}", SeparableConv(kernel=_size))
for _size in (3, 5):
    # DARTS' dilated convolution (arXiv 1806.09055, section 3.1): one depthwise separable convolution.
    preset(f"dil_conv_{_size}x{_size}", SeparableConv(kernel=_size, dilation=2, times=1))
for _size in (3, 7):
    preset(f"conv_1x{_size}_{_size}x1", FactorizedConv(kernel=_size))
