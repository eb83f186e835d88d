"""Pre-activation ResNets and Wide ResNets."""

from __future__ import annotations

from itertools import groupby

from nas.arch import Architecture, Block, Primitive
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, timm
from nas.primitives import ConvNormAct, MaxPooling, Norm, PreactBasic, PreactBottleneck

PREACT = "He et al., Identity Mappings in Deep Residual Networks, arXiv 1603.05027"
WIDE = "Zagoruyko & Komodakis, Wide Residual Networks, arXiv 1605.07146, table 1"
CIFAR: Input = (3, 32, 32)
# The first block normalises and activates, and so does the head: the stem convolves alone.
BARE = ConvNormAct(activation=None, norm=False, bias=False)
HEAD = (Block(Norm("relu")), *pooled_head())


def shortcuts_last(keys: list[str]) -> list[str]:
    """timm has the convolution of a shortcut before the body of its block; here it stands behind."""
    blocks = groupby(keys, lambda key: key.split(".")[:4])
    return [key for _, block in blocks for key in sorted(block, key=lambda key: "downsample" in key)]


def preact_imagenet(
    name: str, block: Primitive, repeats: tuple[int, ...], width: int, input: Input, classes: int
) -> Architecture:
    """Four stages behind a 7x7 convolution and a max pool."""
    stem = (Block(ConvNormAct(7, activation=None, norm=False, bias=False), 64, 2), Block(MaxPooling(), None, 2))
    stages = tuple((Block(block, width * 2**i, 1 if i == 0 else 2, n),) for i, n in enumerate(repeats))
    return Architecture(name, input, classes, stages, stem, HEAD)


def preact_cifar(
    name: str, block: Primitive, width: int, repeat: int, input: Input, classes: int, first: Primitive | None = None
) -> Architecture:
    """Three stages of `width`, twice and four times as much, `repeat` blocks each, behind a 3x3 convolution to 16.

    `first` stands for the first block where that is another.
    """
    lead = (Block(first, width),) if first is not None else ()
    stages = (
        (*lead, Block(block, width, 1, repeat - len(lead))),
        (Block(block, 2 * width, 2, repeat),),
        (Block(block, 4 * width, 2, repeat),),
    )
    return Architecture(name, input, classes, stages, (Block(BARE, 16),), HEAD)


def _imagenet(
    name: str,
    about: str,
    block: Primitive,
    repeats: tuple[int, ...],
    width: int,
    model: str,
    facts: tuple[Facts, ...] = (),
) -> None:
    """Register a network for ImageNet; `model` is timm's name."""

    def make(name: str, input: Input, classes: int) -> Architecture:
        return preact_imagenet(name, block, repeats, width, input, classes)

    variant(name, PREACT, about, make, model, facts=facts, references=(timm(model, shortcuts_last),))


def _cifar(
    name: str,
    paper: str,
    about: str,
    block: Primitive,
    width: int,
    repeat: int,
    *aliases: str,
    first: Primitive | None = None,
) -> None:
    """Register a network for CIFAR."""

    def make(name: str, input: Input, classes: int) -> Architecture:
        return preact_cifar(name, block, width, repeat, input, classes, first)

    variant(name, paper, about, make, *aliases, input=CIFAR, classes=10)


_imagenet(
    "preact_resnet18",
    "Pre-activation ResNet-18, a depth that the paper does not have: 11,687,720 parameters.",
    PreactBasic(),
    (2, 2, 2, 2),
    64,
    "resnetv2_18",
)
_imagenet(
    "preact_resnet50",
    "Pre-activation ResNet-50 with the stride on the 3x3 convolutions: 25,549,352 parameters, 4.09 GMACs at 224.",
    PreactBottleneck(),
    (3, 4, 6, 3),
    256,
    "resnetv2_50",
    (Facts(0.81398, 0.95726, "timm a1h_in1k", 288),),
)
# Appendix: the activation before the first block stands before the two paths part. Where the width changes in the first
# block, as in all others here, its shortcut reads the activated input anyhow.
_cifar(
    "preact_resnet110",
    PREACT,
    "Pre-activation ResNet-110 for CIFAR: 1.7M parameters.",
    PreactBasic(),
    16,
    18,
    first=PreactBasic(shared=True),
)
_cifar("preact_resnet164", PREACT, "Pre-activation ResNet-164 for CIFAR: 1.7M parameters.", PreactBottleneck(), 64, 18)

for _depth, _widen, _millions in ((28, 10, "36.5"), (16, 8, "11.0"), (16, 4, "2.7"), (40, 4, "8.9")):
    # Table 1: depth is 6 * repeat + 4, the stages are 16, 32 and 64 times the widening factor; parameters as in table 4.
    _cifar(
        f"wrn_{_depth}_{_widen}",
        WIDE,
        f"WRN-{_depth}-{_widen} for CIFAR: {_millions}M parameters.",
        PreactBasic(),
        16 * _widen,
        (_depth - 4) // 6,
        f"wide_resnet{_depth}_{_widen}",
    )
