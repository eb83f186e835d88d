"""MLP-Mixers."""

from __future__ import annotations

from functools import partial

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import Facts, baseline, timm
from nas.primitives import Mixer, Norm, Patches

PAPER = "Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, arXiv 2105.01601, table 1"
# Table 1: patch size, width, depth.
SIZES = {
    "mixer_s32": (32, 512, 8),
    "mixer_s16": (16, 512, 8),
    "mixer_b32": (32, 768, 12),
    "mixer_b16": (16, 768, 12),
    "mixer_l32": (32, 1024, 24),
    "mixer_l16": (16, 1024, 24),
    "mixer_h14": (14, 1280, 32),
}
FACTS = {
    "mixer_b16": (Facts(0.76616, 0.9225, "timm goog_in21k_ft_in1k"),),
    "mixer_l16": (Facts(0.72084, 0.87632, "timm goog_in21k_ft_in1k"),),
}


def mixer(name: str, patch: int, width: int, depth: int, input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """Patches, `depth` mixer layers, norm, mean over tokens, classifier."""
    stages = ((Block(Mixer(), width, 1, depth),),)
    return Architecture(name, input, classes, stages, (Block(Patches(patch), width),), (Block(Norm()), *pooled_head()))


for _name, _sizes in SIZES.items():
    # timm has no H.
    _theirs = () if _name == "mixer_h14" else (timm(f"{_name}_224"),)
    baseline(_name, PAPER, f"{_name}_224", facts=FACTS.get(_name, ()), references=_theirs)(partial(mixer, _name, *_sizes))
