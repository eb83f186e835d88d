"""VGG."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, variant
from nas.baselines.registry import Facts, timm, torchvision
from nas.primitives import AdaptivePooling, ConvNormAct, Flattening, LinearLayer, MaxPooling

PAPER = "Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv 1409.1556"
WIDTHS = (64, 128, 256, 512, 512)
# Convolutions of each stage in columns A, B, D and E of table 1.
DEPTHS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
# Parameters, multiply-adds in billions at 224, top-1 and top-5 accuracy: torchvision IMAGENET1K_V1.
PUBLISHED = {
    "vgg11": (132_863_336, 7.609, 0.6902, 0.88628),
    "vgg11_bn": (132_868_840, 7.609, 0.7037, 0.8981),
    "vgg13": (133_047_848, 11.308, 0.69928, 0.89246),
    "vgg13_bn": (133_053_736, 11.308, 0.71586, 0.90374),
    "vgg16": (138_357_544, 15.47, 0.71592, 0.90382),
    "vgg16_bn": (138_365_992, 15.47, 0.7336, 0.91516),
    "vgg19": (143_667_240, 19.632, 0.72376, 0.90876),
    "vgg19_bn": (143_678_248, 19.632, 0.74218, 0.91842),
}


def vgg(name: str, input: Input, classes: int) -> Architecture:
    """Five stages of 3x3 convolutions, each with a 2x2 max pool behind; layers of 4,096, 4,096 and `classes`."""
    conv = ConvNormAct(norm=name.endswith("_bn"), bias=True)
    pool = Block(MaxPooling(2), None, 2)
    depths = DEPTHS[name.removesuffix("_bn")]
    stages = tuple((Block(conv, width, 1, depth), pool) for width, depth in zip(WIDTHS, depths, strict=True))
    hidden = Block(LinearLayer("relu", dropout=0.5), 4096, 1, 2)
    # 7x7 is what the last pool leaves of a map of 224x224; others are brought to that.
    head = (Block(AdaptivePooling(7)), Block(Flattening()), hidden, Block(LinearLayer(), "classes"))
    return Architecture(name, input, classes, stages, head=head)


for _name, (_params, _gmacs, _top1, _top5) in PUBLISHED.items():
    _form = " with batch norm" if _name.endswith("_bn") else ""
    variant(
        _name,
        PAPER,
        f"VGG-{_name[3:5]}{_form}: {_params:,} parameters, {_gmacs} GMACs at 224.",
        vgg,
        facts=(Facts(_top1, _top5, "torchvision IMAGENET1K_V1"),),
        references=(torchvision(_name), timm(_name)),
    )
