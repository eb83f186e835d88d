"""RegNets: widths that rise along a line, quantised so that stages come out."""

from __future__ import annotations

import itertools
import math

from nas.arch import Architecture, Block
from nas.baselines.common import Input, behind, pooled_head, variant
from nas.baselines.registry import Facts, timm, torchvision
from nas.ops import rounded
from nas.primitives import ConvNormAct, RegNetBlock

PAPER = "Radosavovic et al., Designing Network Design Spaces, arXiv 2003.13678, tables 2 and 3"


def regnet_stages(depth: int, initial: int, slope: float, step: float, group: int) -> list[tuple[int, int, int]]:
    """Width, depth and group width of each stage (equations 2 to 4).

    Block j of `depth` wants `initial` + `slope` * j channels; it gets `initial` times the nearest power of `step`, as a
    multiple of 8. Blocks of one width are a stage. Then each width is made a multiple of the group width.
    """
    wanted = [initial + slope * j for j in range(depth)]
    powers = [round(math.log(width / initial) / math.log(step)) for width in wanted]
    widths = [round(initial * step**power / 8) * 8 for power in powers]
    stages = [(width, len(list(blocks))) for width, blocks in itertools.groupby(widths)]
    return [(rounded(width, min(group, width)), n, min(group, width)) for width, n in stages]


def regnet(
    name: str, depth: int, initial: int, slope: float, step: float, group: int, se: float, input: Input, classes: int
) -> Architecture:
    """RegNetX, or RegNetY where there is squeeze-excite (`se` 0.25)."""
    stages = tuple(
        (Block(RegNetBlock(each, se), width, 2, n),)
        for width, n, each in regnet_stages(depth, initial, slope, step, group)
    )
    return Architecture(name, input, classes, stages, (Block(ConvNormAct(), 32, 2),), pooled_head())


# Depth, initial width, slope, step, group width (the released configurations); timm's name; parameters, GMACs at 224;
# top-1 and top-5 of torchvision's weights, version 1 and 2.
X = {
    "400mf": (22, 24, 24.48, 2.54, 16, "004_tv", 5_495_976, 0.414, 0.72834, 0.9095, 0.74864, 0.92322),
    "800mf": (16, 56, 35.73, 2.28, 16, "008", 7_259_656, 0.800, 0.75212, 0.92348, 0.77522, 0.93826),
    "1_6gf": (18, 80, 34.01, 2.25, 24, "016", 9_190_136, 1.603, 0.7704, 0.9344, 0.79668, 0.94922),
    "3_2gf": (25, 88, 26.31, 2.25, 48, "032", 15_296_552, 3.177, 0.78364, 0.93992, 0.81196, 0.9543),
    "8gf": (23, 80, 49.56, 2.88, 120, "080", 39_572_648, 7.995, 0.79344, 0.94686, 0.81682, 0.95678),
    "16gf": (22, 216, 55.59, 2.1, 128, "160", 54_278_536, 15.941, 0.80058, 0.94944, 0.82716, 0.96196),
    "32gf": (23, 320, 69.86, 2.0, 168, "320", 107_811_560, 31.736, 0.80622, 0.95248, 0.83014, 0.96288),
}
Y = {
    "400mf": (16, 48, 27.89, 2.09, 8, "004", 4_344_144, 0.402, 0.74046, 0.91716, 0.75804, 0.92742),
    "800mf": (14, 56, 38.84, 2.4, 16, "008_tv", 6_432_512, 0.834, 0.7642, 0.93136, 0.78828, 0.94502),
    "1_6gf": (27, 48, 20.71, 2.65, 24, "016", 11_202_430, 1.612, 0.7795, 0.93966, 0.80876, 0.95444),
    "3_2gf": (21, 80, 42.63, 2.66, 24, "032", 19_436_338, 3.176, 0.78948, 0.94576, 0.81982, 0.95972),
    "8gf": (17, 192, 76.82, 2.19, 56, "080_tv", 39_381_472, 8.473, 0.80032, 0.95048, 0.82828, 0.9633),
    "16gf": (18, 200, 106.23, 2.48, 112, "160", 83_590_140, 15.912, 0.80424, 0.9524, 0.82886, 0.96328),
    "32gf": (20, 232, 115.89, 2.53, 232, "320", 145_046_770, 32.280, 0.80878, 0.9534, 0.83368, 0.96498),
}


def _register(
    kind: str, size: str, row: tuple[int, int, float, float, int, str, int, float, float, float, float, float]
) -> None:
    depth, initial, slope, step, group, theirs, params, gmacs, top1, top5, newer1, newer5 = row

    def make(name: str, input: Input, classes: int) -> Architecture:
        return regnet(name, depth, initial, slope, step, group, 0.25 if kind == "y" else 0.0, input, classes)

    name, other = f"regnet_{kind}_{size}", f"regnet{kind}_{theirs}"
    about = f"RegNet{kind.upper()}-{size.replace('_', '.').upper()}: {params:,} parameters, {gmacs:.3f} GMACs at 224."
    facts = (Facts(top1, top5, "torchvision IMAGENET1K_V1"), Facts(newer1, newer5, "torchvision IMAGENET1K_V2"))
    # torchvision keeps the shortcut of a block before its body.
    references = (torchvision(name, behind("proj")), timm(other))
    variant(name, PAPER, about, make, other, facts=facts, references=references)


for _kind, _sizes in (("x", X), ("y", Y)):
    for _size, _row in _sizes.items():
        _register(_kind, _size, _row)
