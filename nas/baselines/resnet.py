"""ResNet, its plain twins without shortcuts, ResNeXt, and the wide forms for ImageNet."""

from __future__ import annotations

from nas.arch import Architecture, Block, Primitive
from nas.baselines.common import IMAGENET, Input, imagenet_stem, pooled_head, variant
from nas.baselines.registry import Facts, Reference, timm, torchvision
from nas.primitives import BasicResidual, Bottleneck, ConvNormAct

RESNET = "He et al., Deep Residual Learning for Image Recognition, arXiv 1512.03385, table 1"
RESNET_CIFAR = "He et al., Deep Residual Learning for Image Recognition, arXiv 1512.03385, section 4.2"
RESNEXT = "Xie et al., Aggregated Residual Transformations for Deep Neural Networks, arXiv 1611.05431, table 1"
WIDE = "Zagoruyko & Komodakis, Wide Residual Networks, arXiv 1605.07146, table 8"
V1 = "torchvision IMAGENET1K_V1"
PLAIN = BasicResidual(shortcut="none")
# Parameter-free shortcuts (option A), as in the paper's networks for CIFAR.
PADDED = BasicResidual(shortcut="pad")


def residual_network(
    name: str, block: Primitive, repeats: tuple[int, ...], width: int, input: Input = IMAGENET, classes: int = 1000
) -> Architecture:
    """Four stages, the width doubled and the size halved from one to the next."""
    stages = tuple((Block(block, width * 2**i, 1 if i == 0 else 2, n),) for i, n in enumerate(repeats))
    return Architecture(name, input, classes, stages, imagenet_stem(), pooled_head())


def cifar_network(name: str, block: Primitive, repeat: int, input: Input, classes: int) -> Architecture:
    """Three stages of 16, 32 and 64 filters with `repeat` blocks each, 6 * repeat + 2 layers (section 4.2)."""
    stages = tuple((Block(block, 16 * 2**i, 1 if i == 0 else 2, repeat),) for i in range(3))
    return Architecture(name, input, classes, stages, (Block(ConvNormAct(), 16),), pooled_head())


def _imagenet(
    name: str,
    paper: str,
    about: str,
    block: Primitive,
    repeats: tuple[int, ...],
    *aliases: str,
    facts: tuple[Facts, ...],
    references: tuple[Reference, ...] | None = None,
) -> None:
    """Register a network for ImageNet; torchvision and timm have it under its own name unless told otherwise."""
    width = 256 if isinstance(block, Bottleneck) else 64
    known = (torchvision(name), timm(name)) if references is None else references

    def make(name: str, input: Input, classes: int) -> Architecture:
        return residual_network(name, block, repeats, width, input, classes)

    variant(name, paper, about, make, *aliases, facts=facts, references=known)


def _cifar(name: str, about: str, block: Primitive, repeat: int) -> None:
    """Register a network for CIFAR."""

    def make(name: str, input: Input, classes: int) -> Architecture:
        return cifar_network(name, block, repeat, input, classes)

    variant(name, RESNET_CIFAR, about, make, input=(3, 32, 32), classes=10)


