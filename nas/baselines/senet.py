"""ResNets and ResNeXts with squeeze-excite, and SENet-154."""

from __future__ import annotations

from dataclasses import replace

from nas.arch import Architecture, Block, Primitive
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, timm
from nas.baselines.resnet import residual_network
from nas.primitives import BasicResidual, Bottleneck, ConvNormAct, MaxPooling

SENET = "Hu et al., Squeeze-and-Excitation Networks, arXiv 1709.01507, table 1"
SENET_154 = "Hu et al., Squeeze-and-Excitation Networks, arXiv 1709.01507, section 5 and appendix"
CAFFE = "Caffe release of the authors"
# The reduction is 16 (section 6.1). timm's hidden width is never below 8, which tells in the narrowest stage of
# SE-ResNet-18.
BASIC = BasicResidual(se=16, se_least=8)
WIDE = Bottleneck(se=16)
GROUPED = Bottleneck(groups=32, base_width=4, se=16)


def _register(
    name: str, about: str, block: Primitive, repeats: tuple[int, ...], model: str, facts: tuple[Facts, ...] = ()
) -> None:
    """Register a ResNet or ResNeXt of that block; `model` is timm's name."""
    width = 256 if isinstance(block, Bottleneck) else 64

    def make(name: str, input: Input, classes: int) -> Architecture:
        return residual_network(name, block, repeats, width, input, classes)

    variant(name, SENET, about, make, model, facts=facts, references=(timm(model),))


_register("se_resnet18", "SE-ResNet-18: 11,779,624 parameters.", BASIC, (2, 2, 2, 2), "seresnet18")
_register(
    "se_resnet50",
    "SE-ResNet-50: 28,088,024 parameters, 4.09 GMACs at 224.",
    WIDE,
    (3, 4, 6, 3),
    "seresnet50",
    (
        Facts(0.7763, 0.9364, CAFFE),
        Facts(0.80012, 0.94704, "timm a1_in1k"),
        Facts(0.81114, 0.95122, "timm a1_in1k", 288),
    ),
)
_register(
    "se_resnet101",
    "SE-ResNet-101: 49,326,872 parameters.",
    WIDE,
    (3, 4, 23, 3),
    "seresnet101",
    (Facts(0.7825, 0.9428, CAFFE),),
)
_register(
    "se_resnet152",
    "SE-ResNet-152: 66,821,848 parameters.",
    WIDE,
    (3, 8, 36, 3),
    "seresnet152",
    (Facts(0.7866, 0.9446, CAFFE),),
)
_register(
    "se_resnext50_32x4d",
    "SE-ResNeXt-50, 32 groups of width 4: 27,559,896 parameters, 4.23 GMACs at 224.",
    GROUPED,
    (3, 4, 6, 3),
    "seresnext50_32x4d",
    (Facts(0.7908, 0.94428, "timm legacy in1k"),),
)
_register(
    "se_resnext101_32x4d",
    "SE-ResNeXt-101, 32 groups of width 4: 48,955,416 parameters.",
    GROUPED,
    (3, 4, 23, 3),
    "seresnext101_32x4d",
    (Facts(0.8023, 0.95026, "timm legacy in1k"),),
)


def senet154(name: str, input: Input, classes: int) -> Architecture:
    """SENet-154: squeeze-excite in a ResNeXt-152 of 64 groups, with these changes (appendix).

    Three 3x3 convolutions for a stem, the first 1x1 convolution of each block of half the width, 3x3 convolutions in
    the shortcuts where the size is halved, dropout before the classifier.
    """
    first = Bottleneck(groups=64, base_width=4, se=16, reduce_first=2)
    later = replace(first, shortcut_kernel=3)
    # The released network pads the pool behind the map, not on both sides.
    pool = Block(MaxPooling(padding=0, ceil=True), None, 2)
    stem = (Block(ConvNormAct(), 64, 2), Block(ConvNormAct(), 64), Block(ConvNormAct(), 128), pool)
    stages = (
        (Block(first, 256, 1, 3),),
        (Block(later, 512, 2, 8),),
        (Block(later, 1024, 2, 36),),
        (Block(later, 2048, 2, 3),),
    )
    return Architecture(name, input, classes, stages, stem, pooled_head(dropout=0.2))


variant(
    "senet154",
    SENET_154,
    "SENet-154: 115,088,984 parameters, 20.69 GMACs at 224.",
    senet154,
    "legacy_senet154",
    facts=(Facts(0.8132, 0.9553, CAFFE),),
    references=(timm("legacy_senet154"),),
)
