"""DARTS."""

from __future__ import annotations

from nas.arch import Architecture
from nas.baselines.cells import Genotype, Manner, Nodes, Plan, cell_network
from nas.baselines.common import Input
from nas.baselines.registry import baseline

PAPER = "Liu et al., DARTS: Differentiable Architecture Search, arXiv 1806.09055, table 1"


def _genotype(normal: Nodes, reduction: Nodes) -> Genotype:
    return Genotype(normal, (2, 3, 4, 5), reduction, (2, 3, 4, 5))


# 20 cells of 36 filters, the auxiliary head on the second reduction cell.
PLAN = Plan(36, 6, 108, aux=1, activation=None)
# Found by the first and by the second order approximation (released code).
GENOTYPES = {
    "darts_v1": _genotype(
        (
            ("sep_conv_3x3", 1, "sep_conv_3x3", 0),
            ("skip_connect", 0, "sep_conv_3x3", 1),
            ("skip_connect", 0, "sep_conv_3x3", 1),
            ("sep_conv_3x3", 0, "skip_connect", 2),
        ),
        (
            ("max_pool_3x3", 0, "max_pool_3x3", 1),
            ("skip_connect", 2, "max_pool_3x3", 0),
            ("max_pool_3x3", 0, "skip_connect", 2),
            ("skip_connect", 2, "avg_pool_3x3", 0),
        ),
    ),
    "darts_v2": _genotype(
        (
            ("sep_conv_3x3", 0, "sep_conv_3x3", 1),
            ("sep_conv_3x3", 0, "sep_conv_3x3", 1),
            ("sep_conv_3x3", 1, "skip_connect", 0),
            ("skip_connect", 0, "dil_conv_3x3", 2),
        ),
        (
            ("max_pool_3x3", 0, "max_pool_3x3", 1),
            ("skip_connect", 2, "max_pool_3x3", 1),
            ("max_pool_3x3", 0, "skip_connect", 2),
            ("skip_connect", 2, "max_pool_3x3", 1),
        ),
    ),
}




@baseline("darts_v1", PAPER)
def darts_v1(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """DARTS, first order, for CIFAR: 3,169,414 parameters without the auxiliary head; 3.00% error with cutout."""
    return cell_network("darts_v1", GENOTYPES["darts_v1"], Manner(), PLAN, input, classes)


@baseline("darts_v2", PAPER)
def darts_v2(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """DARTS, second order, for CIFAR: 3,349,342 parameters without the auxiliary head; 2.76% error with cutout."""
    return cell_network("darts_v2", GENOTYPES["darts_v2"], Manner(), PLAN, input, classes)
