"""Convolution and padding."""

from __future__ import annotations

import math

from nas.errors import ArchitectureError
from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require_range
from nas.ops.code import Call, Expression, call, expression
from nas.ops.shapes import Map, Pair, Reach, window


def _positions(x: Map, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, who: str) -> Pair:
    rows = window(x.rows, kernel[0], stride[0], padding[0], padding[0], dilation[0])
    columns = window(x.columns, kernel[1], stride[1], padding[1], padding[1], dilation[1])
    if rows < 1 or columns < 1:
        what = f"{who} of kernel {kernel[0]}x{kernel[1]}, padding {padding} does not fit a map {x}"
        raise ArchitectureError(f"{what}; allowed: a smaller kernel, more padding")
    return rows, columns


def sliding(kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)) -> tuple[Reach, Reach]:
    """What a sliding window reads along rows and columns."""
    rows, columns = (
        Reach(-p, d * (k - 1) - p, s) for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True)
    )
    return rows, columns


@leaf("conv")
class Conv(Leaf):
    """2-d convolution to `width` channels; kernel, stride, padding and dilation are (rows, columns)."""

    width: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = False

    def check(self) -> None:
        require_range(self.width, "width", 1, 2**20)
        require_range(self.kernel, "kernel", 1, 2**12)
        require_range(self.stride, "stride", 1, 2**12)
        require_range(self.padding, "padding", 0, 2**12)
        require_range(self.dilation, "dilation", 1, 2**12)
        require_range(self.groups, "groups", 1, 2**20)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "conv")
        if x.width % self.groups or self.width % self.groups:
            common = math.gcd(x.width, self.width)
            allowed = ", ".join([str(g) for g in range(1, common + 1) if common % g == 0][:12])
            raise ArchitectureError(f"groups={self.groups} does not divide width {x.width} to {self.width}; allowed: {allowed}")
        return Map(self.width, *_positions(x, self.kernel, self.stride, self.padding, self.dilation, "conv"))

    def params(self, x: Map) -> int:
        return self.width * (x.width // self.groups) * self.kernel[0] * self.kernel[1] + self.width * self.bias

    def biases(self, x: Map) -> int:
        return self.width * self.bias

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        return sliding(self.kernel, self.stride, self.padding, self.dilation)

    def macs(self, x: Map) -> int:
        out = self.shape(x)
        return out.elements * (x.width // self.groups) * self.kernel[0] * self.kernel[1]

    def code(self, x: Map) -> Call:
        return call(
            "nn.Conv2d",
            in_channels=x.width,
            out_channels=self.width,
            kernel_size=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
        )

    def describe(self) -> str:
        kind = "depthwise" if self.groups == self.width and self.groups > 1 else "conv"
        parts = [f"{kind} {self.kernel[0]}x{self.kernel[1]}"]
        if self.stride != (1, 1):
            parts.append(f"/{self.stride[0]}" if self.stride[0] == self.stride[1] else f"/{self.stride}")
        if self.dilation != (1, 1):
            parts.append(f" dilation {self.dilation[0]}")
        if self.groups > 1 and kind == "conv":
            parts.append(f" groups {self.groups}")
        return "".join(parts)


@leaf("pad")
class Pad(Leaf):
    """Constant padding by (before, after) rows, columns and channels; negative numbers cut away."""

    rows: Pair
    columns: Pair
    value: float = 0.0
    channels: Pair = (0, 0)

    def check(self) -> None:
        require_range((*self.rows, *self.columns), "pad", -(2**12), 2**12)
        require_range(self.channels, "pad", -(2**20), 2**20)
        require_range(self.value, "value", -1e30, 1e30)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "pad")
        out = Map(x.width + sum(self.channels), x.rows + sum(self.rows), x.columns + sum(self.columns))
        if min(out) < 1:
            by = f"rows {self.rows}, columns {self.columns}, channels {self.channels}"
            raise ArchitectureError(f"pad by {by} leaves nothing of a map {x}")
        return out

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        return Reach(-self.rows[0], -self.rows[0], 1), Reach(-self.columns[0], -self.columns[0], 1)

    def saved(self, x: Map) -> Saved:
        return NOTHING

    def code(self, x: Map) -> Call:
        kind = "nn.ConstantPad2d" if self.channels == (0, 0) else "nn.ConstantPad3d"
        return call(kind, padding=self._amounts, value=self.value)

    def expression(self, x: Map) -> Expression:
        if self.value == 0.0:
            return expression("F.pad({0}, {padding})", padding=self._amounts)
        return expression("F.pad({0}, {padding}, value={value})", padding=self._amounts, value=self.value)

    @property
    def _amounts(self) -> tuple[int, ...]:
        """In torch's order: from the last axis to the first."""
        return (*self.columns, *self.rows, *(self.channels if self.channels != (0, 0) else ()))
