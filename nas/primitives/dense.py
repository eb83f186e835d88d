"""Dense connections."""

from __future__ import annotations

from dataclasses import replace

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, AvgPool, BatchNorm, Concat, Conv, Map, frozen
from nas.ops.base import require_range


@primitive("dense_layers")
class DenseLayers(Primitive):
    """`layers` layers, each of which reads all before it: norm, ReLU, 1x1 to `bottleneck` * growth, norm, ReLU, 3x3 to growth.

    Huang et al., arXiv 1608.06993, section 3. The output is the input and all `growth`-wide outputs side by side; a
    `bottleneck` of 0 leaves the 1x1 convolution out.
    """

    layers: int
    growth: int = 32
    bottleneck: int = 4
    strided = False

    def check(self) -> None:
        require_range(self.layers, "layers", 1, 512)
        require_range(self.growth, "growth", 1, 4096)
        require_range(self.bottleneck, "bottleneck", 0, 64)

    @property
    def operations(self) -> int:
        # Each layer sees another width, so that none is worked out once for all.
        return 3 * self.layers

    def resized(self, width: float, depth: float) -> DenseLayers:
        return replace(self, layers=max(1, round(self.layers * depth)), growth=max(1, round(self.growth * width)))

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x, layer = inputs[0], DenseLayer(self.growth, self.bottleneck)
        for number in range(self.layers):
            x = g.apply(layer, x, name=str(number))
        return x


@frozen
class DenseLayer(Primitive):
    """One layer joined to its input; see `DenseLayers`."""

    growth: int
    bottleneck: int
    name = "dense_layer"
    strided = False

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        new = x = inputs[0]
        if self.bottleneck:
            new = g.chain(new, BatchNorm(), Activation("relu"), Conv(self.bottleneck * self.growth, (1, 1)))
        new = g.chain(new, BatchNorm(), Activation("relu"), Conv(self.growth, (3, 3), padding=(1, 1)))
        return g.add(Concat(), x, new)


@primitive("dense_transition")
class DenseTransition(Primitive):
    """Norm, ReLU, 1x1 convolution to half the width (or to the stage's), average pool of the stride (section 3).

    With `ceil` the last window may hang over the edge, so that an odd map is halved as operations of a cell halve it; a
    map smaller than the window is pooled whole in either case.
    """

    ceil: bool = False

    def settle(self, width: int | None, inputs: tuple[object, ...]) -> int:
        return super().settle(width, inputs) if width is not None else max(1, inputs[-1].width // 2)  # type: ignore[arg-type, attr-defined]

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = g.chain(inputs[0], BatchNorm(), Activation("relu"), Conv(width, (1, 1)))
        if stride == 1:
            return x
        shape = g.shapes[x]
        assert isinstance(shape, Map)
        return g.add(AvgPool((stride, stride), (stride, stride), ceil=self.ceil or min(shape[1:]) < stride), x)


@primitive("dense")
class DenseBlock(Primitive):
    """Dense connections as a cell operation at any width and stride: dense layers, then a transition to the width.

    The growth is the width divided by the number of layers, so that the layers write about as much as they read.
    """

    layers: int = 2
    bottleneck: int = 4

    def check(self) -> None:
        require_range(self.layers, "layers", 1, 64)
        require_range(self.bottleneck, "bottleneck", 0, 64)

    @property
    def operations(self) -> int:
        return 3 * self.layers

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = g.apply(DenseLayers(self.layers, max(1, width // self.layers), self.bottleneck), inputs[0])
        return g.apply(DenseTransition(ceil=True), x, width=width, stride=stride)
