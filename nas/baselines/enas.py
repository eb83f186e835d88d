"""ENAS, the cell found in the micro space."""

from __future__ import annotations

from nas.arch import Architecture
from nas.baselines.cells import Genotype, Manner, Plan, cell_network
from nas.baselines.common import Input
from nas.baselines.registry import baseline
from nas.primitives import FactorizedReduction, SkipConnect

PAPER = "Pham et al., Efficient Neural Architecture Search via Parameter Sharing, arXiv 1802.03268, figure 6"
GENOTYPE = Genotype(
    normal=(
        ("avg_pool_3x3", 0, "sep_conv_3x3", 0),
        ("skip_connect", 0, "sep_conv_5x5", 0),
        ("skip_connect", 0, "sep_conv_5x5", 1),
        ("sep_conv_3x3", 1, "sep_conv_5x5", 0),
        ("avg_pool_3x3", 0, "sep_conv_5x5", 1),
    ),
    normal_output=(2, 3, 4, 5, 6),
    reduction=(
        ("sep_conv_3x3", 1, "sep_conv_3x3", 1),
        ("max_pool_3x3", 0, "avg_pool_3x3", 0),
        ("sep_conv_5x5", 1, "sep_conv_5x5", 3),
        ("sep_conv_3x3", 1, "skip_connect", 0),
        ("max_pool_3x3", 0, "sep_conv_5x5", 1),
    ),
    reduction_output=(2, 4, 5, 6),
)
# A strided identity is a factorised reduction without ReLU (released code).
IDENTITY = SkipConnect(FactorizedReduction(activation=None))
MANNER = Manner({"padding": "same"}, named={"skip_connect": IDENTITY}, base=True)


@baseline("enas_micro", PAPER)
def enas_micro(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """20 cells of 36 filters for CIFAR: 4.6M parameters without the auxiliary head; 2.89% error with cutout.

    Six normal cells a stage give the published count; the released script has five, 3.9M.
    """
    return cell_network("enas_micro", GENOTYPE, MANNER, Plan(36, 6, 108, aux=2, dropout=0.2), input, classes)
