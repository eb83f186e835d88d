"""MLPs over maps whose channels are moved between linear maps: S2-MLP and CycleMLP."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import Activation, Add, Blend, Conv, DropPath, GlobalPool, LayerNorm, Linear, Pair, Shift
from nas.ops.base import require_range
from nas.primitives.basic import FactorizedReduction, check_eps

# A quarter of the channels to the right, to the left, down, up (arXiv 2106.07477, equation 5).
FOUR_WAYS: tuple[Pair, ...] = ((0, 1), (0, -1), (1, 0), (-1, 0))
POINT = (1, 1)


def perceptron(g: Inner, x: int, hidden: int, width: int) -> int:
    """Two linear maps of each pixel with GELU between."""
    return g.chain(x, Conv(hidden, POINT, bias=True), Activation("gelu"), Conv(width, POINT, bias=True))


def adapted(g: Inner, x: int, width: int, stride: int) -> int:
    """The map at another width and size where these are wanted; neither paper's network asks that of its blocks."""
    if stride == 1 and g.shapes[x].width == width:
        return x
    return g.apply(FactorizedReduction(), x, width=width, stride=stride)


def with_perceptron(g: Inner, x: int, mixed: int, ratio: float, eps: float) -> int:
    """Input plus what was mixed over pixels; norm, an MLP of each pixel `ratio` times as wide, added."""
    width = g.shapes[x].width
    x = g.add(Add(), g.add(DropPath(), mixed), x)
    body = perceptron(g, g.add(LayerNorm(eps), x), max(1, int(width * ratio)), width)
    return g.add(Add(), g.add(DropPath(), body), x)


@primitive("spatial_shift")
class SpatialShift(Primitive):
    """S2-MLP's block: norm, linear, GELU, spatial shift, linear, shortcut; then an MLP with norm and shortcut.

    Yu et al., arXiv 2106.07477, figure 1 and section 3.2. `ratio` is the hidden width of the MLP to that of the block.
    """

    ratio: float = 4.0
    eps: float = 1e-6

    def check(self) -> None:
        require_range(self.ratio, "ratio", 0.01, 64)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = adapted(g, inputs[0], width, stride)
        linear = Conv(width, POINT, bias=True)
        mixed = g.chain(x, LayerNorm(self.eps), linear, Activation("gelu"), Shift(FOUR_WAYS, edge="keep"), linear)
        return with_perceptron(g, x, mixed, self.ratio, self.eps)


@primitive("cycle_mlp")
class CycleMLP(Primitive):
    """CycleMLP's block: three linear maps of each pixel, two of them of neighbours along an axis, blended; an MLP.

    Chen et al., arXiv 2107.10224, equation 4 (and released code): channel i is taken from pixel i modulo `reach` of
    those around its own, along rows for one map and along columns for the other. How much each of the three counts is
    worked out for each channel from their mean. `ratio` is the hidden width of the MLP to that of the block.
    """

    ratio: float = 4.0
    reach: int = 3
    eps: float = 1e-5

    def check(self) -> None:
        require_range(self.ratio, "ratio", 0.01, 64)
        require_range(self.reach, "reach", 1, 63)
        check_eps(self.eps)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = adapted(g, inputs[0], width, stride)
        normed = g.add(LayerNorm(self.eps), x)
        alone = g.add(Conv(width, POINT), normed)
        along = [g.chain(normed, Shift(steps, turns=True), Conv(width, POINT, bias=True)) for steps in self.steps()]
        pooled = g.add(GlobalPool(), g.add(Add(), *along, alone))
        scores = g.chain(pooled, Linear(max(1, width // 4)), Activation("gelu"), Linear(3 * width))
        mixed = g.add(Conv(width, POINT, bias=True), g.add(Blend(), *along, alone, scores))
        return with_perceptron(g, x, mixed, self.ratio, self.eps)

    def steps(self) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
        """By how much the channels move along columns, and along rows: the first of them not at all."""
        half = self.reach // 2
        far = [half - (i + half) % self.reach for i in range(self.reach)]
        return tuple((0, step) for step in far), tuple((step, 0) for step in far)
