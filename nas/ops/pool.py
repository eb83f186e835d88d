"""Pooling."""

from __future__ import annotations

from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require, require_range
from nas.ops.code import Call, Expression, call, expression
from nas.ops.conv import _positions, sliding
from nas.ops.shapes import Map, Pair, Reach, Shape, Tokens, Vector, window


class _Pool(Leaf):
    """A sliding window; with `ceil` a last window may hang over the edge, as long as it starts inside."""

    kernel: Pair
    stride: Pair
    padding: Pair
    ceil: bool

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 2**12)
        require_range(self.stride, "stride", 1, 2**12)
        for k, p in zip(self.kernel, self.padding, strict=True):
            require(0 <= p <= k // 2, f"padding={p} of a pool of kernel {k}", f"0 to {k // 2}")

    def shape(self, x: Map) -> Map:
        expect(x, Map, self.name)
        if not self.ceil:
            return Map(x.width, *_positions(x, self.kernel, self.stride, self.padding, (1, 1), self.name))
        rows, columns = self._overhanging(x.rows, 0), self._overhanging(x.columns, 1)
        require(rows > 0 and columns > 0, f"{self.name} of kernel {self.kernel} does not fit a map {x}", "a smaller kernel")
        return Map(x.width, rows, columns)

    def _overhanging(self, size: int, axis: int) -> int:
        """Positions along an axis, the last one hanging over the edge where it starts inside."""
        kernel, stride, padding = self.kernel[axis], self.stride[axis], self.padding[axis]
        positions = window(size, kernel, stride, padding, padding + stride - 1)
        return positions - ((positions - 1) * stride >= size + padding)

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        return sliding(self.kernel, self.stride, self.padding)

    def describe(self) -> str:
        stride = f"/{self.stride[0]}" if self.stride != (1, 1) else ""
        return f"{self.name.replace('_', ' ')} {self.kernel[0]}x{self.kernel[1]}{stride}"


@leaf("max_pool")
class MaxPool(_Pool):
    """Maximum of each window."""

    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    ceil: bool = False

    def saved(self, x: Map) -> Saved:
        # Where each maximum stood, in numbers of 8 bytes.
        return Saved(extra=2 * self.shape(x).elements)

    def code(self, x: Map) -> Call:
        return call("nn.MaxPool2d", kernel_size=self.kernel, stride=self.stride, padding=self.padding, ceil_mode=self.ceil)


@leaf("avg_pool")
class AvgPool(_Pool):
    """Mean of each window; with `count_padding` the padding counts as zeros, else not at all."""

    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    ceil: bool = False
    count_padding: bool = False

    def code(self, x: Map) -> Call:
        return call(
            "nn.AvgPool2d",
            kernel_size=self.kernel,
            stride=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil,
            count_include_pad=self.count_padding,
        )


@leaf("adaptive_pool")
class AdaptivePool(Leaf):
    """Mean over a fixed number of rows x columns of windows, whatever the size of the map.

    Windows may differ in size by a pixel. With `equal` they do not: the stride is the map's size divided by the number
    of windows, and the kernel what is left for one (17 to 5 is 5x5 of stride 3). A map smaller than that has windows
    that differ all the same.
    """

    size: Pair
    equal: bool = False

    def check(self) -> None:
        require_range(self.size, "size", 1, 2**12)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "adaptive_pool")
        return Map(x.width, *self.size)

    def reach(self, x: Map) -> tuple[Reach, Reach] | None:
        # Where windows differ in size or distance: the largest, as far apart as they are at least.
        rows, columns = (_share(*axis) for axis in zip(x[1:], self.size, strict=True))
        return None if self.size == (1, 1) else (rows, columns)

    def code(self, x: Map) -> Call:
        if not self.equal or x.rows < self.size[0] or x.columns < self.size[1]:
            return call("nn.AdaptiveAvgPool2d", output_size=self.size)
        stride = (x.rows // self.size[0], x.columns // self.size[1])
        kernel = (x.rows - (self.size[0] - 1) * stride[0], x.columns - (self.size[1] - 1) * stride[1])
        return call("nn.AvgPool2d", kernel_size=kernel, stride=stride)

    def describe(self) -> str:
        return f"adaptive pool to {self.size[0]}x{self.size[1]}"


def _share(size: int, count: int) -> Reach:
    """What the windows read that share `size` pixels among `count` outputs."""
    widest = max(-(-(i + 1) * size // count) - i * size // count for i in range(count))
    return Reach(0, widest - 1, max(1, size // count))


@leaf("global_pool")
class GlobalPool(Leaf):
    """Mean over all pixels of a map or all tokens of a sequence: a vector."""

    def shape(self, x: Shape) -> Vector:
        expect(x, (Map, Tokens), "global_pool")
        return Vector(x.width)

    def saved(self, x: Shape) -> Saved:
        return NOTHING

    def code(self, x: Shape) -> Call:
        return call("Mean", axes=self._axes(x))

    def expression(self, x: Shape) -> Expression:
        return expression(f"{{0}}.mean({self._axes(x) if isinstance(x, Map) else 1})")

    @staticmethod
    def _axes(x: Shape) -> tuple[int, ...]:
        return (2, 3) if isinstance(x, Map) else (1,)

    def describe(self) -> str:
        return "global average pool"
