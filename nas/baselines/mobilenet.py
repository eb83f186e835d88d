"""MobileNets, versions 1 to 3."""

from __future__ import annotations

from dataclasses import replace

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import IMAGENET, Input, pooled_head, variant
from nas.baselines.registry import Facts, baseline, timm, torchvision
from nas.ops import rounded
from nas.primitives import ConvNormAct, DepthwiseSeparable, DropoutLayer, GlobalPooling, InvertedResidual, LinearLayer

V1 = "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision, arXiv 1704.04861, table 1"
V2 = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv 1801.04381, table 2"
V3 = "Howard et al., Searching for MobileNetV3, arXiv 1905.02244, table {}"

# Width, repeats, stride of each stage.
V1_STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))
# Expansion, width, repeats, stride of each stage.
V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
SLIM = "TensorFlow slim"


@baseline(
    "mobilenet_v1",
    V1,
    "mobilenet_v1_1.0_224",
    "mobilenetv1_100",
    facts=(
        Facts(0.709, 0.899, SLIM),
        Facts(0.700, 0.892, SLIM, 192),
        Facts(0.680, 0.877, SLIM, 160),
        Facts(0.652, 0.858, SLIM, 128),
        Facts(0.75388, 0.9231, "timm ra4_e3600_r224_in1k"),
    ),
    references=(timm("mobilenetv1_100"),),
)
def mobilenet_v1(input: Input = IMAGENET, classes: int = 1000, multiplier: float = 1.0) -> Architecture:
    """MobileNet-v1, all widths times `multiplier`: 4,231,976 parameters, 0.569 GMACs at 224.

    ReLU6 as in the released code.
    """
    block = DepthwiseSeparable(activation="relu6")
    stages = tuple((Block(block, rounded(c * multiplier), s, n),) for c, n, s in V1_STAGES)
    stem = (Block(ConvNormAct(activation="relu6"), rounded(32 * multiplier), 2),)
    name = "mobilenet_v1" if multiplier == 1.0 else f"mobilenet_v1_{multiplier:g}".replace(".", "_")
    # Released code: dropout keeps 0.999.
    return Architecture(name, input, classes, stages, stem, pooled_head(dropout=0.001))


def _narrow(multiplier: str, about: str, top1: float, top5: float) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return mobilenet_v1(input, classes, float(multiplier))

    name, facts = f"mobilenet_v1_{multiplier.replace('.', '_')}", (Facts(top1, top5, SLIM),)
    variant(name, V1, f"MobileNet-v1, multiplier {multiplier}: {about} at 224.", make, f"{name}_224", facts=facts)


_narrow("0.75", "2,585,560 parameters, 0.325 GMACs", 0.684, 0.882)
_narrow("0.5", "1,331,592 parameters, 0.150 GMACs", 0.633, 0.849)
_narrow("0.25", "470,072 parameters, 0.041 GMACs", 0.498, 0.742)


