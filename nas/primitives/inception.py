"""Inception modules."""

from __future__ import annotations

from dataclasses import replace

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, BatchNorm, Concat, Conv, MaxPool, pair
from nas.ops.base import require
from nas.primitives.basic import check_eps, same


@primitive("inception")
class Inception(Primitive):
    """Four branches side by side: 1x1; 1x1 then 3x3; 1x1 then 5x5; max pool then 1x1 (arXiv 1409.4842, figure 2b).

    `widths` are 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection (table 1); without them the branches share the
    stage's width 2:4:1:1 as in the middle of GoogLeNet, the reductions half of their branch. `third` is the kernel of the
    third branch: torchvision's GoogLeNet, whose parameter count is the published one, has 3 there where the paper has 5.
    """

    widths: tuple[int, ...] | None = None
    third: int = 5
    eps: float = 1e-5

    def check(self) -> None:
        if self.widths is not None:
            fits = len(self.widths) == 6 and all(isinstance(w, int) and 0 < w < 65536 for w in self.widths)
            require(fits, f"widths={list(self.widths)}", "six whole numbers from 1 to 65535")
        require(self.third in (3, 5, 7), f"third={self.third}", "3, 5, 7")
        check_eps(self.eps)

    def own_width(self, width_in: int | None) -> int | None:
        return None if self.widths is None else self.widths[0] + self.widths[2] + self.widths[4] + self.widths[5]

    def settle(self, width: int | None, inputs: tuple[object, ...]) -> int:
        own = self.own_width(None)
        if self.widths is None or own is None:
            return super().settle(width, inputs)  # type: ignore[arg-type]
        require(width in (None, own), f"width={width} of an inception with widths {list(self.widths)}", f"{own} or none")
        return own

    def resized(self, width: float, depth: float) -> Inception:
        if self.widths is None:
            return self
        return replace(self, widths=tuple(max(1, round(w * width)) for w in self.widths))

    def branches(self, width: int) -> tuple[int, ...]:
        """The six widths that add up to `width`."""
        if self.widths is not None:
            return self.widths
        require(width >= 4, f"width={width} of an inception", "4 or more")
        fifth = pool = max(1, width // 8)
        first = max(1, width // 4)
        third = width - first - fifth - pool
        return (first, max(1, third // 2), third, max(1, fifth // 2), fifth, pool)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, step = inputs[0], pair(stride)
        one, reduce3, three, reduce5, five, project = self.branches(width)

        def conv(source: int, wide: int, kernel: int, step: tuple[int, int] = (1, 1)) -> int:
            window = pair(kernel)
            return g.chain(source, Conv(wide, window, step, same(window)), BatchNorm(self.eps), Activation("relu"))

        first = conv(x, one, 1, step)
        second = conv(conv(x, reduce3, 1), three, 3, step)
        third = conv(conv(x, reduce5, 1), five, self.third, step)
        pooled = conv(g.add(MaxPool((3, 3), step, (1, 1), ceil=stride == 1), x), project, 1)
        return g.add(Concat(), first, second, third, pooled)
