"""Leaf operations: about two dozen, each with its shape, parameters, multiply-adds and code in one place."""

from nas.ops.activation import ACTIVATIONS, Activation, Dropout, DropPath
from nas.ops.base import LEAVES, Frozen, Leaf, frozen
from nas.ops.channels import Affine, Channels, LayerScale, Scale, Shuffle
from nas.ops.code import Call, Expression, call, expression
from nas.ops.conv import Conv, Pad
from nas.ops.linear import Attention, Linear
from nas.ops.merge import Add, Blend, Concat, Multiply
from nas.ops.mix import Mix
from nas.ops.norm import BatchNorm, LayerNorm, LocalResponseNorm
from nas.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool
from nas.ops.scan import SelectiveScan
from nas.ops.shapes import POINT, Map, Pair, Reach, Shape, Tokens, Vector, pair, rounded
from nas.ops.shift import Shift
from nas.ops.tokens import ClassToken, Flatten, PickToken, Positions, Reverse, ToMap, ToTokens, Transpose
from nas.ops.window import SpaceToDepth, WindowAttention
from nas.ops.zero import Zero

__all__ = [
    "ACTIVATIONS", "LEAVES", "POINT", "Activation", "AdaptivePool", "Add", "Affine", "Attention", "AvgPool",
    "BatchNorm", "Blend", "Call", "Channels", "ClassToken", "Concat", "Conv", "DropPath", "Dropout", "Expression", "Flatten", "Frozen",
    "GlobalPool", "LayerNorm", "LayerScale", "Leaf", "Linear", "LocalResponseNorm", "Map", "MaxPool", "Mix", "Multiply",
    "Pad", "Pair", "PickToken", "Positions", "Reach", "Reverse", "Scale", "SelectiveScan", "Shape", "Shift",
    "Shuffle", "SpaceToDepth", "ToMap", "ToTokens", "Tokens", "Transpose", "Vector", "WindowAttention", "Zero", "call", "expression",
    "frozen", "pair", "rounded",
]  # fmt: skip
