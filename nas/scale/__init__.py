"""The same network at another size: `resize` (width, depth) for proxies, `compound` (depth, width, resolution) for use."""

from nas.scale.choice import RULES, Choice, Rule, base_of, choices, law_of, powers, published, scaled
from nas.scale.depth import deeper
from nas.scale.law import PAPER, Coefficients, compound
from nas.scale.resolution import at_resolution
from nas.scale.size import resize, round_width
from nas.scale.solve import Solution, Target, Tried, solve

__all__ = [
    "PAPER", "RULES", "Choice", "Coefficients", "Rule", "Solution", "Target", "Tried", "at_resolution", "base_of", "choices", "compound",
    "deeper", "law_of", "powers", "published", "resize", "round_width", "scaled", "solve",
]  # fmt: skip
