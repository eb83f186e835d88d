"""DenseNet."""

from __future__ import annotations

from nas.arch import Architecture, Block
from nas.baselines.common import Input, imagenet_stem, pooled_head, variant
from nas.baselines.registry import Facts, timm, torchvision
from nas.primitives import ConvNormAct, DenseLayers, DenseTransition, Norm

PAPER = "Huang et al., Densely Connected Convolutional Networks, arXiv 1608.06993, table 1"
CIFAR = "Huang et al., Densely Connected Convolutional Networks, arXiv 1608.06993, section 3 and table 2"


def densenet(name: str, layers: tuple[int, ...], growth: int, stem: int, input: Input, classes: int) -> Architecture:
    """Dense stages with a transition between each two, which halves width and size."""
    stages = [
        (Block(DenseLayers(n, growth)), *((Block(DenseTransition(), None, 2),) if i < len(layers) - 1 else ()))
        for i, n in enumerate(layers)
    ]
    head = (Block(Norm("relu")), *pooled_head())
    return Architecture(name, input, classes, tuple(stages), imagenet_stem(stem), head)


def densenet_cifar(name: str, layers: int, growth: int, input: Input, classes: int) -> Architecture:
    """Three dense stages of `layers` layers each behind a 3x3 convolution to twice the growth (section 3)."""
    dense, transition = Block(DenseLayers(layers, growth)), Block(DenseTransition(), None, 2)
    stem = (Block(ConvNormAct(activation=None, norm=False, bias=False), 2 * growth),)
    stages = ((dense, transition), (dense, transition), (dense,))
    return Architecture(name, input, classes, stages, stem, (Block(Norm("relu")), *pooled_head()))


def _imagenet(name: str, about: str, layers: tuple[int, ...], growth: int, stem: int, top1: float, top5: float) -> None:
    """Register a network for ImageNet."""

    def make(name: str, input: Input, classes: int) -> Architecture:
        return densenet(name, layers, growth, stem, input, classes)

    facts = (Facts(top1, top5, "torchvision IMAGENET1K_V1"),)
    variant(name, PAPER, about, make, facts=facts, references=(torchvision(name), timm(name)))


_imagenet(
    "densenet121",
    "DenseNet-121, growth 32: 7,978,856 parameters, 2.834 GMACs at 224.",
    (6, 12, 24, 16),
    32,
    64,
    0.74434,
    0.91972,
)
_imagenet(
    "densenet161",
    "DenseNet-161, growth 48: 28,681,000 parameters, 7.728 GMACs at 224.",
    (6, 12, 36, 24),
    48,
    96,
    0.77138,
    0.9356,
)
_imagenet(
    "densenet169",
    "DenseNet-169, growth 32: 14,149,480 parameters, 3.36 GMACs at 224.",
    (6, 12, 32, 32),
    32,
    64,
    0.756,
    0.92806,
)
_imagenet(
    "densenet201",
    "DenseNet-201, growth 32: 20,013,928 parameters, 4.291 GMACs at 224.",
    (6, 12, 48, 32),
    32,
    64,
    0.76896,
    0.9337,
)
variant(
    "densenet_bc_100_12",
    CIFAR,
    "DenseNet-BC for CIFAR, 100 layers, growth 12: 0.8M parameters.",
    # Each layer has two convolutions, and four stand outside of the stages: (100 - 4) / 6 layers a stage.
    lambda name, input, classes: densenet_cifar(name, 16, 12, input, classes),
    input=(3, 32, 32),
    classes=10,
)
