"""Compound scaling: depth, width and resolution together (Tan & Le, arXiv 1905.11946, section 3.3)."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

from nas.arch import Architecture, Block
from nas.errors import NasError
from nas.ops import rounded
from nas.ops.base import require_range
from nas.scale.depth import deeper
from nas.scale.inside import inside
from nas.scale.resolution import at_resolution
from nas.scale.size import round_width, with_blocks


class Coefficients(NamedTuple):
    """Factors on repeats, on channels, and on the side of the image; 1 leaves that as it is.

    As the paper's alpha, beta and gamma they are what one step of phi multiplies by: see `power`.
    """

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def power(self, phi: float) -> Coefficients:
        """d = alpha^phi, w = beta^phi, r = gamma^phi (equation 3). Raises `NasError` where one is no positive finite number."""
        if not math.isfinite(phi):
            raise NasError(f"phi={phi}; allowed: a finite number")
        try:
            made = Coefficients(*(float(each) ** phi for each in self))
        except (OverflowError, ZeroDivisionError):
            made = Coefficients(math.inf)
        if not all(0.0 < each < math.inf for each in made):
            raise NasError(f"phi={phi:g} scales beyond all numbers; allowed: factors of depth, width and resolution of 0.001 to 1000")
        return made

    @property
    def growth(self) -> float:
        """By what multiply-adds grow: alpha * beta^2 * gamma^2, close to 2 where phi doubles them (equation 3)."""
        return self.depth * self.width**2 * self.resolution**2


# The paper's own, found by a grid search on EfficientNet-B0 (section 4.2).
PAPER = Coefficients(1.2, 1.1, 1.15)


def compound(architecture: Architecture, by: Coefficients, tidy: bool = True) -> Architecture:
    """The network `by.depth` times as deep, `by.width` as wide, on images `by.resolution` times as large a side.

    Layers are rounded up (`nas.scale.deeper`), widths to multiples of 8 and of what heads and groups ask for, the image to a size
    that fits, and that strides divide if it shall be `tidy` (`nas.scale.at_resolution`). Raises `ArchitectureError` where that is no
    network, or larger than is allowed.
    """
    for name, factor in zip(by._fields, by, strict=True):
        require_range(float(factor), f"{name} factor", 1e-3, 1e3)
    return at_resolution(_resized(architecture, by.width, by.depth), by.resolution, tidy)


def _resized(architecture: Architecture, width: float, depth: float) -> Architecture:
    """Depths and widths. Blocks as wide as each other stay so: what one of them asks of the width holds for all."""
    if width == 1.0 and depth == 1.0:
        return architecture
    multiples: dict[object, int] = {}
    for block in blocks(architecture):
        multiples[block.width] = math.lcm(multiples.get(block.width, 1), _multiple(architecture, block))

    def change(block: Block) -> Block:
        op = block.op.resized(width, depth)
        wide = block.width
        if isinstance(wide, int) and width != 1.0:
            wide = scaled_width(wide, width, multiples[wide])
        return dataclasses.replace(block, op=op, width=wide)

    return with_blocks(deeper(architecture, depth), change, width, depth)


def scaled_width(width: int, factor: float, multiple: int = 1) -> int:
    """A multiple of 8 stays one (Tan & Le, released code); other widths are rounded as finely as `round_width` does."""
    return rounded(width * factor, math.lcm(8, multiple)) if width % 8 == 0 else round_width(width * factor, multiple)


def blocks(architecture: Architecture) -> list[Block]:
    """All blocks of stem, stages and heads."""
    parts = (architecture.stem, *architecture.stages, architecture.head, *(item.head for item in architecture.aux))
    return [block for part in parts for block in part]


def _multiple(architecture: Architecture, block: Block) -> int:
    op = architecture.operation(block)
    return math.lcm(op.width_multiple, *(each.width_multiple for each in inside(op)))
