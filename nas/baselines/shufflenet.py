"""ShuffleNets, versions 1 and 2."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, torchvision
from nas.primitives import ConvNormAct, MaxPooling, ShuffleUnit, ShuffleUnitV2

V1 = "Zhang et al., ShuffleNet: An Extremely Efficient CNN for Mobile Devices, arXiv 1707.01083, table 1"
V2 = "Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, arXiv 1807.11164, table 5"
REPEATS = (4, 8, 4)
STEM = (Block(ConvNormAct(), 24, 2), Block(MaxPooling(), None, 2))


def shufflenet_v1(name: str, groups: int, width: int, input: Input, classes: int) -> Architecture:
    """Three stages, the width doubled from one to the next; the very first 1x1 convolution has no groups."""
    unit = ShuffleUnit(groups)
    first = (Block(ShuffleUnit(groups, first_groups=1), width, 2), Block(unit, width, 1, REPEATS[0] - 1))
    later = [(Block(unit, width * 2**i, 2, REPEATS[i]),) for i in (1, 2)]
    return Architecture(name, input, classes, (first, *later), STEM, pooled_head())


def shufflenet_v2(name: str, widths: tuple[int, ...], last: int, input: Input, classes: int) -> Architecture:
    """Three stages of these widths and a 1x1 convolution to `last`."""
    stages = tuple((Block(ShuffleUnitV2(), width, 2, n),) for width, n in zip(widths, REPEATS, strict=True))
    return Architecture(name, input, classes, stages, STEM, (Block(ConvNormAct(1), last), *pooled_head()))


def _v1(groups: int, width: int, about: str, *facts: Facts) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return shufflenet_v1(name, groups, width, input, classes)

    about = f"ShuffleNet-v1 1x with {groups} group{'s' if groups > 1 else ''}: {about} at 224."
    variant(f"shufflenet_v1_g{groups}", V1, about, make, facts=facts)


def _v2(times: str, widths: tuple[int, ...], last: int, about: str, top1: float, top5: float) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return shufflenet_v2(name, widths, last, input, classes)

    name = f"shufflenet_v2_x{times}"
    facts = (Facts(top1, top5, "torchvision IMAGENET1K_V1"),)
    variant(name, V2, f"ShuffleNet-v2: {about} at 224.", make, facts=facts, references=(torchvision(name),))


_PAPER, _CODE = "arXiv 1707.01083, table 2", "released code"
_v1(1, 144, "1,531,936 parameters, 0.143 GMACs", Facts(0.664, None, _PAPER))
_v1(2, 200, "1,733,848 parameters, 0.141 GMACs", Facts(0.673, None, _PAPER))
_v1(3, 240, "1,865,728 parameters, 0.138 GMACs", Facts(0.674, None, _PAPER), Facts(0.678, 0.877, _CODE))
_v1(4, 272, "1,968,344 parameters, 0.134 GMACs", Facts(0.672, None, _PAPER))
_v1(8, 384, "2,434,768 parameters, 0.138 GMACs", Facts(0.676, None, _PAPER), Facts(0.680, 0.864, _CODE))
_v2("0_5", (48, 96, 192), 1024, "1,366,792 parameters, 0.040 GMACs", 0.60552, 0.81746)
_v2("1_0", (116, 232, 464), 1024, "2,278,604 parameters, 0.145 GMACs", 0.69362, 0.88316)
_v2("1_5", (176, 352, 704), 1024, "3,503,624 parameters, 0.296 GMACs", 0.72996, 0.91086)
_v2("2_0", (244, 488, 976), 2048, "7,393,996 parameters, 0.583 GMACs", 0.7623, 0.93006)
