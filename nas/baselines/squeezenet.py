"""SqueezeNets."""

from __future__ import annotations

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import IMAGENET, Input
from nas.baselines.registry import Facts, baseline, torchvision
from nas.primitives import ConvNormAct, DropoutLayer, Fire, GlobalPooling, MaxPooling

PAPER = "Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, arXiv 1602.07360, table 1"
POOL = Block(MaxPooling(padding=0, ceil=True), None, 2)


def squeezenet(name: str, stem: Stage, stages: tuple[tuple[int, ...], ...], input: Input, classes: int) -> Architecture:
    """Fire modules of these widths, a pool between each two stages; a 1x1 convolution as classifier, then the mean."""
    made = [
        (*[Block(Fire(), width) for width in widths], *((POOL,) if i < len(stages) - 1 else ()))
        for i, widths in enumerate(stages)
    ]
    head = (Block(DropoutLayer(0.5)), Block(ConvNormAct(1, norm=False), "classes"), Block(GlobalPooling()))
    return Architecture(name, input, classes, tuple(made), (*stem, POOL), head)


@baseline(
    "squeezenet1_0",
    PAPER,
    facts=(Facts(0.58092, 0.8042, "torchvision IMAGENET1K_V1"),),
    references=(torchvision("squeezenet1_0"),),
)
def squeezenet1_0(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """SqueezeNet 1.0: 1,248,424 parameters, 0.819 GMACs at 224."""
    stem = (Block(ConvNormAct(7, norm=False, padding=0), 96, 2),)
    return squeezenet("squeezenet1_0", stem, ((128, 128, 256), (256, 384, 384, 512), (512,)), input, classes)


@baseline(
    "squeezenet1_1",
    PAPER + "; the authors' later release",
    facts=(Facts(0.58178, 0.80624, "torchvision IMAGENET1K_V1"),),
    references=(torchvision("squeezenet1_1"),),
)
def squeezenet1_1(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """SqueezeNet 1.1, whose pools stand earlier: 1,235,496 parameters, 0.349 GMACs at 224."""
    stem = (Block(ConvNormAct(3, norm=False, padding=0), 64, 2),)
    return squeezenet("squeezenet1_1", stem, ((128, 128), (256, 256), (384, 384, 512, 512)), input, classes)
