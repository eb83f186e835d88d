"""MnasNets."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head, variant
from nas.baselines.registry import Facts, baseline, timm, torchvision
from nas.ops import rounded
from nas.primitives import ConvNormAct, InvertedResidual

PAPER = "Tan et al., MnasNet: Platform-Aware Neural Architecture Search for Mobile, arXiv 1807.11626, figure 7"
# Expansion, kernel, width, repeats, stride of each stage of B1; the first has no expansion.
B1 = (
    (1, 3, 16, 1, 1),
    (3, 3, 24, 3, 2),
    (3, 5, 40, 3, 2),
    (6, 5, 80, 3, 2),
    (6, 3, 96, 2, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
# The same and squeeze-excite ratio of A1 (figure 7).
A1 = (
    (1, 3, 16, 1, 1, 0.0),
    (6, 3, 24, 2, 2, 0.0),
    (3, 5, 40, 3, 2, 0.25),
    (6, 3, 80, 4, 2, 0.0),
    (6, 3, 112, 2, 1, 0.25),
    (6, 5, 160, 3, 2, 0.25),
    (6, 3, 320, 1, 1, 0.0),
)
# 1 - 0.9997, the released code's decay of the norms' statistics.
MOMENTUM = 0.0003


def conv(kernel: int) -> ConvNormAct:
    """Convolution, norm and ReLU."""
    return ConvNormAct(kernel, momentum=MOMENTUM)


def mnasnet(name: str, multiplier: float, input: Input, classes: int) -> Architecture:
    """MnasNet-B1, all widths but the last times `multiplier`."""
    stages = tuple(
        (Block(InvertedResidual(t, k, "relu", momentum=MOMENTUM), rounded(c * multiplier), s, n),)
        for t, k, c, n, s in B1
    )
    head = (Block(conv(1), 1280), *pooled_head(dropout=0.2))
    return Architecture(name, input, classes, stages, (Block(conv(3), rounded(32 * multiplier), 2),), head)


def _register(name: str, multiplier: float, top1: float, top5: float, about: str, *theirs: str) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return mnasnet(name, multiplier, input, classes)

    facts = (Facts(top1, top5, "torchvision IMAGENET1K_V1"),)
    references = (torchvision(name), *[timm(each) for each in theirs])
    variant(name, PAPER, about, make, *theirs, facts=facts, references=references)


_register(
    "mnasnet0_5",
    0.5,
    0.67734,
    0.8749,
    "MnasNet-B1, multiplier 0.5: 2,218,512 parameters, 0.104 GMACs at 224.",
    "mnasnet_050",
)
_register(
    "mnasnet0_75",
    0.75,
    0.7118,
    0.90496,
    "MnasNet-B1, multiplier 0.75: 3,170,208 parameters, 0.215 GMACs at 224.",
    "mnasnet_075",
)
_register("mnasnet1_0", 1.0, 0.73456, 0.9151, "MnasNet-B1: 4,383,312 parameters, 0.314 GMACs at 224.", "mnasnet_100")
_register("mnasnet1_3", 1.3, 0.76506, 0.93522, "MnasNet-B1, multiplier 1.3: 6,282,256 parameters, 0.526 GMACs at 224.")


@baseline(
    "semnasnet_100",
    PAPER,
    "mnasnet_a1",
    facts=(Facts(0.75452, 0.92608, "timm rmsp_in1k"),),
    references=(timm("semnasnet_100"),),
)
def semnasnet_100(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """MnasNet-A1, which has squeeze-excite in some stages: 3,887,038 parameters, 0.32 GMACs at 224."""
    stages = tuple((Block(InvertedResidual(t, k, "relu", se, momentum=MOMENTUM), c, s, n),) for t, k, c, n, s, se in A1)
    head = (Block(conv(1), 1280), *pooled_head(dropout=0.2))
    return Architecture("semnasnet_100", input, classes, stages, (Block(conv(3), 32, 2),), head)
