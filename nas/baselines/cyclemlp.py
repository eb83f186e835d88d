"""CycleMLPs."""

from __future__ import annotations

from functools import partial

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import IMAGENET, Input, pooled_head
from nas.baselines.registry import Facts, baseline
from nas.primitives import ConvNormAct, CycleMLP, Norm

PAPER = "Chen et al., CycleMLP: A MLP-like Architecture for Dense Prediction, arXiv 2107.10224, table 1"
NARROW, WIDE = (64, 128, 320, 512), (96, 192, 384, 768)
Four = tuple[int, int, int, int]
# Widths, depths, ratios of the MLPs of the four stages (released code).
SIZES: dict[str, tuple[Four, Four, Four]] = {
    "cyclemlp_b1": (NARROW, (2, 2, 4, 2), (4, 4, 4, 4)),
    "cyclemlp_b2": (NARROW, (2, 3, 10, 3), (4, 4, 4, 4)),
    "cyclemlp_b3": (NARROW, (3, 4, 18, 3), (8, 8, 4, 4)),
    "cyclemlp_b4": (NARROW, (3, 8, 27, 3), (8, 8, 4, 4)),
    "cyclemlp_b5": (WIDE, (3, 4, 24, 3), (4, 4, 4, 4)),
}
TOP1 = {"cyclemlp_b1": 0.789, "cyclemlp_b2": 0.816, "cyclemlp_b3": 0.824, "cyclemlp_b4": 0.83, "cyclemlp_b5": 0.832}
# torch's own constant.
EPS = 1e-5


def plain(kernel: int, padding: int) -> ConvNormAct:
    """A convolution with nothing after it."""
    return ConvNormAct(kernel, activation=None, norm=False, padding=padding)


def cyclemlp(
    name: str, widths: Four, depths: Four, ratios: Four, input: Input = IMAGENET, classes: int = 1000
) -> Architecture:
    """Overlapping patches, four stages with a strided convolution between each two, norm, mean over pixels, classifier."""
    stages: list[Stage] = []
    for number, (width, depth, ratio) in enumerate(zip(widths, depths, ratios, strict=True)):
        reduce = (Block(plain(3, 1), width, 2),) if number else ()
        stages.append((*reduce, Block(CycleMLP(ratio=float(ratio), eps=EPS), width, 1, depth)))
    stem = (Block(plain(7, 2), widths[0], 4),)
    return Architecture(name, input, classes, tuple(stages), stem, (Block(Norm(kind="layer", eps=EPS)), *pooled_head()))


for _name, _sizes in SIZES.items():
    _facts = (Facts(TOP1[_name], None, "arXiv 2107.10224"),)
    baseline(_name, PAPER, facts=_facts)(partial(cyclemlp, _name, *_sizes))
