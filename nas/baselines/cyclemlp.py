"""CycleMLPs."""

from __future__ import annotations

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts
from nas.primitives import ConvNormAct, CycleMLP, Norm

PAPER = "Chen et al., CycleMLP: A MLP-like Architecture for Dense Prediction, arXiv 2107.10224, table 1"
NARROW, WIDE = (64, 128, 320, 512), (96, 192, 384, 768)
Four = tuple[int, int, int, int]
# Widths, depths, ratios of the MLPs of the four stages (released code); published top-1; what it costs at 224.
SIZES: dict[str, tuple[Four, Four, Four, float, str]] = {
    "cyclemlp_b1": (NARROW, (2, 2, 4, 2), (4, 4, 4, 4), 0.789, "15.2M parameters, 2.1 GMACs"),
    "cyclemlp_b2": (NARROW, (2, 3, 10, 3), (4, 4, 4, 4), 0.816, "26.8M parameters, 3.9 GMACs"),
    "cyclemlp_b3": (NARROW, (3, 4, 18, 3), (8, 8, 4, 4), 0.824, "38.4M parameters, 6.8 GMACs"),
    "cyclemlp_b4": (NARROW, (3, 8, 27, 3), (8, 8, 4, 4), 0.83, "51.8M parameters, 10.0 GMACs"),
    "cyclemlp_b5": (WIDE, (3, 4, 24, 3), (4, 4, 4, 4), 0.832, "75.7M parameters, 12.2 GMACs"),
}
# torch's own constant.
EPS = 1e-5


def plain(kernel: int, padding: int) -> ConvNormAct:
    """A convolution with nothing after it."""
    return ConvNormAct(kernel, activation=None, norm=False, padding=padding)


def cyclemlp(name: str, widths: Four, depths: Four, ratios: Four, input: Input, classes: int) -> Architecture:
    """Overlapping patches, four stages, a strided convolution between each two, norm, mean over pixels, classifier."""
    stages: list[Stage] = []
    for number, (width, depth, ratio) in enumerate(zip(widths, depths, ratios, strict=True)):
        reduce = (Block(plain(3, 1), width, 2),) if number else ()
        stages.append((*reduce, Block(CycleMLP(ratio=float(ratio), eps=EPS), width, 1, depth)))
    stem = (Block(plain(7, 2), widths[0], 4),)
    return Architecture(name, input, classes, tuple(stages), stem, (Block(Norm(kind="layer", eps=EPS)), *pooled_head()))


def _register(name: str, widths: Four, depths: Four, ratios: Four, top1: float, costs: str) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return cyclemlp(name, widths, depths, ratios, input, classes)

    about = f"CycleMLP-{name[-2:].upper()}: {costs} at 224."
    variant(name, PAPER, about, make, facts=(Facts(top1, None, "arXiv 2107.10224"),))


for _name, _row in SIZES.items():
    _register(_name, *_row)
