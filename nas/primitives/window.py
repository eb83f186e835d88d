"""Attention in windows and the merging of patches: Swin."""

from __future__ import annotations

from dataclasses import replace

from nas.arch import Inner, Primitive, primitive
from nas.ops import Conv, LayerNorm, Map, Pad, SpaceToDepth, WindowAttention
from nas.ops.base import require_range
from nas.primitives.basic import check_eps
from nas.primitives.shift import POINT, adapted, with_perceptron
from nas.primitives.transformer import heads_of


def filled(g: Inner, x: int, rows: int, columns: int) -> int:
    """The map with zeros behind it up to multiples of `rows` and `columns`."""
    shape = g.shapes[x]
    assert isinstance(shape, Map)
    more = (-shape.rows % rows, -shape.columns % columns)
    return g.add(Pad((0, more[0]), (0, more[1])), x) if any(more) else x


@primitive("window_transformer")
class WindowTransformer(Primitive):
    """Swin's block: norm, attention in windows, add; norm, MLP, add (Liu et al., arXiv 2103.14030, equation 3).

    In a `shifted` block the windows lie half a window further, unless one is as large as the map. The number of heads
    is the largest divisor of the width that leaves at least `head_width` features a head.
    """

    window: int = 7
    shifted: bool = False
    head_width: int = 32
    mlp_ratio: float = 4.0
    eps: float = 1e-5

    def check(self) -> None:
        require_range(self.window, "window", 1, 1024)
        require_range(self.head_width, "head_width", 1, 4096)
        require_range(self.mlp_ratio, "mlp_ratio", 0.01, 64)
        check_eps(self.eps)

    def magnified(self, factor: float) -> WindowTransformer:
        # As the paper does from 224 to 384 pixels, windows of 7 to 12 (section 4.1).
        return replace(self, window=max(1, round(self.window * factor)))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, size = adapted(g, inputs[0], width, stride), self.window
        shape = g.shapes[x]
        assert isinstance(shape, Map)
        padded = filled(g, g.add(LayerNorm(self.eps), x), size, size)
        whole = g.shapes[padded]
        assert isinstance(whole, Map)
        shift = [size // 2 if self.shifted and side > size else 0 for side in whole[1:]]
        attention = WindowAttention(heads_of(width, self.head_width), (size, size), (shift[0], shift[1]))
        y = g.chain(padded, Conv(3 * width, POINT, bias=True), attention, Conv(width, POINT, bias=True))
        if whole != shape:
            y = g.add(Pad((0, shape.rows - whole.rows), (0, shape.columns - whole.columns)), y)
        return with_perceptron(g, x, y, self.mlp_ratio, self.eps)


@primitive("merge_patches")
class PatchMerging(Primitive):
    """Windows as large as the stride put side by side, norm, linear (Liu et al., arXiv 2103.14030, section 3.1)."""

    eps: float = 1e-5

    def check(self) -> None:
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = filled(g, inputs[0], stride, stride)
        x = g.add(SpaceToDepth(stride), x) if stride > 1 else x
        return g.chain(x, LayerNorm(self.eps), Conv(width, POINT))
