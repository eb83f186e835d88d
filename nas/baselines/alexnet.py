"""AlexNet, in two towers and in one."""

from __future__ import annotations

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import IMAGENET, Input
from nas.baselines.registry import Facts, baseline, torchvision
from nas.primitives import AdaptivePooling, ConvNormAct, DropoutLayer, Flattening, LinearLayer, LocalNorm, MaxPooling

TWO_TOWERS = "Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012, section 3"
ONE_TOWER = "Krizhevsky, One Weird Trick for Parallelizing Convolutional Neural Networks, arXiv 1404.5997"
POOL = Block(MaxPooling(3, padding=0), None, 2)


def conv(width: int, kernel: int, stride: int = 1, padding: int | None = None, groups: int = 1) -> Block:
    """Convolution with bias and ReLU, no norm."""
    return Block(ConvNormAct(kernel=kernel, norm=False, padding=padding, groups=groups), width, stride)


def hidden(dropout: float = 0.0) -> Block:
    """A layer of 4,096, ReLU, dropout if any."""
    return Block(LinearLayer("relu", dropout), 4096)


@baseline(
    "alexnet",
    ONE_TOWER,
    facts=(Facts(0.56522, 0.79066, "torchvision IMAGENET1K_V1"),),
    references=(torchvision("alexnet"),),
)
def alexnet(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """AlexNet in one tower: 61,100,840 parameters, 0.714 GMACs at 224."""
    stages: tuple[Stage, ...] = (
        (conv(64, 11, 4, padding=2), POOL),
        (conv(192, 5), POOL),
        (conv(384, 3), conv(256, 3), conv(256, 3), POOL),
    )
    flat = (Block(AdaptivePooling(6)), Block(Flattening()), Block(DropoutLayer()))
    head = (*flat, hidden(dropout=0.5), hidden(), Block(LinearLayer(), "classes"))
    return Architecture("alexnet", input, classes, stages, head=head)


@baseline(
    "alexnet_two_tower", TWO_TOWERS, facts=(Facts(0.593, 0.818, "Krizhevsky et al., table 2, ten crops", 227, "ten crops"),)
)
def alexnet_two_tower(input: Input = (3, 227, 227), classes: int = 1000) -> Architecture:
    """AlexNet on two graphics cards: 60,965,224 parameters, 0.724 GMACs at 227.

    Convolutions 2, 4 and 5 see only the half of the maps that lies on their card: two groups. The response is
    normalised behind the pools, as it is mostly taught; the paper does it before them, at the same cost.
    """
    norm = Block(LocalNorm())
    stages: tuple[Stage, ...] = (
        (conv(96, 11, 4, padding=0), POOL, norm),
        (conv(256, 5, groups=2), POOL, norm),
        (conv(384, 3), conv(384, 3, groups=2), conv(256, 3, groups=2), POOL),
    )
    head = (Block(Flattening()), hidden(dropout=0.5), hidden(dropout=0.5), Block(LinearLayer(), "classes"))
    return Architecture("alexnet_two_tower", input, classes, stages, head=head)
