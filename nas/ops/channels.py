"""On the channels of a map or the features of tokens and vectors: a range of them, their order, their scale."""

from __future__ import annotations

import math

from nas.errors import ArchitectureError
from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require, require_range
from nas.ops.code import Call, Expression, call, expression
from nas.ops.shapes import Map, Shape, Tokens, Vector


def with_width(x: Shape, width: int) -> Shape:
    """The shape with another number of channels or features."""
    if isinstance(x, Map):
        return Map(width, x.rows, x.columns)
    return Tokens(x.length, width) if isinstance(x, Tokens) else Vector(width)


@leaf("channels")
class Channels(Leaf):
    """The `width` channels from number `start` on."""

    start: int
    width: int
    reshapes = True

    def check(self) -> None:
        require_range(self.start, "start", 0, 2**20)
        require_range(self.width, "width", 1, 2**20)

    def shape(self, x: Shape) -> Shape:
        require(
            self.start + self.width <= x.width,
            f"channels {self.start} to {self.start + self.width} of {x}",
            f"up to {x.width}",
        )
        return with_width(x, self.width)

    def code(self, x: Shape) -> Call:
        return call("ChannelsModule", axis=self._axis(x), start=self.start, width=self.width)

    def expression(self, x: Shape) -> Expression:
        return expression(f"{{0}}.narrow({self._axis(x)}, {{start}}, {{width}})", start=self.start, width=self.width)

    @staticmethod
    def _axis(x: Shape) -> int:
        return -1 if isinstance(x, Tokens) else 1


@leaf("shuffle")
class Shuffle(Leaf):
    """Channel shuffle: the first channel of each of `groups` groups, then the second of each, and so on.

    Zhang et al., arXiv 1707.01083, section 3.1.
    """

    groups: int = 2

    def check(self) -> None:
        require_range(self.groups, "groups", 1, 2**20)

    def shape(self, x: Map) -> Map:
        expect(x, Map, "shuffle")
        if x.width % self.groups:
            allowed = ", ".join([str(g) for g in range(1, math.isqrt(x.width) + 1) if x.width % g == 0])
            raise ArchitectureError(
                f"shuffle of groups={self.groups} does not divide width {x.width}; allowed: {allowed}"
            )
        return x

    def saved(self, x: Map) -> Saved:
        return NOTHING

    def code(self, x: Map) -> Call:
        return call("ShuffleModule", groups=self.groups)

    def expression(self, x: Map) -> Expression:
        return expression("F.channel_shuffle({0}, {groups})", groups=self.groups)


@leaf("scale")
class Scale(Leaf):
    """Everything times a constant."""

    factor: float
    overwrites = True

    def check(self) -> None:
        require_range(self.factor, "factor", -1e6, 1e6)

    def saved(self, x: Shape) -> Saved:
        return NOTHING

    def code(self, x: Shape) -> Call:
        return call("ScaleModule", factor=self.factor)

    def expression(self, x: Shape) -> Expression:
        return expression("{0} * {factor}", factor=self.factor)

    def describe(self) -> str:
        return f"times {self.factor:g}"


@leaf("layer_scale")
class LayerScale(Leaf):
    """Each channel or feature times a learned number, `initial` at first (arXiv 2103.17239, equation 3)."""

    initial: float = 1e-6
    overwrites = True

    def check(self) -> None:
        require_range(self.initial, "initial", -1e6, 1e6)

    def params(self, x: Shape) -> int:
        return x.width

    def code(self, x: Shape) -> Call:
        return call("LayerScaleModule", width=x.width, trailing=2 if isinstance(x, Map) else 0, initial=self.initial)

    def describe(self) -> str:
        return "layer scale"


@leaf("affine")
class Affine(Leaf):
    """Each channel or feature times a learned number and plus another, 1 and 0 at first (arXiv 2105.03404).

    What ResMLP has in the place of layer norm (equation 1): no statistics are taken.
    """

    def params(self, x: Shape) -> int:
        return 2 * x.width

    def code(self, x: Shape) -> Call:
        return call("AffineModule", width=x.width, trailing=2 if isinstance(x, Map) else 0)
