"""RegNet's block."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, BatchNorm, Conv, pair
from nas.ops.base import require_range
from nas.primitives.basic import same
from nas.primitives.residual import finish, squeeze_excite


@primitive("regnet_block")
class RegNetBlock(Primitive):
    """1x1, grouped 3x3 and 1x1 convolutions, all of one width, and a shortcut (Radosavovic et al., arXiv 2003.13678).

    The X block of section 3.2, figure 4; the Y block has squeeze-excite after the 3x3 convolution, `se` the ratio of
    its width to that of the block's *input* (section 5). Groups have `group_width` channels; without it there is one.
    """

    group_width: int | None = None
    se: float = 0.0
    kernel: int = 3

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.se, "se", 0.0, 8.0)
        if self.group_width is not None:
            require_range(self.group_width, "group_width", 1, 65536)

    @property
    def width_multiple(self) -> int:
        return self.group_width or 1

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, kernel, act = inputs[0], pair(self.kernel), Activation("relu")
        groups = 1 if self.group_width is None else max(1, width // self.group_width)
        body = g.chain(x, Conv(width, (1, 1)), BatchNorm(), act)
        body = g.chain(body, Conv(width, kernel, pair(stride), same(kernel), groups=groups), BatchNorm(), act)
        if self.se:
            body = squeeze_excite(g, body, max(1, round(g.shapes[x].width * self.se)))
        body = g.chain(body, Conv(width, (1, 1)), BatchNorm())
        return finish(g, body, x, width=width, stride=stride, activation="relu")
