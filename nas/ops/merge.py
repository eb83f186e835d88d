"""Operations that read several inputs."""

from __future__ import annotations

from nas.errors import ArchitectureError
from nas.ops.base import NOTHING, Leaf, Saved, leaf
from nas.ops.code import Call, Expression, call, expression
from nas.ops.shapes import Map, Shape, Tokens, Vector

# What gives a vector (N, C) as many axes more as it needs to multiply the channels of maps, or the features of tokens.
PLACES = {0: "", 1: "[:, None]", 2: "[:, :, None, None]"}


@leaf("add")
class Add(Leaf):
    """Sum of inputs of one shape."""

    arity = None
    overwrites = True

    def shape(self, *inputs: Shape) -> Shape:
        if any(type(x) is not type(inputs[0]) or x != inputs[0] for x in inputs[1:]):
            raise ArchitectureError(f"add got {', '.join(map(str, inputs))}; allowed: inputs of one shape")
        return inputs[0]

    def saved(self, *inputs: Shape) -> Saved:
        return NOTHING

    def code(self, *inputs: Shape) -> Call:
        return call("AddModule")

    def expression(self, *inputs: Shape) -> Expression:
        return expression(" + ".join(f"{{{i}}}" for i in range(len(inputs))), "+=")


@leaf("multiply")
class Multiply(Leaf):
    """Product of two inputs of one shape, or of a map and a vector that scales its channels."""

    arity = 2
    overwrites = True

    def shape(self, x: Shape, scale: Shape) -> Shape:
        channels = isinstance(scale, Vector) and scale.width == x.width
        if not channels and (type(x) is not type(scale) or x != scale):
            raise ArchitectureError(f"multiply got {x} and {scale}; allowed: one shape, or a vector as wide as the first")
        return x

    def saved(self, x: Shape, scale: Shape) -> Saved:
        return Saved((0, 1))

    def code(self, x: Shape, scale: Shape) -> Call:
        return call("MultiplyModule", trailing=len(x) - len(scale))

    def expression(self, x: Shape, scale: Shape) -> Expression:
        return expression("{0} * {1}" + PLACES[len(x) - len(scale)])


@leaf("concat")
class Concat(Leaf):
    """Inputs side by side along their channels or features."""

    arity = None

    def shape(self, *inputs: Shape) -> Shape:
        first = inputs[0]
        width = sum(x.width for x in inputs)
        if isinstance(first, Map):
            if all(isinstance(x, Map) and x[1:] == first[1:] for x in inputs):
                return Map(width, first.rows, first.columns)
        elif isinstance(first, Tokens):
            if all(isinstance(x, Tokens) and x.length == first.length for x in inputs):
                return Tokens(first.length, width)
        elif all(isinstance(x, Vector) for x in inputs):
            return Vector(width)
        raise ArchitectureError(f"concat got {', '.join(map(str, inputs))}; allowed: inputs that differ in width only")

    def saved(self, *inputs: Shape) -> Saved:
        return NOTHING

    def code(self, *inputs: Shape) -> Call:
        return call("ConcatModule", axis=self._axis(*inputs))

    def expression(self, *inputs: Shape) -> Expression:
        return expression(f"torch.cat(({{all}}), {self._axis(*inputs)})")

    @staticmethod
    def _axis(*inputs: Shape) -> int:
        return -1 if isinstance(inputs[0], Tokens) else 1


@leaf("blend")
class Blend(Leaf):
    """Inputs of one shape, each of their channels weighted by a softmax over the inputs, added.

    The last input is a vector of one score a channel and input, those of a channel side by side. This is the split
    attention of ResNeSt (Zhang et al., arXiv 2004.08955, equation 1) with one group.
    """

    arity = None

    def shape(self, *inputs: Shape) -> Shape:
        *values, scores = inputs
        if not values or any(type(x) is not type(values[0]) or x != values[0] for x in values):
            raise ArchitectureError(f"blend got {', '.join(map(str, values))}; allowed: inputs of one shape")
        wanted = len(values) * values[0].width
        if not isinstance(scores, Vector) or scores.width != wanted:
            raise ArchitectureError(f"blend got scores {scores}; allowed: a vector of {wanted}")
        return values[0]

    def saved(self, *inputs: Shape) -> Saved:
        # What is blended, and the weights that the scores became.
        return Saved(tuple(range(len(inputs) - 1)), extra=inputs[-1].elements)

    def code(self, *inputs: Shape) -> Call:
        return call("BlendModule", count=len(inputs) - 1, trailing=len(inputs[0]) - 1)
