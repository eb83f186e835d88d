"""S2-MLPs."""

from __future__ import annotations

from functools import partial

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import Facts, baseline
from nas.primitives import Norm, Patches, SpatialShift

PAPER = "Yu et al., S2-MLP: Spatial-Shift MLP Architecture for Vision, arXiv 2106.07477, section 4"
# Width and depth; both have patches of 16 pixels and MLPs four times as wide. 14.0 and 10.5 GMACs, 71M and 51M parameters
# in the paper. Its MACs are ours. Its parameters are not: each weight is used once a patch, which alone makes
# 10.5e9 / 196 = 53.5M of the deep one's.
SIZES = {"s2mlp_wide": (768, 12), "s2mlp_deep": (384, 36)}
FACTS = {
    "s2mlp_wide": Facts(0.8, None, "arXiv 2106.07477"),
    "s2mlp_deep": Facts(0.807, None, "arXiv 2106.07477"),
}


def s2mlp(name: str, width: int, depth: int, input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """Patches and norm, `depth` blocks, mean over pixels, classifier."""
    stem = (Block(Patches(16, flat=False), width), Block(Norm(kind="layer")))
    return Architecture(name, input, classes, ((Block(SpatialShift(), width, 1, depth),),), stem, pooled_head())


for _name, _sizes in SIZES.items():
    baseline(_name, PAPER, facts=(FACTS[_name],))(partial(s2mlp, _name, *_sizes))
