"""The same network at another size.

`resize` (width, depth) is for proxies; `choices` and `solve`, over `compound` (depth, width, resolution), for use; `transfer` stacks
found cells anew; `match` brings a network to a number of parameters, to be compared with others of that size.
"""

from nas.scale.choice import RULES, Choice, Rule, base_of, choices, law_of, powers, published, scaled
from nas.scale.depth import deeper
from nas.scale.law import PAPER, Coefficients, compound
from nas.scale.match import Matched, match
from nas.scale.resolution import at_resolution
from nas.scale.restack import Target, Transferred, restack, transfer
from nas.scale.size import resize, round_width
from nas.scale.solve import Aim, Solution, Tried, by_width, scaled_to, solve
from nas.scale.stems import Stem

__all__ = [
    "PAPER", "RULES", "Aim", "Choice", "Coefficients", "Matched", "Rule", "Solution", "Stem", "Target", "Transferred", "Tried",
    "at_resolution", "base_of", "by_width", "choices", "compound", "deeper", "law_of", "match", "powers", "published", "resize", "restack",
    "round_width", "scaled", "scaled_to", "solve", "transfer",
]  # fmt: skip
