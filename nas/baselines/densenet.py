"""DenseNet."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, imagenet_stem, pooled_head
from nas.baselines.registry import baseline
from nas.primitives import DenseLayers, DenseTransition, Norm

PAPER = "Huang et al., Densely Connected Convolutional Networks, arXiv 1608.06993, table 1"


def densenet(name: str, layers: tuple[int, ...], growth: int, stem: int, input: Input, classes: int) -> Architecture:
    """Dense stages with a transition between each two, which halves width and size."""
    stages = [
        (Block(DenseLayers(n, growth)), *((Block(DenseTransition(), None, 2),) if i < len(layers) - 1 else ()))
        for i, n in enumerate(layers)
    ]
    head = (Block(Norm("relu")), *pooled_head())
    return Architecture(name, input, classes, tuple(stages), imagenet_stem(stem), head)


@baseline("densenet121", PAPER)
def densenet121(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """DenseNet-121, growth 32: 7,978,856 parameters, 2.834 GMACs at 224."""
    return densenet("densenet121", (6, 12, 24, 16), 32, 64, input, classes)
