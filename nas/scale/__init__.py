"""The same network at another size: `resize` (width, depth) for proxies, `compound` (depth, width, resolution) for use."""

from nas.scale.law import Coefficients, compound
from nas.scale.size import resize, round_width

__all__ = ["Coefficients", "compound", "resize", "round_width"]
