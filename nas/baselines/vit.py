"""Vision transformers."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input
from nas.baselines.registry import baseline
from nas.primitives import LinearLayer, Patches, PickClassToken, Transformer

PAPER = "Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv 2010.11929, table 1"


def vit(name: str, patch: int, width: int, depth: int, heads: int, input: Input, classes: int) -> Architecture:
    """Patches, class token and positions, `depth` encoder blocks, norm, classifier on the class token."""
    stem = (Block(Patches(patch, class_token=True, positions=True), width),)
    stages = ((Block(Transformer(heads), width, 1, depth),),)
    return Architecture(name, input, classes, stages, stem, (Block(PickClassToken()), Block(LinearLayer(), "classes")))


@baseline("vit_b16", PAPER, "vit_b_16", "vit_base_patch16_224")
def vit_b16(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """ViT-B/16: 86,567,656 parameters, 17.564 GMACs at 224."""
    return vit("vit_b16", 16, 768, 12, 12, input, classes)
