"""Leaf operations: about two dozen, each with its shape, parameters, multiply-adds and torch module in one place."""

from nas.ops.activation import ACTIVATIONS, Activation, Dropout, DropPath
from nas.ops.base import LEAVES, Frozen, Leaf, frozen
from nas.ops.conv import Conv, Pad
from nas.ops.linear import Attention, Linear
from nas.ops.merge import Add, Concat, Multiply
from nas.ops.norm import BatchNorm, LayerNorm
from nas.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool
from nas.ops.shapes import Map, Pair, Shape, Tokens, Vector, pair
from nas.ops.tokens import ClassToken, Flatten, PickToken, Positions, ToMap, ToTokens, Transpose

__all__ = [
    "ACTIVATIONS", "LEAVES", "Activation", "AdaptivePool", "Add", "Attention", "AvgPool", "BatchNorm", "ClassToken",
    "Concat", "Conv", "DropPath", "Dropout", "Flatten", "Frozen", "GlobalPool", "LayerNorm", "Leaf", "Linear", "Map",
    "MaxPool", "Multiply", "Pad", "Pair", "PickToken", "Positions", "Shape", "ToMap", "ToTokens", "Tokens", "Transpose",
    "Vector", "frozen", "pair",
]  # fmt: skip
