"""ConvNeXt's block."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, Add, Conv, DropPath, LayerNorm, LayerScale, pair
from nas.ops.base import require_range
from nas.primitives.basic import check_activation, same
from nas.primitives.residual import shortcut


@primitive("convnext")
class ConvNeXtBlock(Primitive):
    """Depthwise 7x7, layer norm, 1x1 to `expansion` times the width, GELU, 1x1 back, layer scale, added to the input.

    Liu et al., arXiv 2201.03545, figure 4; `scale` is what the layer scale is at first. As a block of another width or
    stride the depthwise convolution has the stride, and the shortcut is a 1x1 convolution.
    """

    kernel: int = 7
    expansion: float = 4.0
    activation: str = "gelu"
    scale: float = 1e-6

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)
        require_range(self.expansion, "expansion", 0.125, 64.0)
        require_range(self.scale, "scale", -1e6, 1e6)
        check_activation(self.activation)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, narrow, kernel = inputs[0], g.shapes[inputs[0]].width, pair(self.kernel)
        body = g.chain(x, Conv(narrow, kernel, pair(stride), same(kernel), groups=narrow, bias=True), LayerNorm())
        body = g.chain(body, Conv(max(1, int(width * self.expansion)), (1, 1), bias=True), Activation(self.activation))
        body = g.chain(body, Conv(width, (1, 1), bias=True), LayerScale(self.scale))
        return g.add(Add(), g.add(DropPath(), body), shortcut(g, x, width, stride))
