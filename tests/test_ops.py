"""Every registered leaf under the shipped contract."""

from __future__ import annotations

import pytest
import torch

from nas.errors import ArchitectureError
from nas.ops import LEAVES, AdaptivePool, Add, Attention, BatchNorm, Concat, Conv, Dropout, Leaf, Linear, Map, MaxPool, Pad, Tokens, Vector
from nas.ops.base import frozen
from nas.ops.code import expression
from nas.testing import ops as kit

CASES = [(leaf, shapes) for _, kind in LEAVES.items() for leaf, shapes in kit.examples(kind)]


@pytest.mark.parametrize(("leaf", "shapes"), CASES, ids=lambda value: str(value) if isinstance(value, Leaf) else "x".join(map(str, value)))
def test_contract(leaf, shapes):
    kit.check(leaf, *shapes)


def test_examples_cover_every_leaf():
    assert {leaf.name for leaf, _ in CASES} == set(LEAVES.names())


def test_a_leaf_without_an_example_is_reported():
    @frozen
    class Lonely(Leaf):
        size: int
        name = "lonely"

    with pytest.raises(AssertionError, match=r"'lonely' has no example .* needs the fields \['size'\]"):
        kit.examples(Lonely)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (("params", lambda self, x: 1), "parameters"),
        (("macs", lambda self, x: 1), "floating point operations"),
        (("shape", lambda self, x: Map(1, 1, 1)), "shape of the output"),
        (("overwrites", True), "overwrites"),
        (("expression", lambda self, x: expression("{0} * 2.0")), "its code"),
    ],
)
def test_the_kit_finds_a_leaf_that_lies(method, says):
    liar = type("Liar", (Conv,), {"__module__": __name__, method[0]: method[1]})
    globals()["Liar"] = liar
    with pytest.raises(AssertionError, match=says):
        kit.check(liar(8), Map(6, 8, 7))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Conv(0), "width=0; allowed: 1 to"),
        (lambda: Conv(10**9), "width=1000000000; allowed: 1 to"),
        (lambda: Conv(8, stride=(0, 1)), "stride=0; allowed"),
        (lambda: Conv(8, padding=(-1, 0)), "padding=-1; allowed"),
        (lambda: Conv(True), "width=True; allowed"),
        (lambda: Conv(32, groups=7).shape(Map(32, 8, 8)), "groups=7 does not divide width 32 to 32; allowed: 1, 2, 4, 8, 16, 32"),
        (lambda: Conv(8, (9, 9)).shape(Map(3, 8, 8)), "kernel 9x9, padding .* does not fit a map 3x8x8; allowed"),
        (lambda: Conv(8).shape(Vector(3)), "conv got 3; allowed: a map"),
        (lambda: MaxPool((3, 3), padding=(2, 2)), "padding=2 of a pool of kernel 3; allowed: 0 to 1"),
        (lambda: MaxPool((9, 9), ceil=True).shape(Map(3, 4, 4)), "does not fit a map 3x4x4"),
        (lambda: AdaptivePool((0, 1)), "size=0; allowed"),
        (lambda: Pad((-4, -4), (0, 0)).shape(Map(3, 8, 8)), "leaves nothing of a map 3x8x8"),
        (lambda: Linear(4).shape(Map(3, 8, 8)), "linear got 3x8x8; allowed: a vector or tokens"),
        (lambda: Attention(5).shape(Tokens(4, 24)), "heads=5 does not divide width 8; allowed: 1, 2, 4, 8"),
        (lambda: Attention(1).shape(Tokens(4, 8)), "queries, keys and values"),
        (lambda: Add().shape(Map(3, 8, 8), Map(4, 8, 8)), "add got 3x8x8, 4x8x8; allowed: inputs of one shape"),
        (lambda: Add().shape(Map(3, 8, 8), Vector(3)), "add got"),
        (lambda: Concat().shape(Map(3, 8, 8), Map(3, 8, 7)), "differ in width only"),
        (lambda: Dropout(1.5), "rate=1.5; allowed: 0 to 0.99"),
        (lambda: BatchNorm(eps=float("nan")), "eps=nan; allowed"),
    ],
)
def test_what_is_not_allowed(make, says):
    with pytest.raises(ArchitectureError, match=says):
        make()


def test_average_pool_does_not_count_padding():
    (pool,) = {leaf for leaf, _ in kit.EXAMPLES["avg_pool"] if leaf.padding == (1, 1) and leaf.ceil}
    assert torch.allclose(pool.module(Map(1, 7, 7))(torch.ones(1, 1, 7, 7)), torch.ones(1, 1, 4, 4))
