"""GoogLeNet."""

from __future__ import annotations

from nas.arch import Architecture, Auxiliary, Block, Stage
from nas.baselines.common import IMAGENET, Input, last, pooled_head
from nas.baselines.registry import Facts, baseline, torchvision
from nas.primitives import AdaptivePooling, ConvNormAct, Flattening, Inception, LinearLayer, MaxPooling

PAPER = "Szegedy et al., Going Deeper with Convolutions, arXiv 1409.4842, table 1"
EPS = 1e-3
# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
WIDTHS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def _modules(*names: str) -> tuple[Block, ...]:
    return tuple(Block(Inception(WIDTHS[name], third=3, eps=EPS)) for name in names)


def _pool(kernel: int = 3) -> Block:
    return Block(MaxPooling(kernel, padding=0, ceil=True), None, 2)


def _auxiliary() -> Stage:
    """Pool to 4x4, 1x1 convolution to 128, a hidden layer of 1,024, classifier (section 5)."""
    hidden = Block(LinearLayer("relu", dropout=0.7), 1024)
    conv = Block(ConvNormAct(kernel=1, eps=EPS), 128)
    return (Block(AdaptivePooling(4)), conv, Block(Flattening()), hidden, Block(LinearLayer(), "classes"))


@baseline(
    "googlenet",
    PAPER,
    facts=(Facts(0.69778, 0.8953, "torchvision IMAGENET1K_V1"),),
    references=(torchvision("googlenet", last("aux1.", "aux2."), transform_input=False, init_weights=False),),
)
def googlenet(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """GoogLeNet with batch norm: 13,004,888 parameters, 6,624,904 without the two auxiliary heads, 1.498 GMACs at 224.

    The form whose counts are published has 3x3 convolutions where the paper's table has 5x5 ones.
    """
    stem = (
        Block(ConvNormAct(kernel=7, eps=EPS), 64, 2),
        _pool(),
        Block(ConvNormAct(kernel=1, eps=EPS), 64),
        Block(ConvNormAct(kernel=3, eps=EPS), 192),
        _pool(),
    )
    stages = (
        (*_modules("3a", "3b"), _pool()),
        _modules("4a"),
        _modules("4b", "4c", "4d"),
        (*_modules("4e"), _pool(kernel=2)),
        _modules("5a", "5b"),
    )
    aux = (Auxiliary(1, _auxiliary(), 0.3), Auxiliary(2, _auxiliary(), 0.3))
    return Architecture("googlenet", input, classes, stages, stem, pooled_head(dropout=0.2), aux=aux)
