"""The shipped spaces, each against what was published about it."""

from __future__ import annotations

import pytest
import torch

from nas import spaces
from nas.ops import Map, Zero

# Operations by number as in `choices`, edges 0>1 0>2 1>2 0>3 1>3 2>3; parameters and multiply-adds of the benchmark's own table
# for CIFAR-10 (Dong & Yang, arXiv 2001.00326), which counts each of the classifier's ten biases as a multiply-add.
NAS_BENCH_201 = [
    ((4, 2, 1, 2, 1, 1), 129_306, 15_647_370),
    ((3, 3, 4, 1, 3, 1), 802_426, 113_951_370),
    ((3, 3, 3, 1, 3, 2), 1_073_466, 153_272_970),  # the best
    ((3, 3, 3, 3, 3, 3), 1_531_546, 220_119_690),
    ((4, 1, 0, 0, 0, 1), 73_306, 7_783_050),
    ((1, 3, 0, 1, 4, 2), 344_346, 47_104_650),
]


@pytest.mark.parametrize(("cell", "params", "macs"), NAS_BENCH_201)
def test_nas_bench_201_costs_what_the_table_says(cell, params, macs):
    space = spaces.load("nas-bench-201")
    assert space.count() == 15_625
    decisions = {name: options[number] for (name, options), number in zip(space.choices.items(), cell, strict=True)}
    cost = space.decode(decisions).cost()
    assert (cost.params, cost.macs) == (params, macs - 10)


def test_the_decisions_of_nas_bench_201_are_those_of_the_table():
    choices = spaces.load("nas-bench-201").choices
    assert list(choices) == ["0>1", "0>2", "1>2", "0>3", "1>3", "2>3"]
    assert set(choices.values()) == {("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")}


@pytest.mark.parametrize("size", [32, 17, 5])
def test_nas_bench_201_at_any_size_of_image(size):
    space = spaces.load("nas-bench-201").with_input((3, size, size), 4)
    network = space.decode(dict.fromkeys(space.choices, "none")).build()
    assert network(torch.randn(2, 3, size, size)).shape == (2, 4)


def test_an_operation_that_is_not_there_passes_nothing():
    assert not Zero(8, 2).module(Map(5, 7, 7))(torch.randn(2, 5, 7, 7)).any()
