"""Nothing at all, in the shape of something."""

from __future__ import annotations

from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require_range
from nas.ops.code import Call, call
from nas.ops.shapes import Map, Reach


@leaf("zero")
class Zero(Leaf):
    """Zeros of `width` channels and ceil(size / stride) rows and columns, whatever the input holds."""

    width: int
    stride: int = 1

    def check(self) -> None:
        require_range(self.width, "width", 1, 2**20)
        require_range(self.stride, "stride", 1, 2**12)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "zero")
        return Map(self.width, -(-x.rows // self.stride), -(-x.columns // self.stride))

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        return Reach(0, 0, self.stride), Reach(0, 0, self.stride)

    def saved(self, x: Map) -> Saved:
        return NOTHING

    def code(self, x: Map) -> Call:
        return call("ZeroModule", width=self.width, stride=self.stride)

    def describe(self) -> str:
        return f"zeros/{self.stride}" if self.stride != 1 else "zeros"
