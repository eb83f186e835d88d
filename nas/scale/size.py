"""The same network wider or narrower, deeper or shallower."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from nas.arch import Architecture, Block, Cell, Primitive, Stage
from nas.ops import rounded
from nas.ops.base import require_range


def resize(architecture: Architecture, width: float = 1.0, depth: float = 1.0) -> Architecture:
    """All widths times `width`, rounded to even numbers that hardware likes; repeats times `depth`, at least one.

    Blocks that stand once (reductions, transitions) stay. Factors of 1 return the architecture itself. Raises
    `ArchitectureError` where a factor is no positive number, or a width or repeat becomes larger than is allowed.
    """
    require_range(float(width), "width factor", 1e-3, 1e3)
    require_range(float(depth), "depth factor", 1e-3, 1e3)
    if width == 1.0 and depth == 1.0:
        return architecture
    return with_blocks(architecture, lambda block: _block(architecture, block, width, depth), width, depth)


def with_blocks(architecture: Architecture, change: Callable[[Block], Block], width: float, depth: float) -> Architecture:
    """The network with every block of stem, stages and heads changed, and the fields of its cells resized."""

    def part(blocks: Stage) -> Stage:
        return tuple(change(block) for block in blocks)

    return dataclasses.replace(
        architecture,
        stem=part(architecture.stem),
        stages=tuple(part(stage) for stage in architecture.stages),
        head=part(architecture.head),
        cells=tuple(Cell(cell.name, cell.op.resized(width, depth)) for cell in architecture.cells),
        aux=tuple(dataclasses.replace(item, head=part(item.head)) for item in architecture.aux),
    )


def _block(architecture: Architecture, block: Block, width: float, depth: float) -> Block:
    made: Primitive = block.op.resized(width, depth)
    multiple = architecture.operation(block).width_multiple
    scaled = isinstance(block.width, int) and width != 1.0  # rounding alone would change a width of 84
    wide = round_width(block.width * width, multiple) if scaled else block.width  # type: ignore[operator]
    repeat = max(1, round(block.repeat * depth)) if block.repeat > 1 else 1
    return dataclasses.replace(block, op=made, width=wide, repeat=repeat)


def round_width(width: float, multiple: int = 1) -> int:
    """To a multiple of 8 (4 below 32, 2 below 16) and of `multiple`, and never below 90% of `width`."""
    return rounded(width, math.lcm(8 if width >= 32 else 4 if width >= 16 else 2, multiple))
