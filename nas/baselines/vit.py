"""Vision transformers."""

from __future__ import annotations

from functools import partial

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input
from nas.baselines.registry import Facts, baseline, timm, torchvision
from nas.primitives import LinearLayer, Patches, PickClassToken, Transformer

# Ti and S are of Touvron et al., arXiv 2012.12877, table 1.
PAPER = "Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv 2010.11929, table 1"
# Size: width, depth, heads; its name in torchvision and in timm.
SIZES = {
    "ti": (192, 12, 3, None, "tiny"),
    "s": (384, 12, 6, None, "small"),
    "b": (768, 12, 12, "b", "base"),
    "l": (1024, 24, 16, "l", "large"),
    "h": (1280, 32, 16, "h", "huge"),
}
# Name: published accuracy.
FACTS = {
    "vit_b16": (
        Facts(0.81072, 0.95318, "torchvision IMAGENET1K_V1"),
        Facts(0.81886, 0.9618, "torchvision IMAGENET1K_SWAG_LINEAR_V1"),
        Facts(0.79154, 0.94108, "timm augreg_in1k"),
    ),
    "vit_b32": (Facts(0.75912, 0.92466, "torchvision IMAGENET1K_V1"), Facts(0.74908, 0.9177, "timm augreg_in1k")),
    "vit_l16": (
        Facts(0.79662, 0.94638, "torchvision IMAGENET1K_V1"),
        Facts(0.85146, 0.97422, "torchvision IMAGENET1K_SWAG_LINEAR_V1"),
        Facts(0.85856, 0.97822, "timm augreg_in21k_ft_in1k"),
    ),
    "vit_l32": (Facts(0.76972, 0.9307, "torchvision IMAGENET1K_V1"),),
    "vit_h14": (Facts(0.85708, 0.9773, "torchvision IMAGENET1K_SWAG_LINEAR_V1"),),
}
# Patch sizes in use.
PATCHES = {"ti": (16,), "s": (16, 32), "b": (16, 32), "l": (16, 32), "h": (14,)}


def vit(
    name: str, patch: int, width: int, depth: int, heads: int, input: Input = IMAGENET, classes: int = 1000
) -> Architecture:
    """Patches, class token and positions, `depth` encoder blocks, norm, classifier on the class token."""
    stem = (Block(Patches(patch, class_token=True, positions=True), width),)
    stages = ((Block(Transformer(heads), width, 1, depth),),)
    return Architecture(name, input, classes, stages, stem, (Block(PickClassToken()), Block(LinearLayer(), "classes")))


def arrange(keys: list[str]) -> list[str]:
    """Class token and positions behind the projection of the patches, where they are used."""
    first = [key for key in keys if key.startswith(("conv_proj.", "patch_embed."))]
    tokens = [key for key in keys if key.endswith(("class_token", "cls_token", "pos_embedding", "pos_embed"))]
    return [*first, *tokens, *[key for key in keys if key not in (*first, *tokens)]]


def _register(size: str, patch: int) -> None:
    width, depth, heads, short, long = SIZES[size]
    name, theirs = f"vit_{size}{patch}", f"vit_{long}_patch{patch}_224"
    aliases, references = [theirs], [timm(theirs, arrange)]
    if short is not None:
        aliases.insert(0, f"vit_{short}_{patch}")
        references.insert(0, torchvision(f"vit_{short}_{patch}", arrange))
    # Under the rule of look-up torchvision's names are ours.
    decorate = baseline(name, PAPER, *aliases, facts=FACTS.get(name, ()), references=tuple(references))
    decorate(partial(vit, name, patch, width, depth, heads))


for _size, _patches in PATCHES.items():
    for _patch in _patches:
        _register(_size, _patch)