_imagenet(
    "resnet18",
    RESNET,
    "ResNet-18: 11,689,512 parameters, 1.814 GMACs at 224.",
    BasicResidual(),
    (2, 2, 2, 2),
    facts=(Facts(0.69758, 0.89078, V1),),
)
_imagenet(
    "resnet34",
    RESNET,
    "ResNet-34: 21,797,672 parameters, 3.664 GMACs at 224.",
    BasicResidual(),
    (3, 4, 6, 3),
    facts=(Facts(0.73314, 0.9142, V1),),
)
_imagenet(
    "resnet50",
    RESNET,
    "ResNet-50 with the stride on the 3x3 convolutions (v1.5): 25,557,032 parameters, 4.089 GMACs at 224.",
    Bottleneck(),
    (3, 4, 6, 3),
    facts=(Facts(0.7613, 0.92862, V1), Facts(0.8124, 0.95112, "timm a1_in1k", 288)),
)
_imagenet(
    "resnet101",
    RESNET,
    "ResNet-101 (v1.5): 44,549,160 parameters, 7.801 GMACs at 224.",
    Bottleneck(),
    (3, 4, 23, 3),
    facts=(Facts(0.77374, 0.93546, V1),),
)
_imagenet(
    "resnet152",
    RESNET,
    "ResNet-152 (v1.5): 60,192,808 parameters, 11.514 GMACs at 224.",
    Bottleneck(),
    (3, 8, 36, 3),
    facts=(Facts(0.78312, 0.94046, V1),),
)
_imagenet(
    "plain18",
    RESNET,
    "ResNet-18 without its shortcuts: 11,515,688 parameters, 1.795 GMACs at 224.",
    PLAIN,
    (2, 2, 2, 2),
    facts=(Facts(0.7206, None, "He et al., table 2, ten crops", extra="ten crops"),),
    references=(),
)
_imagenet(
    "plain34",
    RESNET,
    "ResNet-34 without its shortcuts: 21,623,848 parameters, 3.645 GMACs at 224.",
    PLAIN,
    (3, 4, 6, 3),
    facts=(Facts(0.7146, 0.8998, "He et al., table 3, ten crops", extra="ten crops"),),
    references=(),
)
_imagenet(
    "wide_resnet50_2",
    WIDE,
    "ResNet-50 with the 3x3 convolutions twice as wide: 68,883,240 parameters, 11.398 GMACs at 224.",
    Bottleneck(base_width=128),
    (3, 4, 6, 3),
    "wrn_50_2",
    facts=(Facts(0.78468, 0.94086, V1),),
)
_imagenet(
    "wide_resnet101_2",
    WIDE,
    "ResNet-101 with the 3x3 convolutions twice as wide: 126,886,696 parameters, 22.753 GMACs at 224.",
    Bottleneck(base_width=128),
    (3, 4, 23, 3),
    "wrn_101_2",
    facts=(Facts(0.78848, 0.94284, V1),),
)
_imagenet(
    "resnext50_32x4d",
    RESNEXT,
    "ResNeXt-50, 32 groups of width 4: 25,028,904 parameters, 4.23 GMACs at 224.",
    Bottleneck(groups=32, base_width=4),
    (3, 4, 6, 3),
    facts=(Facts(0.77618, 0.93698, V1),),
)
_imagenet(
    "resnext101_32x8d",
    RESNEXT,
    "ResNeXt-101, 32 groups of width 8: 88,791,336 parameters, 16.414 GMACs at 224.",
    Bottleneck(groups=32, base_width=8),
    (3, 4, 23, 3),
    facts=(Facts(0.79312, 0.94526, V1),),
)
_imagenet(
    "resnext101_64x4d",
    RESNEXT,
    "ResNeXt-101, 64 groups of width 4: 83,455,272 parameters, 15.46 GMACs at 224.",
    Bottleneck(groups=64, base_width=4),
    (3, 4, 23, 3),
    facts=(Facts(0.83246, 0.96454, V1), Facts(0.796, 0.947, "Torch7 release of the authors")),
)

# Table 6: the parameters of the networks for CIFAR-10.
for _depth, _millions in ((20, "0.27"), (32, "0.46"), (44, "0.66"), (56, "0.85"), (110, "1.7"), (1202, "19.4")):
    _cifar(f"resnet{_depth}", f"ResNet-{_depth} for CIFAR: {_millions}M parameters.", PADDED, (_depth - 2) // 6)
for _depth, _millions in ((20, "0.27"), (56, "0.85")):
    _about = f"ResNet-{_depth} for CIFAR without its shortcuts: {_millions}M parameters."
    _cifar(f"plain{_depth}", _about, PLAIN, (_depth - 2) // 6)
