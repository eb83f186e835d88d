"""ConvNeXts."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, behind, variant
from nas.baselines.registry import Facts, timm, torchvision
from nas.primitives import ConvNeXtBlock, ConvNormAct, GlobalPooling, LinearLayer, Norm

PAPER = "Liu et al., A ConvNet for the 2020s, arXiv 2201.03545, section 3"
# Stages' depths and width of the first; the others double it.
SIZES = {
    "tiny": ((3, 3, 9, 3), 96, "28,589,128 parameters, 4.456 GMACs", 0.8252, 0.96146),
    "small": ((3, 3, 27, 3), 96, "50,223,688 parameters, 8.684 GMACs", 0.83616, 0.9665),
    "base": ((3, 3, 27, 3), 128, "88,591,464 parameters, 15.355 GMACs", 0.84062, 0.9687),
    "large": ((3, 3, 27, 3), 192, "197,767,336 parameters, 34.361 GMACs", 0.84414, 0.96976),
}


def patches(size: int) -> ConvNormAct:
    """A convolution of windows that do not overlap."""
    return ConvNormAct(size, activation=None, norm=False, padding=0)


def convnext(name: str, depths: tuple[int, ...], width: int, input: Input, classes: int) -> Architecture:
    """Patches of 4x4 as stem; between stages layer norm and patches of 2x2; layer norm after the pool."""
    norm = Block(Norm(kind="layer"))
    stages = [
        (*((norm, Block(patches(2), width * 2**i, 2)) if i else ()), Block(ConvNeXtBlock(), width * 2**i, 1, depth))
        for i, depth in enumerate(depths)
    ]
    head = (Block(GlobalPooling()), norm, Block(LinearLayer(), "classes"))
    return Architecture(name, input, classes, tuple(stages), (Block(patches(4), width, 4), norm), head)


def _register(size: str, depths: tuple[int, ...], width: int, about: str, top1: float, top5: float) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return convnext(name, depths, width, input, classes)

    name, facts = f"convnext_{size}", (Facts(top1, top5, "torchvision IMAGENET1K_V1"),)
    # Both packages keep the layer scale of a block before its convolutions.
    references = (torchvision(name, behind("layer_scale")), timm(name, behind("gamma")))
    variant(name, PAPER, f"ConvNeXt-{size}: {about} at 224.", make, facts=facts, references=references)


for _size, _row in SIZES.items():
    _register(_size, *_row)
