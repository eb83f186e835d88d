"""What the families share."""

from __future__ import annotations

from nas.arch import Block, Stage
from nas.primitives import ConvNormAct, DropoutLayer, GlobalPooling, LinearLayer, MaxPooling

Input = tuple[int, int, int]
IMAGENET: Input = (3, 224, 224)


def pooled_head(dropout: float = 0.0) -> Stage:
    """Global average pool, dropout if any, classifier."""
    drop = (Block(DropoutLayer(dropout)),) if dropout else ()
    return (Block(GlobalPooling()), *drop, Block(LinearLayer(), "classes"))


def imagenet_stem(width: int = 64) -> Stage:
    """7x7 convolution of stride 2 and 3x3 max pool of stride 2."""
    return (Block(ConvNormAct(kernel=7), width, 2), Block(MaxPooling(), None, 2))
