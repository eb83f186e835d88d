"""SqueezeNet's fire module."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import Concat
from nas.ops.base import require, require_range
from nas.primitives.basic import ConvNormAct


@primitive("fire")
class Fire(Primitive):
    """Squeeze by a 1x1 convolution, expand by a 1x1 and a 3x3 side by side, half of the width each.

    Iandola et al., arXiv 1602.07360, section 3.2; `squeeze` is the ratio of the first convolution's width to the
    module's, SR = 0.125 in section 3.3. No norm unless asked.
    """

    squeeze: float = 0.125
    kernel: int = 3
    norm: bool = False

    def check(self) -> None:
        require_range(self.squeeze, "squeeze", 0.0, 64.0)
        require_range(self.kernel, "kernel", 1, 99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        require(width > 1, f"width={width} of a fire module", "2 or more")
        small, large = ConvNormAct(1, norm=self.norm), ConvNormAct(self.kernel, norm=self.norm)
        x = g.apply(small, inputs[0], width=max(1, round(width * self.squeeze)), name="squeeze")
        left = g.apply(small, x, width=width // 2, stride=stride, name="expand")
        right = g.apply(large, x, width=width - width // 2, stride=stride, name="expand")
        return g.add(Concat(), left, right)
