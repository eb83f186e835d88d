"""State-space blocks: Vision Mamba."""

from __future__ import annotations

import math

from nas.arch import Inner, Primitive, primitive
from nas.ops import (
    Activation,
    Add,
    Channels,
    Conv,
    LayerNorm,
    Linear,
    Multiply,
    Pad,
    Reverse,
    SelectiveScan,
    Tokens,
    ToMap,
    ToTokens,
)
from nas.ops.base import require_range
from nas.primitives.transformer import on_map, residual

# softplus of it is 0.01, the middle of the steps from 0.001 to 0.1 that Mamba begins with (arXiv 2312.00752, 3.6).
FIRST_STEP = math.log(math.expm1(0.01))
# Features to one number that the steps are made of (released code of Mamba).
RANK = 16


@primitive("state_space")
class StateSpace(Primitive):
    """Vision Mamba's block over tokens (Zhu et al., arXiv 2401.09417, algorithm 1), with a shortcut.

    Norm; two linear maps, a value and a gate, `expansion` times as wide; along the value, from the first token to the
    last, a depthwise convolution over the `kernel` tokens up to each and a selective scan of `states` numbers a
    feature, and if it is `both` the same from the last to the first; their sum times the gate; a linear map.
    """

    states: int = 16
    expansion: float = 2.0
    kernel: int = 4
    both: bool = True
    accepts = (Tokens,)
    strided = False

    def check(self) -> None:
        require_range(self.states, "states", 1, 1024)
        require_range(self.expansion, "expansion", 0.125, 64)
        require_range(self.kernel, "kernel", 1, 99)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        x = inputs[0]
        if g.shapes[x].width != width:
            x = g.add(Linear(width), x, name="project")
        inner = max(1, int(width * self.expansion))
        normed = g.add(LayerNorm(), x)
        value = g.add(Linear(inner, bias=False), normed, name="value")
        gate = g.chain(normed, Linear(inner, bias=False), Activation("silu"))
        y = self.along(g, value, -(-width // RANK))
        if self.both:
            back = g.add(Reverse(), self.along(g, g.add(Reverse(), value), -(-width // RANK)))
            y = g.add(Add(), y, back)
        return residual(g, x, g.add(Linear(width, bias=False), g.add(Multiply(), y, gate)))

    def along(self, g: Inner, x: int, rank: int) -> int:
        """Convolution and scan from the first token to the last; the steps are made of `rank` numbers a token."""
        length, width = g.shapes[x]  # type: ignore[misc]
        window = Conv(width, (1, self.kernel), groups=width, bias=True)
        x = g.chain(x, ToMap(1, length), Pad((0, 0), (self.kernel - 1, 0)), window, Activation("silu"), ToTokens())
        made = g.add(Linear(rank + 2 * self.states, bias=False), x)
        step = g.chain(made, Channels(0, rank), Linear(width, first=(rank**-0.5, FIRST_STEP)), Activation("softplus"))
        b, c = (g.add(Channels(rank + i * self.states, self.states), made) for i in (0, 1))
        return g.add(SelectiveScan(), x, step, b, c)


@primitive("state_space_block")
class StateSpaceOverPositions(Primitive):
    """A state-space block over the pixels of a map, row by row, at any width and stride."""

    states: int = 8
    expansion: float = 2.0
    kernel: int = 4

    def check(self) -> None:
        StateSpace(self.states, self.expansion, self.kernel)

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return on_map(g, inputs[0], StateSpace(self.states, self.expansion, self.kernel), width, stride)
