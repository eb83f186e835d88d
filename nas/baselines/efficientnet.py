"""EfficientNets: one network, scaled in width, depth and resolution."""

from __future__ import annotations

import math

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head, variant
from nas.baselines.registry import Facts, Scaled, Variant, scaled, timm, torchvision
from nas.ops import rounded
from nas.primitives import ConvNormAct, InvertedResidual

PAPER = "Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv 1905.11946, table 1"
# Expansion, kernel, width, repeats, stride of each stage of B0 (table 1).
B0 = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
# Width, depth, resolution, dropout of the variants (the released code; they are not quite powers of one coefficient).
COEFFICIENTS = (
    (1.0, 1.0, 224, 0.2),
    (1.0, 1.1, 240, 0.2),
    (1.1, 1.2, 260, 0.3),
    (1.2, 1.4, 300, 0.3),
    (1.4, 1.8, 380, 0.4),
    (1.6, 2.2, 456, 0.4),
    (1.8, 2.6, 528, 0.5),
    (2.0, 3.1, 600, 0.5),
)


def efficientnet(
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    input: Input = IMAGENET,
    classes: int = 1000,
    name: str = "efficientnet",
    eps: float = 1e-5,
    momentum: float = 0.1,
) -> Architecture:
    """EfficientNet-B0 `width` times as wide, rounded to multiples of 8, and `depth` times as deep, rounded up.

    Any coefficients will do: compound scaling (section 3.3) chooses them.
    """
    stages = tuple(
        (
            Block(
                InvertedResidual(t, k, "silu", 0.25, eps, momentum),
                rounded(c * width),
                s,
                # Rounded first, so that 2.2 * 5 layers are 11 and not 12.
                math.ceil(round(n * depth, 6)),
            ),
        )
        for t, k, c, n, s in B0
    )
    stem = (Block(ConvNormAct(3, "silu", eps=eps, momentum=momentum), rounded(32 * width), 2),)
    head = (Block(ConvNormAct(1, "silu", eps=eps, momentum=momentum), rounded(1280 * width)), *pooled_head(dropout))
    return Architecture(name, input, classes, stages, stem, head)


# Parameters, GMACs and the side they are counted at; top-1 and top-5 of torchvision's weights, there, and of the
# released weights as timm has them, at the published resolution.
PUBLISHED = (
    (5_288_548, 0.386, 224, 0.77692, 0.93532, 0.76882, 0.9327),
    (7_794_184, 0.687, 240, 0.78642, 0.94186, 0.7884, 0.94202),
    (9_109_994, 1.088, 288, 0.80608, 0.9531, 0.80074, 0.94906),
    (12_233_232, 1.827, 300, 0.82008, 0.96054, 0.81648, 0.95718),
    (19_341_616, 4.394, 380, 0.83384, 0.96594, 0.8304, 0.96298),
    (30_389_784, 10.266, 456, 0.83444, 0.96628, 0.83696, 0.96712),
    (43_040_704, 19.068, 528, 0.84008, 0.96916, 0.84124, 0.9689),
    (66_347_960, 37.746, 600, 0.84122, 0.96908, 0.84424, 0.96908),
)


def _register(number: int) -> None:
    width, depth, side, dropout = COEFFICIENTS[number]
    params, gmacs, counted, top1, top5, released1, released5 = PUBLISHED[number]
    # B5 to B7 were trained, and torchvision has them, with other norms.
    eps, momentum = (1e-3, 0.01) if number >= 5 else (1e-5, 0.1)
    name = f"efficientnet_b{number}"

    def make(name: str, input: Input, classes: int) -> Architecture:
        return efficientnet(width, depth, dropout, input, classes, name, eps, momentum)

    about = f"EfficientNet-B{number}: {params:,} parameters, {gmacs} GMACs at {counted}."
    facts = (
        Facts(top1, top5, "torchvision IMAGENET1K_V1", counted),
        Facts(released1, released5, "timm tf aa_in1k", side),
    )
    references = (torchvision(name), *([timm(name)] if number < 5 else []))
    aliases = ("efficientnet",) if number == 0 else ()
    variant(name, PAPER, about, make, *aliases, input=(3, side, side), facts=facts, references=references)


for _number in range(len(COEFFICIENTS)):
    _register(_number)
# Alpha, beta and gamma were found by a grid search on B0 (section 4.2).
_VARIANTS = [Variant(f"efficientnet_b{i}", depth, width, side) for i, (width, depth, side, _) in enumerate(COEFFICIENTS)]
scaled(Scaled((1.2, 1.1, 1.15), tuple(_VARIANTS)))
