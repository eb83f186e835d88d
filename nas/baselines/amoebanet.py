"""AmoebaNets."""

from __future__ import annotations

from nas.arch import Architecture
from nas.baselines.cells import TENSORFLOW, Genotype, Manner, Plan, cell_network
from nas.baselines.common import Input
from nas.baselines.registry import Facts, baseline
from nas.primitives import ConvNormAct, FactorizedConv, MaxPooling, Narrow, SeparableConv

PAPER = "Real et al., Regularized Evolution for Image Classifier Architecture Search, arXiv 1802.01548, figure 5"
A = Genotype(
    normal=(
        ("avg_pool_3x3", 1, "max_pool_3x3", 1),
        ("sep_conv_3x3", 0, "skip_connect", 0),
        ("skip_connect", 1, "avg_pool_3x3", 0),
        ("sep_conv_3x3", 1, "sep_conv_5x5", 2),
        ("avg_pool_3x3", 5, "sep_conv_3x3", 1),
    ),
    normal_output=(0, 3, 4, 6),
    reduction=(
        ("sep_conv_3x3", 0, "avg_pool_3x3", 1),
        ("max_pool_3x3", 1, "sep_conv_7x7", 2),
        ("max_pool_3x3", 0, "max_pool_3x3", 1),
        ("sep_conv_3x3", 4, "conv_1x7_7x1", 1),
        ("avg_pool_3x3", 0, "sep_conv_7x7", 1),
    ),
    reduction_output=(2, 3, 4, 5, 6),
)
B = Genotype(
    normal=(
        ("conv_1x1", 0, "max_pool_3x3", 0),
        ("skip_connect", 0, "sep_conv_3x3", 1),
        ("conv_1x1", 0, "sep_conv_3x3", 1),
        ("conv_1x1", 2, "skip_connect", 2),
        ("avg_pool_3x3", 0, "conv_1x1", 5),
    ),
    normal_output=(1, 3, 4, 6),
    reduction=(
        ("max_pool_2x2", 1, "max_pool_3x3", 1),
        ("skip_connect", 2, "conv_3x3", 0),
        ("dil_sep_conv_5x5", 2, "max_pool_3x3", 2),
        ("skip_connect", 3, "sep_conv_3x3", 0),
        ("avg_pool_3x3", 4, "conv_1x1", 3),
    ),
    reduction_output=(5, 6),
)
# Full convolutions are narrow in the released code.
NAMED = {
    **TENSORFLOW.named,
    "conv_1x7_7x1": Narrow(FactorizedConv(7)),
    "conv_3x3": Narrow(ConvNormAct(3, order="act")),
    "dil_sep_conv_5x5": SeparableConv(5, dilation=2),
    "max_pool_2x2": MaxPooling(2),
}
MANNER: Manner = TENSORFLOW._replace(named=NAMED)
IMAGE: Input = (3, 331, 331)
# ImageNet's networks are "(6, 190)": six normal cells a stage, 190 filters.
IMAGENET = Plan(190, 6, 32, imagenet=True, dropout=0.5)
CIFAR = Plan(36, 6, 108, dropout=0.5)
FACTS = (Facts(0.828, 0.961, "arXiv 1802.01548", 331),)


@baseline("amoebanet_a", PAPER, facts=FACTS)
def amoebanet_a(input: Input = IMAGE, classes: int = 1000) -> Architecture:
    """AmoebaNet-A (6, 190): 86.7M parameters without the auxiliary head, 23.1 GMACs at 331."""
    return cell_network("amoebanet_a", A, MANNER, IMAGENET, input, classes)


@baseline("amoebanet_b", PAPER)
def amoebanet_b(input: Input = IMAGE, classes: int = 1000) -> Architecture:
    """AmoebaNet-B (6, 190): 79.0M parameters without the auxiliary head, 21.0 GMACs at 331.

    At 512 filters it has the 557M of Huang et al., arXiv 1811.06965, at 36 on CIFAR the published 2.8M.
    """
    return cell_network("amoebanet_b", B, MANNER, IMAGENET, input, classes)


@baseline("amoebanet_a_cifar", PAPER)
def amoebanet_a_cifar(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """AmoebaNet-A (6, 36) for CIFAR: 3.2M parameters without the auxiliary head; 3.34% error."""
    return cell_network("amoebanet_a_cifar", A, MANNER, CIFAR, input, classes)


@baseline("amoebanet_b_cifar", PAPER)
def amoebanet_b_cifar(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """AmoebaNet-B (6, 36) for CIFAR: 2.8M parameters without the auxiliary head; 2.55% error with cutout."""
    return cell_network("amoebanet_b_cifar", B, MANNER, CIFAR, input, classes)
