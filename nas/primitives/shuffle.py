"""Units of the ShuffleNets."""

from __future__ import annotations

import math

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, Add, AvgPool, BatchNorm, Channels, Concat, Conv, DropPath, Shuffle, pair
from nas.ops.base import require, require_range
from nas.primitives.basic import same
from nas.primitives.residual import shortcut


@primitive("shuffle_unit")
class ShuffleUnit(Primitive):
    """Grouped 1x1 convolution, channel shuffle, depthwise, grouped 1x1, and a shortcut.

    Zhang et al., arXiv 1707.01083. Where the shape stays input and body are added (figure 2b). Where the map shrinks or
    widens, the body makes only the channels that are new, in as many of the groups as divide them, and they are joined
    to the pooled input (figure 2c); where there are none the shortcut is a 1x1 convolution. The inner width is a
    quarter; `first_groups` are those of the first convolution if they are others (1 in the first unit of the paper's
    networks). The pool counts its padding, as in the released code.
    """

    groups: int = 1
    first_groups: int | None = None
    kernel: int = 3

    def check(self) -> None:
        require_range(self.groups, "groups", 1, 65536)
        require_range(self.kernel, "kernel", 1, 99)
        if self.first_groups is not None:
            require_range(self.first_groups, "first_groups", 1, 65536)

    @property
    def width_multiple(self) -> int:
        return 4 * self.groups if self.groups > 1 else 1

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, narrow = inputs[0], g.shapes[inputs[0]].width
        if stride == 1 and narrow == width:
            return g.add(Activation("relu"), g.add(Add(), g.add(DropPath(), self.body(g, x, width, width, 1)), x))
        if width <= narrow:
            body = g.add(DropPath(), self.body(g, x, width, width, stride))
            return g.add(Activation("relu"), g.add(Add(), body, shortcut(g, x, width, stride)))
        body = self.body(g, x, width, width - narrow, stride)
        pooled = g.add(AvgPool((3, 3), pair(stride), (1, 1), count_padding=True), x) if stride > 1 else x
        return g.add(Activation("relu"), g.add(Concat(), pooled, body))

    def body(self, g: Inner, x: int, width: int, made: int, stride: int) -> int:
        """The three convolutions, to `made` of the unit's `width` channels."""
        inner, kernel = max(1, width // 4), pair(self.kernel)
        first = self.groups if self.first_groups is None else self.first_groups
        x = g.chain(x, Conv(inner, (1, 1), groups=first), BatchNorm(), Activation("relu"))
        if self.groups > 1:
            x = g.add(Shuffle(self.groups), x)
        x = g.chain(x, Conv(inner, kernel, pair(stride), same(kernel), groups=inner), BatchNorm())
        return g.chain(x, Conv(made, (1, 1), groups=math.gcd(made, self.groups)), BatchNorm())


@primitive("shuffle_unit_v2")
class ShuffleUnitV2(Primitive):
    """Half of the channels pass, the others go through 1x1, depthwise and 1x1; then both are shuffled.

    Ma et al., arXiv 1807.11164, figure 3c. Where the shape changes both halves are made from all channels of the input,
    the first by a depthwise and a 1x1 convolution (figure 3d). An odd width cannot be shuffled and is not.
    """

    kernel: int = 3

    def check(self) -> None:
        require_range(self.kernel, "kernel", 1, 99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, narrow = inputs[0], g.shapes[inputs[0]].width
        require(width > 1, f"width={width} of a shuffle_unit_v2", "2 or more")
        half = width // 2
        if stride == 1 and narrow == width:
            left = g.add(Channels(0, half), x)
            x = g.add(Channels(half, width - half), x)
        else:
            left = g.chain(
                x, self.depthwise(narrow, stride), BatchNorm(), Conv(half, (1, 1)), BatchNorm(), Activation("relu")
            )
        right = g.chain(x, Conv(width - half, (1, 1)), BatchNorm(), Activation("relu"))
        right = g.chain(right, self.depthwise(width - half, stride), BatchNorm())
        right = g.chain(right, Conv(width - half, (1, 1)), BatchNorm(), Activation("relu"))
        x = g.add(Concat(), left, right)
        return g.add(Shuffle(2), x) if width % 2 == 0 else x

    def depthwise(self, width: int, stride: int) -> Conv:
        """The convolution of single channels."""
        return Conv(width, pair(self.kernel), pair(stride), same(pair(self.kernel)), groups=width)
