"""gMLPs."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, timm
from nas.primitives import GatedMLP, Norm, Patches

PAPER = "Liu et al., Pay Attention to MLPs, arXiv 2105.08050, table 1"
# Table 1: the width; what the network costs at 224. All have 30 blocks and patches of 16 pixels.
WIDTHS = {
    "gmlp_ti": (128, "gMLP-Ti: 5,867,328 parameters, 1.3 GMACs at 224."),
    "gmlp_s": (256, "gMLP-S: 19,422,656 parameters, 4.4 GMACs at 224."),
    "gmlp_b": (512, "gMLP-B: 73,075,392 parameters, 15.7 GMACs at 224."),
}
FACTS = {"gmlp_s": (Facts(0.79652, 0.94624, "timm ra3_in1k"),)}


def gmlp(name: str, width: int, input: Input, classes: int) -> Architecture:
    """Patches, 30 gated MLPs, norm, mean over tokens, classifier."""
    stages = ((Block(GatedMLP(), width, 1, 30),),)
    return Architecture(name, input, classes, stages, (Block(Patches(16), width),), (Block(Norm()), *pooled_head()))


def _register(name: str, width: int, about: str) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return gmlp(name, width, input, classes)

    theirs = f"{name}16_224"
    variant(name, PAPER, about, make, theirs, facts=FACTS.get(name, ()), references=(timm(theirs),))


for _name, _row in WIDTHS.items():
    _register(_name, *_row)
