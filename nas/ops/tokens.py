"""Between maps, tokens and vectors; learned tokens and positions."""

from __future__ import annotations

from nas.errors import ArchitectureError
from nas.ops.base import NOTHING, Leaf, Saved, expect, leaf, require_range
from nas.ops.code import Call, Expression, call, expression
from nas.ops.shapes import Map, Shape, Tokens, Vector


@leaf("flatten")
class Flatten(Leaf):
    """All numbers of a map or of tokens as one vector."""

    reshapes = True

    def shape(self, x: Shape) -> Vector:
        expect(x, (Map, Tokens), "flatten")
        return Vector(x.elements)

    def code(self, x: Shape) -> Call:
        return call("nn.Flatten")

    def expression(self, x: Shape) -> Expression:
        return expression("{0}.flatten(1)")


@leaf("to_tokens")
class ToTokens(Leaf):
    """Each pixel of a map becomes a token, row by row."""

    reshapes = True

    def shape(self, x: Map) -> Tokens:
        expect(x, Map, "to_tokens")
        return Tokens(x.rows * x.columns, x.width)

    def code(self, x: Map) -> Call:
        return call("ToTokensModule")

    def expression(self, x: Map) -> Expression:
        return expression("{0}.flatten(2).transpose(1, 2)")


@leaf("to_map")
class ToMap(Leaf):
    """Tokens become the pixels of a map of `rows` x `columns`, row by row."""

    rows: int
    columns: int
    reshapes = True

    def check(self) -> None:
        require_range((self.rows, self.columns), "size", 1, 2**20)

    def shape(self, x: Tokens) -> Map:
        expect(x, Tokens, "to_map")
        if x.length != self.rows * self.columns:
            raise ArchitectureError(f"to_map of {self.rows}x{self.columns} got {x.length} tokens; allowed: {self.rows * self.columns}")
        return Map(x.width, self.rows, self.columns)

    def code(self, x: Tokens) -> Call:
        return call("ToMapModule", rows=self.rows, columns=self.columns)

    def expression(self, x: Tokens) -> Expression:
        return expression("{0}.transpose(1, 2).unflatten(2, ({rows}, {columns}))", rows=self.rows, columns=self.columns)


@leaf("transpose")
class Transpose(Leaf):
    """Tokens (length, width) with the two exchanged."""

    reshapes = True

    def shape(self, x: Tokens) -> Tokens:
        expect(x, Tokens, "transpose")
        return Tokens(x.width, x.length)

    def reach(self, x: Tokens) -> None:
        # What was a channel of all places is one token now.
        return None

    def code(self, x: Tokens) -> Call:
        return call("TransposeModule")

    def expression(self, x: Tokens) -> Expression:
        return expression("{0}.transpose(1, 2)")


@leaf("reverse")
class Reverse(Leaf):
    """Tokens from the last to the first."""

    def shape(self, x: Tokens) -> Tokens:
        expect(x, Tokens, "reverse")
        return x

    def reach(self, x: Tokens) -> None:
        # The other end of the image.
        return None

    def saved(self, x: Tokens) -> Saved:
        return NOTHING

    def code(self, x: Tokens) -> Call:
        return call("ReverseModule")

    def expression(self, x: Tokens) -> Expression:
        return expression("{0}.flip(1)")


@leaf("pick_token")
class PickToken(Leaf):
    """One token as a vector."""

    index: int = 0
    reshapes = True

    def shape(self, x: Tokens) -> Vector:
        expect(x, Tokens, "pick_token")
        require_range(self.index, "index", 0, x.length - 1)
        return Vector(x.width)

    def code(self, x: Tokens) -> Call:
        return call("PickTokenModule", index=self.index)

    def expression(self, x: Tokens) -> Expression:
        return expression("{0}[:, {index}]", index=self.index)


@leaf("class_token")
class ClassToken(Leaf):
    """A learned token before all others (Devlin et al.; Dosovitskiy et al., arXiv 2010.11929, equation 1)."""

    def shape(self, x: Tokens) -> Tokens:
        expect(x, Tokens, "class_token")
        return Tokens(x.length + 1, x.width)

    def params(self, x: Tokens) -> int:
        return x.width

    def saved(self, x: Tokens) -> Saved:
        return NOTHING

    def code(self, x: Tokens) -> Call:
        return call("ClassTokenModule", width=x.width)


@leaf("positions")
class Positions(Leaf):
    """A learned vector added to each position (Dosovitskiy et al., arXiv 2010.11929, equation 1)."""

    overwrites = True

    def shape(self, x: Tokens) -> Tokens:
        expect(x, Tokens, "positions")
        return x

    def params(self, x: Tokens) -> int:
        return x.elements

    def saved(self, x: Tokens) -> Saved:
        return NOTHING

    def code(self, x: Tokens) -> Call:
        return call("PositionsModule", length=x.length, width=x.width)
