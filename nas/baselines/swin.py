"""Swin transformers."""

from __future__ import annotations

from nas.arch import Architecture, Block, Stage
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, timm, torchvision
from nas.primitives import Norm, Patches, PatchMerging, Sequential, Step, WindowTransformer

PAPER = "Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, arXiv 2103.14030"
# Width of the first stage, blocks of the third, accuracy, name in timm; what the network costs at 224 (section 3.3).
SIZES = {
    "t": (96, 6, (0.81474, 0.95776), "tiny", "28,288,354 parameters, 4.491 GMACs"),
    "s": (96, 18, (0.83196, 0.9636), "small", "49,606,258 parameters, 8.741 GMACs"),
    "b": (128, 18, (0.83582, 0.9664), "base", "87,768,224 parameters, 15.431 GMACs"),
}
# A block and one whose windows are shifted.
PAIR = Sequential((Step(WindowTransformer()), Step(WindowTransformer(shifted=True))))
EPS = 1e-5


def swin(name: str, width: int, third: int, input: Input, classes: int) -> Architecture:
    """Patches of 4 pixels and norm, four stages of twice the width each, norm, mean over pixels, classifier."""
    stages: list[Stage] = []
    for number, depth in enumerate((2, 2, third, 2)):
        wide = width * 2**number
        merge = (Block(PatchMerging(), wide, 2),) if number else ()
        stages.append((*merge, Block(PAIR, wide, 1, depth // 2)))
    norm = Block(Norm(kind="layer", eps=EPS))
    stem = (Block(Patches(4, flat=False), width), norm)
    return Architecture(name, input, classes, tuple(stages), stem, (norm, *pooled_head()))


def arrange(keys: list[str]) -> list[str]:
    """The bias of positions behind queries, keys and values; the linear map of a merging behind its norm."""
    late = {".attn.qkv.bias": ".attn.relative_position_bias_table", ".norm.bias": ".reduction.weight"}
    left_out = (".relative_position_index", *late.values())
    placed = []
    for key in keys:
        if not key.endswith(left_out):
            placed.append(key)
        placed += [key.removesuffix(end) + other for end, other in late.items() if key.endswith(end)]
    return [key for key in placed if key in set(keys)]


def _register(size: str, width: int, third: int, accuracy: tuple[float, float], long: str, costs: str) -> None:
    here, there = f"swin_{size}", f"swin_{long}_patch4_window7_224"

    def make(name: str, input: Input, classes: int) -> Architecture:
        return swin(name, width, third, input, classes)

    facts = (Facts(*accuracy, "torchvision IMAGENET1K_V1"),)
    references = (torchvision(here, arrange), timm(there, arrange))
    about = f"Swin-{size.upper()}: {costs} at 224."
    variant(here, PAPER, about, make, there, facts=facts, references=references)


for _size, _row in SIZES.items():
    _register(_size, *_row)
