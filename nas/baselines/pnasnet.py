"""PNASNet-5."""

from __future__ import annotations

from nas.arch import Architecture
from nas.baselines.cells import TENSORFLOW, Genotype, Plan, arrange, cell_network
from nas.baselines.common import Input
from nas.baselines.registry import Facts, baseline, timm

PAPER = "Liu et al., Progressive Neural Architecture Search, arXiv 1712.00559, figure 1"
# One cell; where it reduces, edges from the inputs have a stride.
NODES = (
    ("sep_conv_5x5", 0, "max_pool_3x3", 0),
    ("sep_conv_7x7", 1, "max_pool_3x3", 1),
    ("sep_conv_5x5", 1, "sep_conv_3x3", 1),
    ("sep_conv_3x3", 4, "max_pool_3x3", 1),
    ("sep_conv_3x3", 0, "skip_connect", 1),
)
GENOTYPE = Genotype(NODES, (2, 3, 4, 5, 6), NODES, (2, 3, 4, 5, 6))
FACTS = (Facts(0.829, 0.962, "arXiv 1712.00559", 331), Facts(0.82814, 0.96032, "timm tf_in1k", 331))


@baseline("pnasnet_5_large", PAPER, "pnasnet5large", facts=FACTS, references=(timm("pnasnet5large", arrange),))
def pnasnet_5_large(input: Input = (3, 331, 331), classes: int = 1000) -> Architecture:
    """PNASNet-5 of N = 4, F = 216: 86,057,668 parameters without the auxiliary head, 25.0 GMACs at 331."""
    plan = Plan(216, 4, 96, imagenet=True, replaces=True, dropout=0.5)
    return cell_network("pnasnet_5_large", GENOTYPE, TENSORFLOW, plan, input, classes)
