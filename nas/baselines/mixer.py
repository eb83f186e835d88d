"""MLP-Mixers."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import baseline
from nas.primitives import Mixer, Norm, Patches

PAPER = "Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, arXiv 2105.01601, table 1"


def mixer(name: str, patch: int, width: int, depth: int, input: Input, classes: int) -> Architecture:
    """Patches, `depth` mixer layers, norm, mean over tokens, classifier."""
    stages = ((Block(Mixer(), width, 1, depth),),)
    return Architecture(name, input, classes, stages, (Block(Patches(patch), width),), (Block(Norm()), *pooled_head()))


@baseline("mixer_b16", PAPER, "mixer_b16_224")
def mixer_b16(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """MLP-Mixer-B/16: 59,880,472 parameters, 12.6 GMACs at 224."""
    return mixer("mixer_b16", 16, 768, 12, input, classes)
