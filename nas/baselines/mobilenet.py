"""MobileNets."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import baseline
from nas.primitives import ConvNormAct, InvertedResidual

V2 = "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv 1801.04381, table 2"
# Expansion, width, repeats, stride of each stage.
V2_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


@baseline("mobilenet_v2", V2, "mobilenetv2_100")
def mobilenet_v2(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """MobileNet-v2, multiplier 1: 3,504,872 parameters, 0.301 GMACs at 224."""
    stages = tuple((Block(InvertedResidual(t), c, s, n),) for t, c, n, s in V2_STAGES)
    stem = (Block(ConvNormAct(activation="relu6"), 32, 2),)
    head = (Block(ConvNormAct(kernel=1, activation="relu6"), 1280), *pooled_head(dropout=0.2))
    return Architecture("mobilenet_v2", input, classes, stages, stem, head)
