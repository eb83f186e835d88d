"""ResMLPs."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, pooled_head, variant
from nas.baselines.registry import Facts, timm
from nas.primitives import Mixer, Norm, Patches

PAPER = "Touvron et al., ResMLP: Feedforward networks for image classification, arXiv 2105.03404, section 3"
# Patch size, width, depth, the first value of layer scale, the smaller the deeper the network; what it costs at 224.
SIZES = {
    "resmlp_12": (16, 384, 12, 1e-4, "15,350,872 parameters, 3.0 GMACs"),
    "resmlp_24": (16, 384, 24, 1e-5, "30,020,680 parameters, 6.0 GMACs"),
    "resmlp_36": (16, 384, 36, 1e-6, "44,690,488 parameters, 8.9 GMACs"),
    "resmlp_big_24": (8, 768, 24, 1e-6, "129,138,280 parameters, 100.2 GMACs"),
}
FACTS = {
    "resmlp_12": Facts(0.77948, 0.9357, "timm fb_distilled_in1k"),
    "resmlp_24": Facts(0.80766, 0.9522, "timm fb_distilled_in1k"),
    "resmlp_36": Facts(0.8115, 0.95508, "timm fb_distilled_in1k"),
    "resmlp_big_24": Facts(0.83594, 0.96658, "timm fb_distilled_in1k"),
}
# timm's layer scales and the tensors behind which each is used.
SCALES = {".linear_tokens.bias": ".ls1", ".mlp_channels.fc2.bias": ".ls2"}


def resmlp(name: str, patch: int, width: int, depth: int, scale: float, input: Input, classes: int) -> Architecture:
    """Patches, `depth` layers of a linear map across tokens and an MLP, affine norm, mean, classifier."""
    block = Mixer(token_ratio=None, norm="affine", scale=scale)
    head = (Block(Norm(kind="affine")), *pooled_head())
    return Architecture(name, input, classes, ((Block(block, width, 1, depth),),), (Block(Patches(patch), width),), head)


def arrange(keys: list[str]) -> list[str]:
    """Each layer scale behind the map that it scales."""
    placed = []
    for key in keys:
        if not key.endswith(tuple(SCALES.values())):
            placed.append(key)
        placed += [key.removesuffix(end) + scale for end, scale in SCALES.items() if key.endswith(end)]
    return placed


def _register(name: str, patch: int, width: int, depth: int, scale: float, costs: str) -> None:
    def make(name: str, input: Input, classes: int) -> Architecture:
        return resmlp(name, patch, width, depth, scale, input, classes)

    about, theirs = f"ResMLP of {depth} layers, patches of {patch} pixels: {costs} at 224.", f"{name}_224"
    variant(name, PAPER, about, make, theirs, facts=(FACTS[name],), references=(timm(theirs, arrange),))


for _name, _row in SIZES.items():
    _register(_name, *_row)
