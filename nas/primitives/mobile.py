"""Inverted residuals of MobileNet-v2 and its successors."""

from __future__ import annotations

from nas.arch import Inner, Primitive, preset, primitive
from nas.ops import Activation, Add, BatchNorm, Conv, DropPath, pair
from nas.ops.base import require_range
from nas.primitives.basic import check_activation, check_eps, same
from nas.primitives.residual import squeeze_excite


@primitive("inverted_residual")
class InvertedResidual(Primitive):
    """Expand by a 1x1 convolution, depthwise convolution, project by a linear 1x1 (Sandler et al., arXiv 1801.04381).

    The input is added where the shape stays. An `expansion` of 1 leaves the first convolution out. `se` is the ratio
    of the squeeze-excite width to the block's *input* width, as in EfficientNet (arXiv 1905.11946); 0 is none.
    """

    expansion: int = 6
    kernel: int = 3
    activation: str = "relu6"
    se: float = 0.0
    eps: float = 1e-5

    def check(self) -> None:
        require_range(self.expansion, "expansion", 1, 64)
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.se, "se", 0.0, 8.0)
        check_activation(self.activation)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, kernel, act = inputs[0], pair(self.kernel), Activation(self.activation)
        narrow = g.shapes[x].width
        wide = narrow * self.expansion
        if self.expansion != 1:
            x = g.chain(x, Conv(wide, (1, 1)), BatchNorm(self.eps), act)
        x = g.chain(x, Conv(wide, kernel, pair(stride), same(kernel), groups=wide), BatchNorm(self.eps), act)
        if self.se:
            x = squeeze_excite(g, x, max(1, int(narrow * self.se)), activation=self.activation)
        x = g.chain(x, Conv(width, (1, 1)), BatchNorm(self.eps))
        return g.add(Add(), g.add(DropPath(), x), inputs[0]) if stride == 1 and narrow == width else x


for _expansion in (3, 6):
    for _size in (3, 5):
        preset(f"mbconv{_expansion}_{_size}x{_size}", InvertedResidual(_expansion, _size))
