"""The same network at another size: `resize` (width, depth) for proxies, `compound` (depth, width, resolution) for use."""

from nas.scale.depth import deeper
from nas.scale.law import PAPER, Coefficients, compound
from nas.scale.resolution import at_resolution
from nas.scale.size import resize, round_width

__all__ = ["PAPER", "Coefficients", "at_resolution", "compound", "deeper", "resize", "round_width"]
