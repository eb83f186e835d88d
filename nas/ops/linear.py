"""Linear maps and attention."""

from __future__ import annotations

from nas.ops.base import Leaf, Saved, expect, leaf, require, require_range
from nas.ops.code import Call, call
from nas.ops.shapes import Shape, Tokens, Vector


@leaf("linear")
class Linear(Leaf):
    """Linear map of the features of a vector or of each token to `width` features.

    `first` is what it is before training: the standard deviation of its weights and the value of its biases; without it
    as in torch.
    """

    width: int
    bias: bool = True
    first: tuple[float, float] | None = None

    def check(self) -> None:
        require_range(self.width, "width", 1, 2**24)
        if self.first is not None:
            require_range(self.first[0], "first[0]", 0.0, 1e3)
            require_range(self.first[1], "first[1]", -1e3, 1e3)

    def shape(self, x: Shape) -> Shape:
        expect(x, (Vector, Tokens), "linear")
        return Tokens(x.length, self.width) if isinstance(x, Tokens) else Vector(self.width)

    def params(self, x: Shape) -> int:
        return self.width * (x.width + self.bias)

    def biases(self, x: Shape) -> int:
        return self.width * self.bias

    def macs(self, x: Shape) -> int:
        return x.elements * self.width

    def code(self, x: Shape) -> Call:
        if self.first is None:
            return call("nn.Linear", in_features=x.width, out_features=self.width, bias=self.bias)
        deviation, start = self.first
        return call("LinearFrom", in_features=x.width, out_features=self.width, bias=self.bias, deviation=deviation, start=start)

    def describe(self) -> str:
        return "linear"


@leaf("attention")
class Attention(Leaf):
    """Scaled dot-product attention of `heads` heads (Vaswani et al., arXiv 1706.03762, equation 1).

    Reads tokens whose features are queries, keys and values side by side: (length, 3 * width) to (length, width).
    """

    heads: int = 1

    def check(self) -> None:
        require_range(self.heads, "heads", 1, 2**12)

    def shape(self, x: Tokens) -> Tokens:
        expect(x, Tokens, "attention")
        width = x.width // 3
        require(x.width % 3 == 0, f"attention over tokens {x}", "a width that is queries, keys and values side by side")
        divisors = ", ".join(str(h) for h in range(1, min(width, 64) + 1) if width % h == 0)
        require(width % self.heads == 0, f"heads={self.heads} does not divide width {width}", divisors)
        return Tokens(x.length, width)

    def macs(self, x: Tokens) -> int:
        return 2 * x.length * x.length * (x.width // 3)

    def reach(self, x: Tokens) -> None:
        return None

    def saved(self, x: Tokens) -> Saved:
        # Worked out in blocks: of the scores only one number a head and token, the logarithm of their sum, is kept.
        return Saved((0,), output=True, extra=self.heads * x.length)

    def code(self, x: Tokens) -> Call:
        return call("AttentionModule", heads=self.heads)

    def describe(self) -> str:
        return f"attention, {self.heads} head{'s' if self.heads > 1 else ''}"
