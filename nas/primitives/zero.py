"""The operation that connects nothing."""

from __future__ import annotations

from nas.arch import Inner, Primitive, primitive
from nas.ops import Zero


@primitive("none")
class NoConnection(Primitive):
    """Zeros: the edge is not there (Liu et al., arXiv 1806.09055, section 2; Dong & Yang, arXiv 2001.00326, table 1)."""

    def expand(self, g: Inner, *inputs: int, width: int, stride: int) -> int:
        return g.add(Zero(width, stride), inputs[0])
