"""S2-MLPs."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import Facts, baseline
from nas.primitives import Norm, Patches, SpatialShift

PAPER = "Yu et al., S2-MLP: Spatial-Shift MLP Architecture for Vision, arXiv 2106.07477, section 4"


def s2mlp(name: str, width: int, depth: int, input: Input, classes: int) -> Architecture:
    """Patches and norm, `depth` blocks with MLPs four times as wide, mean over pixels, classifier."""
    stem = (Block(Patches(16, flat=False), width), Block(Norm(kind="layer")))
    return Architecture(name, input, classes, ((Block(SpatialShift(), width, 1, depth),),), stem, pooled_head())


@baseline("s2mlp_wide", PAPER, facts=(Facts(0.8, None, "arXiv 2106.07477"),))
def s2mlp_wide(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """S2-MLP-wide, 12 blocks of width 768: 72.2M parameters (71M published), 14.0 GMACs at 224."""
    return s2mlp("s2mlp_wide", 768, 12, input, classes)


@baseline("s2mlp_deep", PAPER, facts=(Facts(0.807, None, "arXiv 2106.07477"),))
def s2mlp_deep(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """S2-MLP-deep, 36 blocks of width 384: 53.9M parameters (51M published), 10.5 GMACs at 224.

    The published multiply-adds are ours. They use each weight of a block once a patch, 196 times: there must be 53M.
    """
    return s2mlp("s2mlp_deep", 384, 36, input, classes)
