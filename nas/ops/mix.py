"""The sum of several results by weights that are learnt."""

from __future__ import annotations

from nas.errors import ArchitectureError
from nas.ops.base import Leaf, Saved, leaf, require, require_range
from nas.ops.code import Call, call
from nas.ops.shapes import Shape

MOST = 1000


@leaf("mix")
class Mix(Leaf):
    """Inputs of one shape, each times its part of a softmax over a learned vector, added (arXiv 1806.09055, equation 2).

    The vector has `options` scores, those beyond the inputs for zeros, which need not be made. `vector` is its name: who
    trains the network may let leaves of one name share one vector.
    """

    vector: str
    options: int
    arity = None

    def check(self) -> None:
        require(bool(self.vector), "the name of the weights is empty", "a text")
        require_range(self.options, "options", 1, MOST)

    def shape(self, *inputs: Shape) -> Shape:
        if not inputs or any(type(x) is not type(inputs[0]) or x != inputs[0] for x in inputs[1:]):
            raise ArchitectureError(f"mix got {', '.join(map(str, inputs)) or 'nothing'}; allowed: inputs of one shape")
        if len(inputs) > self.options:
            raise ArchitectureError(f"mix got {len(inputs)} inputs for {self.options} scores; allowed: a score or more for each")
        return inputs[0]

    def params(self, *inputs: Shape) -> int:
        return self.options

    def saved(self, *inputs: Shape) -> Saved:
        return Saved(tuple(range(len(inputs))))

    def code(self, *inputs: Shape) -> Call:
        return call("MixModule", vector=self.vector, options=self.options)
