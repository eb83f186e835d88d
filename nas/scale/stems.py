"""What of a network of cells depends on the size of its images: the stem, and the auxiliary head."""

from __future__ import annotations

import math
from typing import Literal

from nas.arch import Block, Stage, lower
from nas.baselines.cells import auxiliary
from nas.baselines.common import pooled_head
from nas.baselines.stack import Side, Stack, large_entry, large_stem, small_stem
from nas.errors import ArchitectureError
from nas.primitives import ActivationLayer, CellGraph, ConvNormAct
from nas.scale.cells import filters, width

Stem = Literal["imagenet", "cifar"]
# Images whose shorter side has so many pixels get the stem of ImageNet, behind which maps have an eighth of the side.
LARGE_SIDE = 96
# A stem that makes the map so many times smaller is one for large images.
LARGE_SHRINK = 4
# Width of that stem's convolution in NASNet-A mobile and AmoebaNet, whatever their filters (released code).
LARGE_STEM = 32
# Filters of CIFAR's stem by those of the first cell, in NASNet, ENAS and DARTS (released code).
SMALL_STEM = 3
# What reduces the map in a network that has nothing of its own for it.
REDUCTION = Block(ConvNormAct(), 1, 2)


def stem_for(input: tuple[int, int, int]) -> Stem:
    """The kind of stem for images of this size."""
    return "imagenet" if min(input[1:]) >= LARGE_SIDE else "cifar"


def with_stem(stack: Stack, kind: Stem) -> Stack:
    """The stack with a stem of this kind; its own, where that is one.

    Otherwise its first convolution, in the form of the paper, and for `imagenet` what reduces the map before its second
    group, twice.
    """
    own: Stem = "imagenet" if math.prod(item.stride for item in (*stack.stem, *stack.entry)) >= LARGE_SHRINK else "cifar"
    if own == kind:
        return stack
    conv = next((item.op for item in stack.stem if isinstance(item.op, ConvNormAct)), ConvNormAct(activation=None))
    wide = filters(stack)
    if kind == "cifar":
        return stack._replace(stem=small_stem(conv, SMALL_STEM * wide), entry=())
    front, whole = next(((group.front, width(group.cell)) for group in stack.groups if group.front), ((REDUCTION,), 1))
    return stack._replace(stem=large_stem(conv, LARGE_STEM), entry=large_entry(front, whole, wide))


def with_side(stack: Stack, aux: bool) -> Stack:
    """The stack with an auxiliary head or without.

    Where it has none the head comes 2/3 of the way, at the end of the last group but one. It is its own head, or the
    paper's, where that fits the map; else one that begins with the mean over all pixels. Raises `ArchitectureError`
    where the network without it does not fit.
    """
    bare = stack._replace(side=None)
    lower(bare.architecture())
    if not aux:
        return bare
    eps = next((cell.op.eps for cell in stack.cells if isinstance(cell.op, CellGraph)), 1e-5)
    side = stack.side or Side(max(0, len(stack.groups) - 2), 0, auxiliary(eps))
    made = stack._replace(side=side)
    try:
        lower(made.architecture())
    except ArchitectureError:
        return stack._replace(side=side._replace(head=pooled(eps)))
    return made


def pooled(eps: float) -> Stage:
    """An auxiliary head for a map of any size."""
    return (Block(ActivationLayer()), Block(ConvNormAct(kernel=1, eps=eps), 128), *pooled_head())
