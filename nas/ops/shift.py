"""Channels moved by whole pixels, so that a linear map of each pixel sees its neighbours."""

from __future__ import annotations

from typing import Literal

from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require, require_range
from nas.ops.code import Call, call
from nas.ops.shapes import Map, Pair, Reach


@leaf("shift")
class Shift(Leaf):
    """Group i of the channels moves by `steps[i]` (rows, columns); free of parameters.

    Groups lie side by side and are as good as equal (Yu et al., arXiv 2106.07477, equation 5); with `turns` channel i
    belongs to group i modulo their number (Chen et al., arXiv 2107.10224, equation 4). Behind what moves come zeros, or
    with the `edge` kept the pixels of the edge once more.
    """

    steps: tuple[Pair, ...]
    turns: bool = False
    edge: Literal["zero", "keep"] = "zero"

    def check(self) -> None:
        require(len(self.steps) > 0, "steps is empty", "one step or more")
        require_range(self.steps, "steps", -64, 64)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "shift")
        return x

    def reach(self, x: Map) -> tuple[Reach, Reach]:
        rows, columns = (Reach(-max(moves), -min(moves), 1) for moves in zip(*self.steps, strict=True))
        return rows, columns

    def saved(self, x: Map) -> Saved:
        return Saved() if self.edge == "keep" else NOTHING

    def code(self, x: Map) -> Call:
        return call("ShiftModule", width=x.width, steps=self.steps, turns=self.turns, edge=self.edge)

    def describe(self) -> str:
        return f"shift of {len(self.steps)} groups"
