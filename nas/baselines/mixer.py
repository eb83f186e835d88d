"""MLP-Mixers."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, timm
from nas.primitives import Mixer, Norm, Patches

PAPER = "Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, arXiv 2105.01601, table 1"
# Table 1: patch size, width, depth; what the network costs at 224.
SIZES = {
    "mixer_s32": (32, 512, 8, "19,104,624 parameters, 1.0 GMACs"),
    "mixer_s16": (16, 512, 8, "18,528,264 parameters, 3.8 GMACs"),
    "mixer_b32": (32, 768, 12, "60,293,428 parameters, 3.2 GMACs"),
    "mixer_b16": (16, 768, 12, "59,880,472 parameters, 12.6 GMACs"),
    "mixer_l32": (32, 1024, 24, "206,939,264 parameters, 11.3 GMACs"),
    "mixer_l16": (16, 1024, 24, "208,196,168 parameters, 44.5 GMACs"),
    "mixer_h14": (14, 1280, 32, "432,350,952 parameters, 121.0 GMACs"),
}
FACTS = {
    "mixer_b16": (Facts(0.76616, 0.9225, "timm goog_in21k_ft_in1k", extra="ImageNet-21k"),),
    "mixer_l16": (Facts(0.72084, 0.87632, "timm goog_in21k_ft_in1k", extra="ImageNet-21k"),),
}


def mixer(name: str, patch: int, width: int, depth: int, input: Input, classes: int) -> Architecture:
    """Patches, `depth` mixer layers, norm, mean over tokens, classifier."""
    stages = ((Block(Mixer(), width, 1, depth),),)
    return Architecture(name, input, classes, stages, (Block(Patches(patch), width),), (Block(Norm()), *pooled_head()))


def _register(name: str, patch: int, width: int, depth: int, costs: str) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return mixer(name, patch, width, depth, input, classes)

    about = f"MLP-Mixer-{name[6].upper()}/{patch}: {costs} at 224."
    # timm has no H.
    theirs = () if name == "mixer_h14" else (timm(f"{name}_224"),)
    variant(name, PAPER, about, make, f"{name}_224", facts=FACTS.get(name, ()), references=theirs)


for _name, _row in SIZES.items():
    _register(_name, *_row)
