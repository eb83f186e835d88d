"""LeNet-5."""

from __future__ import annotations

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import Input
from nas.baselines.registry import baseline
from nas.primitives import AveragePooling, ConvNormAct, Flattening, LinearLayer

PAPER = "LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 86(11), 1998, figure 2"


def _stage(width: int) -> Stage:
    """A 5x5 convolution without padding, and 2x2 subsampling."""
    conv = ConvNormAct(kernel=5, activation="tanh", norm=False, padding=0)
    return (Block(conv, width), Block(AveragePooling(2), None, 2))


@baseline("lenet5", PAPER, "lenet")
def lenet5(input: Input = (1, 32, 32), classes: int = 10) -> Architecture:
    """LeNet-5 as it is drawn nowadays: 61,706 parameters, 416,520 multiply-adds at 32.

    The paper's own has 60,000: each of its sixteen maps of the second convolution reads some of the six below only
    (table 1), its subsampling has a learned scale and offset, and its last layer measures distances to fixed codes.
    """
    hidden = LinearLayer("tanh")
    head = (Block(Flattening()), Block(hidden, 120), Block(hidden, 84), Block(LinearLayer(), "classes"))
    return Architecture("lenet5", input, classes, (_stage(6), _stage(16)), head=head)
