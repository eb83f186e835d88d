"""Channels moved by whole pixels, so that a linear map of each pixel sees its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require, require_range
from nas.ops.shapes import Map, Pair, Reach

if TYPE_CHECKING:
    from torch import nn


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

    def module(self, x: Map) -> nn.Module:
        from nas.ops.modules import ShiftModule

        return ShiftModule(self.groups(x.width), self.edge)

    def groups(self, width: int) -> tuple[tuple[slice, Pair], ...]:
        """Which of `width` channels move by which step."""
        count = len(self.steps)
        if self.turns:
            return tuple((slice(i, None, count), step) for i, step in enumerate(self.steps) if i < width)
        ends = [i * width // count for i in range(count + 1)]
        return tuple((slice(*ends[i : i + 2]), step) for i, step in enumerate(self.steps) if ends[i] < ends[i + 1])

    def describe(self) -> str:
        return f"shift of {len(self.steps)} groups"
