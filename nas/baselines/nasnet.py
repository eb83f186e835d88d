"""NASNet-A."""

from __future__ import annotations

from nas.arch import Architecture
from nas.baselines.cells import TENSORFLOW, Genotype, Plan, arrange, cell_network
from nas.baselines.common import Input
from nas.baselines.registry import Facts, baseline, timm

PAPER = "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, arXiv 1707.07012, figure 4"
GENOTYPE = Genotype(
    normal=(
        ("sep_conv_5x5", 1, "sep_conv_3x3", 0),
        ("sep_conv_5x5", 0, "sep_conv_3x3", 0),
        ("avg_pool_3x3", 1, "skip_connect", 0),
        ("avg_pool_3x3", 0, "avg_pool_3x3", 0),
        ("sep_conv_3x3", 1, "skip_connect", 1),
    ),
    normal_output=(0, 2, 3, 4, 5, 6),
    reduction=(
        ("sep_conv_5x5", 1, "sep_conv_7x7", 0),
        ("max_pool_3x3", 1, "sep_conv_7x7", 0),
        ("avg_pool_3x3", 1, "sep_conv_5x5", 0),
        ("skip_connect", 3, "avg_pool_3x3", 2),
        ("sep_conv_3x3", 2, "max_pool_3x3", 1),
    ),
    reduction_output=(3, 4, 5, 6),
)
# The weights that are public outside TensorFlow go with strided average pools that count their padding.
COUNTED = TENSORFLOW._replace(strided={"count_padding": True})


LARGE = (Facts(0.827, 0.962, "arXiv 1707.07012", 331), Facts(0.82638, 0.96066, "timm tf_in1k", 331))


@baseline("nasnet_a_large", PAPER, "nasnetalarge", facts=LARGE, references=(timm("nasnetalarge", arrange),))
def nasnet_a_large(input: Input = (3, 331, 331), classes: int = 1000) -> Architecture:
    """NASNet-A 6 @ 4032: 88,753,150 parameters without the auxiliary head, 23.8 GMACs at 331."""
    # The first normal cell behind a reduction reads what the reduction read (released code).
    plan = Plan(4032 // 24, 6, 96, imagenet=True, after_reduction=(3, 1), dropout=0.5)
    return cell_network("nasnet_a_large", GENOTYPE, COUNTED, plan, input, classes)


@baseline("nasnet_a_mobile", PAPER, "nasnetamobile", facts=(Facts(0.74, 0.916, "arXiv 1707.07012"),))
def nasnet_a_mobile(input: Input = (3, 224, 224), classes: int = 1000) -> Architecture:
    """NASNet-A 4 @ 1056: 5,289,978 parameters without the auxiliary head, 564 MMACs at 224."""
    plan = Plan(1056 // 24, 4, 32, imagenet=True, dropout=0.5)
    return cell_network("nasnet_a_mobile", GENOTYPE, TENSORFLOW, plan, input, classes)


@baseline("nasnet_a_cifar", PAPER)
def nasnet_a_cifar(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """NASNet-A 6 @ 768 for CIFAR: 3.3M parameters without the auxiliary head; 2.65% error with cutout."""
    plan = Plan(768 // 24, 6, 96, dropout=0.5)
    return cell_network("nasnet_a_cifar", GENOTYPE, TENSORFLOW, plan, input, classes)
