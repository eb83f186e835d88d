"""The same network at another size.

`resize` (width, depth) is for proxies, `compound` (depth, width, resolution) for use; `transfer` stacks found cells anew.
"""

from nas.scale.law import Coefficients, compound
from nas.scale.restack import Target, Transferred, restack, transfer
from nas.scale.size import resize, round_width
from nas.scale.stems import Stem

__all__ = ["Coefficients", "Stem", "Target", "Transferred", "compound", "resize", "restack", "round_width", "transfer"]
