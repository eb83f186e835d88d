"""Vision transformer and MLP-Mixer: patches, tokens, positions, attention, mixing."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

from nas.arch import Inner, Primitive, primitive
from nas.ops import (
    Activation,
    Add,
    Affine,
    Attention,
    Channels,
    ClassToken,
    Conv,
    Dropout,
    DropPath,
    LayerNorm,
    LayerScale,
    Leaf,
    Linear,
    Map,
    Multiply,
    PickToken,
    Positions,
    Tokens,
    ToMap,
    ToTokens,
    Transpose,
    pair,
)
from nas.ops.base import require, require_range
from nas.primitives.basic import FactorizedReduction


@primitive("patches")
class Patches(Primitive):
    """The image cut into patches, each embedded as a token: a convolution whose kernel and stride are the patch size.

    Dosovitskiy et al., arXiv 2010.11929, equation 1; with `class_token` and `positions` as there. Where they are not
    `flat` they stay a map, each a pixel.
    """

    size: int = 16
    class_token: bool = False
    positions: bool = False
    flat: bool = True
    strided = False

    def check(self) -> None:
        require_range(self.size, "size", 1, 1024)
        require(self.flat or not (self.class_token or self.positions), "a class token or positions on a map", "flat patches")

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        shape = g.shapes[inputs[0]]
        assert isinstance(shape, Map)
        divides = shape.rows % self.size == 0 and shape.columns % self.size == 0
        if not divides:
            common = math.gcd(shape.rows, shape.columns)
            allowed = ", ".join([str(n) for n in range(1, common + 1) if common % n == 0][:16])
            require(False, f"patches of size={self.size} do not divide a map {shape}", allowed)
        x = g.add(Conv(width, pair(self.size), pair(self.size), bias=True), inputs[0])
        if not self.flat:
            return x
        x = g.add(ToTokens(), x)
        x = g.add(ClassToken(), x) if self.class_token else x
        return g.add(Positions(), x) if self.positions else x


def mlp(g: Inner, x: int, hidden: int, width: int, dropout: float = 0.0) -> int:
    """Linear, GELU, linear."""
    parts = [Linear(hidden), Activation("gelu"), *([Dropout(dropout)] if dropout else []), Linear(width)]
    return g.chain(x, *parts)


def residual(g: Inner, x: int, body: int) -> int:
    """Input plus body."""
    return g.add(Add(), g.add(DropPath(), body), x)


@primitive("transformer")
class Transformer(Primitive):
    """Encoder block: norm, attention, add; norm, MLP, add (Dosovitskiy et al., arXiv 2010.11929, equations 2 and 3)."""

    heads: int = 12
    mlp_ratio: float = 4.0
    accepts = (Tokens,)
    strided = False

    def check(self) -> None:
        require_range(self.heads, "heads", 1, 4096)
        require_range(self.mlp_ratio, "mlp_ratio", 0.125, 64)

    @property
    def width_multiple(self) -> int:
        return self.heads

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0]
        if g.shapes[x].width != width:
            x = g.add(Linear(width), x, name="project")
        attended = g.chain(x, LayerNorm(), Linear(3 * width), Attention(self.heads), Linear(width))
        x = residual(g, x, attended)
        return residual(g, x, mlp(g, g.add(LayerNorm(), x), int(width * self.mlp_ratio), width))


@primitive("mixer")
class Mixer(Primitive):
    """Mixer layer: an MLP across tokens, then an MLP across channels, each with norm and a shortcut.

    Tolstikhin et al., arXiv 2105.01601, equation 1. `token_ratio` and `channel_ratio` are hidden width to `width`
    (0.5 and 4 in the paper's table 1). Without a `token_ratio` one linear map goes across tokens; that, the norm
    `affine` and a layer scale of first value `scale` make ResMLP's layer (Touvron et al., arXiv 2105.03404, equations 2
    and 3).
    """

    token_ratio: float | None = 0.5
    channel_ratio: float = 4.0
    norm: Literal["layer", "affine"] = "layer"
    scale: float | None = None
    accepts = (Tokens,)
    strided = False

    def check(self) -> None:
        if self.token_ratio is not None:
            require_range(self.token_ratio, "token_ratio", 0.01, 64)
        require_range(self.channel_ratio, "channel_ratio", 0.01, 64)
        if self.scale is not None:
            require_range(self.scale, "scale", 0.0, 1e3)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0]
        if g.shapes[x].width != width:
            x = g.add(Linear(width), x, name="project")
        across = g.chain(x, self.norm_leaf(), Transpose())
        x = residual(g, x, self.scaled(g, g.add(Transpose(), self.across(g, across, width))))
        hidden = max(1, int(width * self.channel_ratio))
        return residual(g, x, self.scaled(g, mlp(g, g.add(self.norm_leaf(), x), hidden, width)))

    def across(self, g: Inner, x: int, width: int) -> int:
        """The map across tokens, which are the features of `x`."""
        length = g.shapes[x].width
        if self.token_ratio is None:
            return g.add(Linear(length), x)
        return mlp(g, x, max(1, int(width * self.token_ratio)), length)

    def scaled(self, g: Inner, x: int) -> int:
        """Layer scale, if any."""
        return x if self.scale is None else g.add(LayerScale(self.scale), x)

    def norm_leaf(self) -> Leaf:
        """The norm before each of the two."""
        return LayerNorm() if self.norm == "layer" else Affine()


@primitive("gated_mlp")
class GatedMLP(Primitive):
    """gMLP's block: norm, linear, GELU, spatial gating unit, linear, shortcut (Liu et al., arXiv 2105.08050, figure 1).

    The gating unit cuts the `ratio` times wider features in two and multiplies one half by a linear map across tokens
    of the other, normed; at first the map is next to nothing and its bias 1, so that the gate is open (section 2.1).
    """

    ratio: float = 6.0
    accepts = (Tokens,)
    strided = False

    def check(self) -> None:
        require_range(self.ratio, "ratio", 0.125, 64)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0]
        if g.shapes[x].width != width:
            x = g.add(Linear(width), x, name="project")
        half = max(1, int(width * self.ratio) // 2)
        wide = g.chain(x, LayerNorm(), Linear(2 * half), Activation("gelu"))
        gate = g.chain(g.add(Channels(half, half), wide), LayerNorm(GATE_EPS), Transpose())
        gate = g.chain(gate, Linear(g.shapes[gate].width, first=(GATE_DEVIATION, 1.0)), Transpose())
        gated = g.add(Multiply(), g.add(Channels(0, half), wide), gate)
        return residual(g, x, g.add(Linear(width), gated))


# The gate's norm has torch's own constant, not the blocks' 1e-6; the paper does not say how small its weights begin.
GATE_EPS = 1e-5
GATE_DEVIATION = 1e-6


@primitive("class_head")
class PickClassToken(Primitive):
    """The class token as a vector, after a layer norm (Dosovitskiy et al., arXiv 2010.11929, equation 4)."""

    accepts = (Tokens,)
    strided = False

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.chain(inputs[0], LayerNorm(), PickToken(0))


def on_map(g: Inner, x: int, block: Primitive, width: int, stride: int) -> int:
    """A block over tokens on the pixels of a map: reduced or widened first where the shape changes."""
    if stride != 1 or g.shapes[x].width != width:
        x = g.apply(FactorizedReduction(), x, width=width, stride=stride)
    shape = g.shapes[x]
    assert isinstance(shape, Map)
    tokens = g.apply(block, g.add(ToTokens(), x), width=width)
    return g.add(ToMap(shape.rows, shape.columns), tokens)


@primitive("attention")
class AttentionOverPositions(Primitive):
    """A transformer block over the pixels of a map, each a token, at any width and stride.

    The number of heads is the largest divisor of the width that leaves at least `head_width` features a head.
    """

    head_width: int = 16
    mlp_ratio: float = 2.0

    def check(self) -> None:
        require_range(self.head_width, "head_width", 1, 4096)
        require_range(self.mlp_ratio, "mlp_ratio", 0.125, 64)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        heads = heads_of(width, self.head_width)
        return on_map(g, inputs[0], Transformer(heads, self.mlp_ratio), width, stride)


@lru_cache(maxsize=1024)
def heads_of(width: int, head_width: int) -> int:
    """The largest divisor of the width that leaves at least `head_width` features a head; 1 where none does."""
    return next((h for h in range(width // head_width, 0, -1) if width % h == 0), 1)


@primitive("mixer_block")
class MixerOverPositions(Primitive):
    """A mixer layer over the pixels of a map, each a token, at any width and stride."""

    token_ratio: float = 0.5
    channel_ratio: float = 2.0

    def check(self) -> None:
        require_range(self.token_ratio, "token_ratio", 0.01, 64)
        require_range(self.channel_ratio, "channel_ratio", 0.01, 64)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return on_map(g, inputs[0], Mixer(self.token_ratio, self.channel_ratio), width, stride)
