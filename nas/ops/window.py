"""A map cut into windows: attention within each of them, or their pixels side by side."""

from __future__ import annotations

from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require, require_range
from nas.ops.code import Call, call
from nas.ops.conv import sliding
from nas.ops.shapes import Map, Pair, Reach


@leaf("window_attention")
class WindowAttention(Leaf):
    """Attention of `heads` heads among the pixels of each window (Liu et al., arXiv 2103.14030, equation 4).

    Reads a map of queries, keys and values side by side: 3 * width channels to width. For each head and each way from a
    pixel to another one within a window a number is learned that is added to their score. The windows lie `shift` rows
    and columns further than the map begins; what stands over one edge is taken from the other, but sees its like alone.
    """

    heads: int
    window: Pair = (7, 7)
    shift: Pair = (0, 0)
    unsigned = ("shift",)

    def check(self) -> None:
        require_range(self.heads, "heads", 1, 2**12)
        require_range(self.window, "window", 1, 2**10)
        for size, shift in zip(self.window, self.shift, strict=True):
            require(0 <= shift < size, f"shift={shift} of windows of {size}", f"0 to {size - 1}")

    def shape(self, x: Map) -> Map:
        expect(x, Map, "window_attention")
        width, (rows, columns) = x.width // 3, self.window
        require(x.width % 3 == 0, f"window_attention over a map {x}", "a width of queries, keys and values side by side")
        require(width % self.heads == 0, f"heads={self.heads} of width {width}", "a number that divides it")
        fits = x.rows % rows == 0 and x.columns % columns == 0
        require(fits, f"windows of {rows}x{columns} on a map {x}", "windows that divide it")
        return Map(width, x.rows, x.columns)

    def params(self, x: Map) -> int:
        return (2 * self.window[0] - 1) * (2 * self.window[1] - 1) * self.heads

    def macs(self, x: Map) -> int:
        return 2 * x.rows * x.columns * self.window[0] * self.window[1] * (x.width // 3)

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        # As wide as a window; where in it a pixel lies differs.
        return sliding(self.window, (1, 1), (0, 0))

    def saved(self, x: Map) -> Saved:
        # Queries and keys scaled, the values (where there are several windows in one memory with what was not scaled), and all
        # scores, as the numbers that are added to them are learned.
        parts = 3 if (x.rows, x.columns) == self.window else 5
        scores = self.heads * x.rows * x.columns * self.window[0] * self.window[1]
        return Saved((), extra=parts * x.elements // 3 + scores)

    def code(self, x: Map) -> Call:
        return call("WindowAttentionModule", heads=self.heads, window=self.window, shift=self.shift)

    def describe(self) -> str:
        return f"attention in {self.window[0]}x{self.window[1]}, {self.heads} head{'s' if self.heads > 1 else ''}"


@leaf("space_to_depth")
class SpaceToDepth(Leaf):
    """Windows of `size` x `size` pixels become one: all channels of the first, then of the one below it, by columns."""

    size: int = 2

    def check(self) -> None:
        require_range(self.size, "size", 1, 2**10)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "space_to_depth")
        fits = x.rows % self.size == 0 and x.columns % self.size == 0
        require(fits, f"space_to_depth of size={self.size} on a map {x}", "a size that divides it")
        return Map(x.width * self.size**2, x.rows // self.size, x.columns // self.size)

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        return sliding((self.size, self.size), (self.size, self.size), (0, 0))

    def saved(self, x: Map) -> Saved:
        return NOTHING

    def code(self, x: Map) -> Call:
        return call("SpaceToDepthModule", size=self.size)
