"""Inverted residuals of MobileNet-v2 and its successors."""

from __future__ import annotations

from typing import Literal

from nas.arch import Inner, Primitive, preset, primitive
from nas.ops import Activation, Add, BatchNorm, Conv, DropPath, pair, rounded
from nas.ops.base import require_range
from nas.primitives.basic import check_activation, check_eps, same
from nas.primitives.residual import squeeze_excite


@primitive("inverted_residual")
class InvertedResidual(Primitive):
    """Expand by a 1x1 convolution, depthwise convolution, project by a linear 1x1 (Sandler et al., arXiv 1801.04381).

    The input is added where the shape stays. An `expansion` of 1 leaves the first convolution out; one that is not
    whole is rounded to a multiple of 8 channels. `se` is the ratio of the squeeze-excite width to the block's *input*
    width, as in EfficientNet (arXiv 1905.11946), or to the `expanded` width, rounded to a multiple of 8, as in
    MobileNet-v3 (arXiv 1905.02244, section 5.3); 0 is none. Its inner activation is the block's unless
    `se_activation` is given.
    """

    expansion: int | float = 6
    kernel: int = 3
    activation: str = "relu6"
    se: float = 0.0
    eps: float = 1e-5
    momentum: float = 0.1
    se_of: Literal["input", "expanded"] = "input"
    se_activation: str | None = None
    gate: Literal["sigmoid", "hardsigmoid"] = "sigmoid"

    def check(self) -> None:
        require_range(self.expansion, "expansion", 1.0, 64.0)
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.se, "se", 0.0, 8.0)
        check_activation(self.activation)
        check_activation(self.se_activation)
        check_eps(self.eps)
        require_range(self.momentum, "momentum", 0.0, 1.0)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, kernel, act, norm = (
            inputs[0],
            pair(self.kernel),
            Activation(self.activation),
            BatchNorm(self.eps, self.momentum),
        )
        narrow = g.shapes[x].width
        wide = self.expanded(narrow)
        if self.expansion != 1:
            x = g.chain(x, Conv(wide, (1, 1)), norm, act)
        x = g.chain(x, Conv(wide, kernel, pair(stride), same(kernel), groups=wide), norm, act)
        if self.se:
            hidden = max(1, int(narrow * self.se)) if self.se_of == "input" else rounded(wide * self.se)
            x = squeeze_excite(g, x, hidden, self.se_activation or self.activation, self.gate)
        x = g.chain(x, Conv(width, (1, 1)), norm)
        return g.add(Add(), g.add(DropPath(), x), inputs[0]) if stride == 1 and narrow == width else x

    def expanded(self, narrow: int) -> int:
        """Width between the first and the last convolution."""
        wide = narrow * self.expansion
        return int(wide) if float(self.expansion).is_integer() else rounded(wide)


for _expansion in (3, 6):
    for _size in (3, 5):
        preset(f"mbconv{_expansion}_{_size}x{_size}", InvertedResidual(_expansion, _size))
