"""ZFNet."""

from __future__ import annotations

from nas.arch import Architecture, Block, Stage
from nas.baselines.alexnet import conv, hidden
from nas.baselines.common import IMAGENET, Input
from nas.baselines.registry import Facts, baseline
from nas.primitives import Flattening, LinearLayer, LocalNorm, MaxPooling

PAPER = "Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, arXiv 1311.2901, figure 3 and table 2"
# The last window may hang over the edge: 110 to 55, 26 to 13 and 13 to 6 as in figure 3.
POOL = Block(MaxPooling(3, padding=0, ceil=True), None, 2)


@baseline("zfnet", PAPER, facts=(Facts(0.625, 0.84, "Zeiler & Fergus, table 2, ten crops", extra="ten crops"),))
def zfnet(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """ZFNet with 512, 1,024 and 512 maps in convolutions 3 to 5: 107,627,624 parameters, 2.48 GMACs at 224.

    The paper's best single network, (b) of its table 2; the one drawn in its figure 3 has 384, 384 and 256 there.
    """
    norm = Block(LocalNorm())
    stages: tuple[Stage, ...] = (
        (conv(96, 7, 2, padding=1), POOL, norm),
        (conv(256, 5, 2, padding=0), POOL, norm),
        (conv(512, 3), conv(1024, 3), conv(512, 3), POOL),
    )
    head = (Block(Flattening()), hidden(dropout=0.5), hidden(dropout=0.5), Block(LinearLayer(), "classes"))
    return Architecture("zfnet", input, classes, stages, head=head)
