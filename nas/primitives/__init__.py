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
from nas.primitives.composite import Branches, Narrow, Residual, Sequential, Step
from nas.primitives.convnext import ConvNeXtBlock
from nas.primitives.dense import DenseBlock, DenseLayers, DenseTransition
from nas.primitives.fire import Fire
from nas.primitives.inception import Inception
from nas.primitives.layers import Layer, LayerGraph
from nas.primitives.local import LocalNorm
from nas.primitives.mixed import Mixed
from nas.primitives.mobile import InvertedResidual
from nas.primitives.preact import PreactBasic, PreactBottleneck
from nas.primitives.regnet import RegNetBlock
from nas.primitives.residual import BasicResidual, Bottleneck, SqueezeExcite
from nas.primitives.separable import DepthwiseSeparable, FactorizedConv, SeparableConv
from nas.primitives.shift import CycleMLP, SpatialShift
from nas.primitives.shuffle import ShuffleUnit, ShuffleUnitV2
from nas.primitives.statespace import StateSpace, StateSpaceOverPositions
from nas.primitives.transformer import (
    AttentionOverPositions,
    GatedMLP,
    Mixer,
    MixerOverPositions,
    Patches,
    PickClassToken,
    Transformer,
)
from nas.primitives.window import PatchMerging, WindowTransformer
from nas.primitives.zero import NoConnection

__all__ = [
    "ActivationLayer", "AdaptivePooling", "AttentionOverPositions", "AveragePooling", "BasicResidual", "Bottleneck",
    "Branches", "CellGraph", "CellNode", "ConvNeXtBlock", "ConvNormAct", "CycleMLP", "DenseBlock", "DenseLayers",
    "DenseTransition", "DepthwiseSeparable", "DropoutLayer", "Edge", "FactorizedConv", "FactorizedReduction", "Fire",
    "Flattening", "GatedMLP", "GlobalPooling", "Inception", "InvertedResidual", "Layer", "LayerGraph", "LinearLayer",
    "LocalNorm", "MaxPooling", "Mixed", "Mixer", "MixerOverPositions", "Narrow", "NoConnection", "Norm", "PatchMerging",
    "Patches", "PickClassToken", "PreactBasic", "PreactBottleneck", "RegNetBlock", "Residual", "SeparableConv",
    "Sequential", "ShuffleUnit", "ShuffleUnitV2", "SkipConnect", "SpatialShift", "SqueezeExcite", "StateSpace",
    "StateSpaceOverPositions", "Step", "Transformer", "WindowTransformer",
]  # fmt: skip
