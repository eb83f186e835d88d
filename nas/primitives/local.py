"""Normalisation across neighbouring channels, from before batch norm."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import LocalResponseNorm


@primitive("local_response_norm")
class LocalNorm(Primitive):
    """Each value divided by a power of the squares of the `size` channels around it.

    Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 3.3.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    strided = False

    @property
    def leaf(self) -> LocalResponseNorm:
        """The operation with these constants."""
        return LocalResponseNorm(self.size, self.alpha, self.beta, self.k)

    def check(self) -> None:
        self.leaf.check()

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(self.leaf, inputs[0])
