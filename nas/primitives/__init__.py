"""Primitives: blocks and cell operations made of leaves, one file a family. Importing this package registers them all."""

from nas.primitives.basic import (
    ActivationLayer,
    AdaptivePooling,
    AveragePooling,
    ConvNormAct,
    DropoutLayer,
    FactorizedReduction,
    Flattening,
    GlobalPooling,
    LinearLayer,
    MaxPooling,
    Norm,
    SkipConnect,
)
from nas.primitives.cell import CellGraph, CellNode, Edge
from nas.primitives.composite import Branches, Residual, Sequential, Step
from nas.primitives.dense import DenseBlock, DenseLayers, DenseTransition
from nas.primitives.inception import Inception
from nas.primitives.mobile import InvertedResidual
from nas.primitives.residual import BasicResidual, Bottleneck, SqueezeExcite
from nas.primitives.separable import DepthwiseSeparable, FactorizedConv, SeparableConv
from nas.primitives.transformer import (
    AttentionOverPositions,
    Mixer,
    MixerOverPositions,
    Patches,
    PickClassToken,
    Transformer,
)

__all__ = [
    "ActivationLayer", "AdaptivePooling", "AttentionOverPositions", "AveragePooling", "BasicResidual", "Bottleneck", "Branches",
    "CellGraph", "CellNode", "ConvNormAct", "DenseBlock", "DenseLayers", "DenseTransition", "DepthwiseSeparable",
    "DropoutLayer", "Edge", "FactorizedConv", "FactorizedReduction", "Flattening", "GlobalPooling", "Inception",
    "InvertedResidual", "LinearLayer", "MaxPooling", "Mixer", "MixerOverPositions", "Norm", "Patches", "PickClassToken",
    "Residual", "SeparableConv", "Sequential", "SkipConnect", "SqueezeExcite", "Step", "Transformer",
]  # fmt: skip
