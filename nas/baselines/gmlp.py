"""gMLPs."""

from __future__ import annotations

from functools import partial

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import Facts, baseline, timm
from nas.primitives import GatedMLP, Norm, Patches

PAPER = "Liu et al., Pay Attention to MLPs, arXiv 2105.08050, table 1"
# Table 1: the width; all have 30 blocks, features 6 times wider in them, and patches of 16 pixels.
WIDTHS = {"gmlp_ti": 128, "gmlp_s": 256, "gmlp_b": 512}
FACTS = {"gmlp_s": (Facts(0.79652, 0.94624, "timm ra3_in1k"),)}


def gmlp(name: str, width: int, input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """Patches, 30 gated MLPs, norm, mean over tokens, classifier."""
    stages = ((Block(GatedMLP(), width, 1, 30),),)
    return Architecture(name, input, classes, stages, (Block(Patches(16), width),), (Block(Norm()), *pooled_head()))


for _name, _width in WIDTHS.items():
    _theirs = f"{_name}16_224"
    baseline(_name, PAPER, _theirs, facts=FACTS.get(_name, ()), references=(timm(_theirs),))(partial(gmlp, _name, _width))
