"""Vision transformers."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, variant
from nas.baselines.registry import Facts, timm, torchvision
from nas.primitives import LinearLayer, Patches, PickClassToken, Transformer

# Ti and S are of Touvron et al., arXiv 2012.12877, table 1.
PAPER = "Dosovitskiy et al., An Image is Worth 16x16 Words, arXiv 2010.11929, table 1"
# Size: letters, width, depth, heads, its name in timm.
SIZES = {
    "ti": ("Ti", 192, 12, 3, "tiny"),
    "s": ("S", 384, 12, 6, "small"),
    "b": ("B", 768, 12, 12, "base"),
    "l": ("L", 1024, 24, 16, "large"),
    "h": ("H", 1280, 32, 16, "huge"),
}
# Size, patch size: what the network costs at 224.
COSTS = {
    ("ti", 16): "5,717,416 parameters, 1.254 GMACs",
    ("s", 16): "22,050,664 parameters, 4.599 GMACs",
    ("s", 32): "22,878,952 parameters, 1.143 GMACs",
    ("b", 16): "86,567,656 parameters, 17.564 GMACs",
    ("b", 32): "88,224,232 parameters, 4.409 GMACs",
    ("l", 16): "304,326,632 parameters, 61.555 GMACs",
    ("l", 32): "306,535,400 parameters, 15.378 GMACs",
    ("h", 14): "632,045,800 parameters, 167.295 GMACs",
}
# torchvision has no Ti and S.
TORCHVISION = ("b", "l", "h")
# Name: published accuracy.
FACTS = {
    "vit_b16": (
        Facts(0.81072, 0.95318, "torchvision IMAGENET1K_V1"),
        Facts(0.81886, 0.9618, "torchvision IMAGENET1K_SWAG_LINEAR_V1", extra="Instagram images"),
        Facts(0.79154, 0.94108, "timm augreg_in1k"),
    ),
    "vit_b32": (Facts(0.75912, 0.92466, "torchvision IMAGENET1K_V1"), Facts(0.74908, 0.9177, "timm augreg_in1k")),
    "vit_l16": (
        Facts(0.79662, 0.94638, "torchvision IMAGENET1K_V1"),
        Facts(0.85146, 0.97422, "torchvision IMAGENET1K_SWAG_LINEAR_V1", extra="Instagram images"),
        Facts(0.85856, 0.97822, "timm augreg_in21k_ft_in1k", extra="ImageNet-21k"),
    ),
    "vit_l32": (Facts(0.76972, 0.9307, "torchvision IMAGENET1K_V1"),),
    "vit_h14": (Facts(0.85708, 0.9773, "torchvision IMAGENET1K_SWAG_LINEAR_V1", extra="Instagram images"),),
}


def vit(name: str, patch: int, width: int, depth: int, heads: int, input: Input, classes: int) -> Architecture:
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
    letters, width, depth, heads, long = SIZES[size]
    name, here, there = f"vit_{size}{patch}", f"vit_{size}_{patch}", f"vit_{long}_patch{patch}_224"
    # Where timm's weights are of another data set its network has no classifier unless asked for.
    references = [torchvision(here, arrange)] if size in TORCHVISION else []
    references.append(timm(there, arrange, num_classes=1000))

    def make(name: str, input: Input, classes: int) -> Architecture:
        return vit(name, patch, width, depth, heads, input, classes)

    about = f"ViT-{letters}/{patch}: {COSTS[size, patch]} at 224."
    variant(name, PAPER, about, make, here, there, facts=FACTS.get(name, ()), references=tuple(references))


for _size, _patch in COSTS:
    _register(_size, _patch)
