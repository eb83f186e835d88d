"""ResNet and its squeeze-excite form."""

from __future__ import annotations

from nas.arch import Architecture, Block, Primitive
from nas.baselines.common import IMAGENET, Input, imagenet_stem, pooled_head
from nas.baselines.registry import baseline, timm, torchvision
from nas.primitives import Bottleneck

RESNET = "He et al., Deep Residual Learning for Image Recognition, arXiv 1512.03385, table 1"
SENET = "Hu et al., Squeeze-and-Excitation Networks, arXiv 1709.01507, table 1"


def residual_network(name: str, block: Primitive, repeats: tuple[int, ...], width: int, input: Input, classes: int) -> Architecture:
    """Four stages, the width doubled and the size halved from one to the next."""
    stages = tuple((Block(block, width * 2**i, 1 if i == 0 else 2, n),) for i, n in enumerate(repeats))
    return Architecture(name, input, classes, stages, imagenet_stem(), pooled_head())


@baseline("resnet50", RESNET, references=(torchvision("resnet50"), timm("resnet50")))
def resnet50(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """ResNet-50 with the stride on the 3x3 convolutions (v1.5): 25,557,032 parameters, 4.089 GMACs at 224."""
    return residual_network("resnet50", Bottleneck(), (3, 4, 6, 3), 256, input, classes)


@baseline("se_resnet50", SENET, "seresnet50")
def se_resnet50(input: Input = IMAGENET, classes: int = 1000) -> Architecture:
    """SE-ResNet-50 with reduction 16: 28,088,024 parameters."""
    return residual_network("se_resnet50", Bottleneck(se=16), (3, 4, 6, 3), 256, input, classes)
