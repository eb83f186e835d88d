"""How much of a network is skip connections: what a collapsed differentiable search finds nearly nothing but."""

from __future__ import annotations

from typing import NamedTuple

from nas.arch import Architecture, Primitive, Use
from nas.primitives import CellGraph, NoConnection, SkipConnect

# Of the operations of a cell that keeps its size. The published cells of DARTS have 3 of 8 and 2 of 8 (arXiv 1806.09055,
# figures 4 and 6 and released code), P-DARTS allows 2 of 8 (arXiv 1904.12760, section 3.3); cells known as collapsed are
# nearly all skips (Zela et al., arXiv 1909.09656). More than half is beyond what anyone published as good, and of cells drawn at
# random less than 4% in NAS-Bench-201 (4 of 6 where one operation in four is a skip) and 0.2% in DARTS (5 of 8, one in seven).
COLLAPSE = 0.5


class Skips(NamedTuple):
    """Operations of a cell and how many of them do nothing: identity or none. keeps: the cell stands at stride 1 alone."""

    cell: str
    skips: int
    operations: int
    keeps: bool

    @property
    def share(self) -> float:
        """Of the operations."""
        return self.skips / self.operations

    @property
    def collapsed(self) -> bool:
        """Whether there are too many. Where a cell reduces, a skip connection is an operation with weights, and counts for none."""
        return self.keeps and self.share > COLLAPSE


def skips(architecture: Architecture) -> list[Skips]:
    """Of each cell, in order; of a network without cells of its blocks together, called `network`."""
    blocks = [block for stage in architecture.stages for block in stage]
    found = []
    for cell in architecture.cells:
        if isinstance(cell.op, CellGraph):
            ops = [edge.op for node in cell.op.nodes for edge in node.edges]
            keeps = all(block.stride == 1 for block in blocks if isinstance(block.op, Use) and block.op.cell == cell.name)
            found.append(_count(cell.name, ops, keeps))
    if found:
        return found
    return [_count("network", [block.op for block in blocks if block.stride == 1], True)] if blocks else []


def _count(name: str, ops: list[Primitive], keeps: bool) -> Skips:
    return Skips(name, sum(isinstance(op, SkipConnect | NoConnection) for op in ops), max(1, len(ops)), keeps)
