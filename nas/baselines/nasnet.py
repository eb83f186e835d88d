"""NASNet-A."""

from __future__ import annotations

from typing import Literal

from nas.arch import Architecture, Auxiliary, Block, Cell, Stage, Use
from nas.arch.codec import operation
from nas.baselines.common import Input, pooled_head
from nas.baselines.registry import baseline
from nas.primitives import ActivationLayer, AveragePooling, CellGraph, CellNode, ConvNormAct, Edge, Flattening, LinearLayer

PAPER = "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, arXiv 1707.07012, figure 4"
EPS = 1e-3
# Left operation and state, right operation and state of each node; state 0 is the earlier input, 1 the later.
NORMAL = (
    ("sep_conv_5x5", 1, "sep_conv_3x3", 0),
    ("sep_conv_5x5", 0, "sep_conv_3x3", 0),
    ("avg_pool_3x3", 1, "skip_connect", 0),
    ("avg_pool_3x3", 0, "avg_pool_3x3", 0),
    ("sep_conv_3x3", 1, "skip_connect", 1),
)
REDUCTION = (
    ("sep_conv_5x5", 1, "sep_conv_7x7", 0),
    ("max_pool_3x3", 1, "sep_conv_7x7", 0),
    ("avg_pool_3x3", 1, "sep_conv_5x5", 0),
    ("skip_connect", 3, "avg_pool_3x3", 2),
    ("sep_conv_3x3", 2, "max_pool_3x3", 1),
)


def cell(nodes: tuple[tuple[str, int, str, int], ...], output: tuple[int, ...], first: Literal["adapt", "raw"]) -> CellGraph:
    """A cell of two-input sums."""
    made = tuple(CellNode((Edge(operation(left), i), Edge(operation(right), j))) for left, i, right, j in nodes)
    return CellGraph(made, output, first=first)


CELLS = (
    Cell("normal", cell(NORMAL, (0, 2, 3, 4, 5, 6), "raw")),
    Cell("reduction", cell(REDUCTION, (3, 4, 5, 6), "raw")),
)


def _auxiliary() -> Stage:
    """ReLU, 5x5 average pool of stride 3, 1x1 to 128, full-size convolution to 768, classifier (released code)."""
    return (
        Block(ActivationLayer()),
        Block(AveragePooling(5, padding=0), None, 3),
        Block(ConvNormAct(kernel=1), 128),
        Block(Flattening()),
        Block(LinearLayer("relu"), 768),
        Block(LinearLayer(), "classes"),
    )


def nasnet_a(
    name: str, repeats: int, penultimate: int, stem: int, imagenet: bool, input: Input, classes: int, aux: bool = True
) -> Architecture:
    """NASNet-A "`repeats` @ `penultimate`": filters F = penultimate / 24, doubled at each reduction.

    On ImageNet two reduction cells at F/4 and F/2 follow a strided stem convolution (section 3 and released code).
    """
    filters = penultimate // 24
    lead: tuple[Stage, ...] = ()
    if imagenet:
        lead = ((Block(Use("reduction"), filters // 4, 2), Block(Use("reduction"), filters // 2, 2)),)
    stages = (
        *lead,
        (Block(Use("normal"), filters, 1, repeats),),
        (Block(Use("reduction"), 2 * filters, 2), Block(Use("normal"), 2 * filters, 1, repeats)),
        (Block(Use("reduction"), 4 * filters, 2), Block(Use("normal"), 4 * filters, 1, repeats)),
    )
    conv = ConvNormAct(activation=None, padding=0 if imagenet else None, eps=EPS)
    head = (Block(ActivationLayer()), *pooled_head(dropout=0.5))
    heads = (Auxiliary(len(stages) - 2, _auxiliary(), 0.4),) if aux else ()
    return Architecture(name, input, classes, stages, (Block(conv, stem, 2 if imagenet else 1),), head, CELLS, heads)


@baseline("nasnet_a_large", PAPER, "nasnetalarge")
def nasnet_a_large(input: Input = (3, 331, 331), classes: int = 1000) -> Architecture:
    """NASNet-A 6 @ 4032: 88,753,150 parameters without the auxiliary head, 23.8 GMACs at 331."""
    return nasnet_a("nasnet_a_large", 6, 4032, 96, True, input, classes)


@baseline("nasnet_a_mobile", PAPER, "nasnetamobile")
def nasnet_a_mobile(input: Input = (3, 224, 224), classes: int = 1000) -> Architecture:
    """NASNet-A 4 @ 1056: 5.3M parameters without the auxiliary head, 564 MMACs at 224."""
    return nasnet_a("nasnet_a_mobile", 4, 1056, 32, True, input, classes)


@baseline("nasnet_a_cifar", PAPER)
def nasnet_a_cifar(input: Input = (3, 32, 32), classes: int = 10) -> Architecture:
    """NASNet-A 6 @ 768 for CIFAR: 3.3M parameters without the auxiliary head."""
    return nasnet_a("nasnet_a_cifar", 6, 768, 96, False, input, classes)