@baseline(
    "mobilenet_v2",
    V2,
    "mobilenetv2_100",
    facts=(Facts(0.71878, 0.90286, "torchvision IMAGENET1K_V1"), Facts(0.7291, 0.91, "timm ra_in1k")),
    references=(torchvision("mobilenet_v2"), timm("mobilenetv2_100")),
)
def mobilenet_v2(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """MobileNet-v2, multiplier 1: 3,504,872 parameters, 0.301 GMACs at 224."""
    stages = tuple((Block(InvertedResidual(t), c, s, n),) for t, c, n, s in V2_STAGES)
    stem = (Block(ConvNormAct(activation="relu6"), 32, 2),)
    head = (Block(ConvNormAct(kernel=1, activation="relu6"), 1280), *pooled_head(dropout=0.2))
    return Architecture("mobilenet_v2", input, classes, stages, stem, head)


@baseline("mobilenet_v2_cifar", V2)
def mobilenet_v2_cifar(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """MobileNet-v2 for images as small as CIFAR's, a size that the paper does not have: 2,236,682 parameters, 88 MMACs at 32.

    The stem and the second stage keep the size of the map, which ends at 4 x 4.
    """
    made = mobilenet_v2(input, classes)
    stem = tuple(replace(block, stride=1) for block in made.stem)
    stages = tuple(tuple(replace(block, stride=1) for block in stage) if i == 1 else stage for i, stage in enumerate(made.stages))
    return replace(made, name="mobilenet_v2_cifar", stem=stem, stages=stages)


# Norms of the released code of version 3.
EPS, MOMENTUM = 1e-3, 0.01


def bneck(
    kernel: int, expansion: float, width: int, se: bool, activation: str, stride: int = 1, repeat: int = 1
) -> Block:
    """A row of the tables. Expansions that are not whole stand for widths of the tables: 88 is 24 * 3.67, rounded."""
    squeeze = 0.25 if se else 0.0
    block = InvertedResidual(expansion, kernel, activation, squeeze, EPS, MOMENTUM, "expanded", "relu", "hardsigmoid")
    return Block(block, width, stride, repeat)


def conv_v3(kernel: int) -> ConvNormAct:
    """Convolution, norm and hard swish."""
    return ConvNormAct(kernel, "hardswish", eps=EPS, momentum=MOMENTUM)


def mobilenet_v3(
    name: str, stages: tuple[Stage, ...], last: int, hidden: int, input: Input, classes: int
) -> Architecture:
    """The stages, a 1x1 convolution to `last`, pool, a hidden layer of `hidden` and the classifier."""
    head = (
        Block(conv_v3(1), last),
        Block(GlobalPooling()),
        Block(LinearLayer("hardswish"), hidden),
        Block(DropoutLayer(0.2)),
        Block(LinearLayer(), "classes"),
    )
    return Architecture(name, input, classes, stages, (Block(conv_v3(3), 16, 2),), head)


@baseline(
    "mobilenet_v3_large",
    V3.format(1),
    "mobilenetv3_large_100",
    facts=(
        Facts(0.74042, 0.9134, "torchvision IMAGENET1K_V1"),
        Facts(0.7792, 0.92894, "timm miil_in21k_ft_in1k", extra="ImageNet-21k"),
    ),
    references=(torchvision("mobilenet_v3_large"),),
)
def mobilenet_v3_large(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """MobileNet-v3 large: 5,483,032 parameters, 0.217 GMACs at 224."""
    stages = (
        (bneck(3, 1, 16, False, "relu"),),
        (bneck(3, 4, 24, False, "relu", 2), bneck(3, 3, 24, False, "relu")),
        (bneck(5, 3, 40, True, "relu", 2, 3),),
        (
            bneck(3, 6, 80, False, "hardswish", 2),
            bneck(3, 2.5, 80, False, "hardswish"),
            bneck(3, 2.3, 80, False, "hardswish", repeat=2),
        ),
        (bneck(3, 6, 112, True, "hardswish", repeat=2),),
        (bneck(5, 6, 160, True, "hardswish", 2, 3),),
    )
    return mobilenet_v3("mobilenet_v3_large", stages, 960, 1280, input, classes)


@baseline(
    "mobilenet_v3_small",
    V3.format(2),
    "mobilenetv3_small_100",
    facts=(Facts(0.67668, 0.87402, "torchvision IMAGENET1K_V1"), Facts(0.67636, 0.87638, "timm lamb_in1k")),
    references=(torchvision("mobilenet_v3_small"),),
)
def mobilenet_v3_small(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """MobileNet-v3 small: 2,542,856 parameters, 0.057 GMACs at 224."""
    stages = (
        (bneck(3, 1, 16, True, "relu", 2),),
        (bneck(3, 4.5, 24, False, "relu", 2), bneck(3, 3.67, 24, False, "relu")),
        (bneck(5, 4, 40, True, "hardswish", 2), bneck(5, 6, 40, True, "hardswish", repeat=2)),
        (bneck(5, 3, 48, True, "hardswish", repeat=2),),
        (bneck(5, 6, 96, True, "hardswish", 2, 3),),
    )
    return mobilenet_v3("mobilenet_v3_small", stages, 576, 1024, input, classes)
