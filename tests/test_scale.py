"""The same network wider, narrower, deeper, shallower."""

from __future__ import annotations

import pytest

import nas
from nas.errors import ArchitectureError, NasError
from nas.scale import resize, round_width
from nas.testing import architectures as kit


@pytest.mark.parametrize("name", nas.baselines.names())
@pytest.mark.parametrize(("width", "depth"), [(0.25, 1.0), (0.5, 0.5), (1.0, 0.3), (2.0, 1.0), (1.0, 2.0)])
def test_every_baseline_at_any_width_and_depth(name, width, depth):
    architecture = nas.load(name)
    made = resize(architecture, width, depth)
    kit.check_yaml(made)
    before, after = architecture.cost(), made.cost()
    if width == 1.0 and all(block.repeat == 1 for stage in architecture.stages for block in stage) and made == architecture:
        return  # its blocks all differ and stand once: there is nothing to be deeper or shallower by
    if width <= 1.0 and depth <= 1.0:
        assert after.params < before.params
        assert after.macs < before.macs
    else:
        assert after.params > before.params
        assert after.macs > before.macs


@pytest.mark.parametrize("name", nas.baselines.names())
def test_width_alone_changes_no_layer_but_its_width(name):
    architecture = nas.load(name)
    before, after = architecture.cost().layers, resize(architecture, width=0.5).cost().layers
    # A projection may come or go where widths meet or part by rounding; nothing else does.
    assert abs(len(before) - len(after)) <= 0.05 * len(before)
    if name in ("resnet50", "vit_b16", "mixer_b16", "googlenet", "mobilenet_v2"):
        assert [layer.place for layer in before] == [layer.place for layer in after]


def test_factors_of_one_return_the_network_itself():
    architecture = nas.load("resnet50")
    assert resize(architecture) is architecture
    assert resize(architecture, 1.0, 1.0) is architecture


def test_depth_scales_repeats_and_leaves_single_blocks():
    half = resize(nas.load("resnet50"), depth=0.5)
    assert [stage[0].repeat for stage in half.stages] == [2, 2, 3, 2]
    assert [block.repeat for block in resize(nas.load("nasnet_a_cifar"), depth=0.5).stages[1]] == [1, 3]
    assert [stage[0].op.layers for stage in resize(nas.load("densenet121"), depth=0.5).stages] == [3, 6, 12, 8]


def test_width_scales_all_widths():
    half = resize(nas.load("resnet50"), width=0.5)
    assert [stage[0].width for stage in half.stages] == [128, 256, 512, 1024]
    assert half.stem[0].width == 32
    assert half.head == nas.load("resnet50").head


def test_width_stays_a_multiple_of_the_heads():
    for factor in (0.1, 0.3, 0.33, 0.7, 1.1):
        made = resize(nas.load("vit_b16"), width=factor)
        assert made.stages[0][0].width % 12 == 0
        assert made.cost().params > 0


# The released rule: to a multiple of 8, never below 90%; here finer for narrow widths, so that proxies stay narrow.
@pytest.mark.parametrize(
    ("width", "rounded"),
    [(32 * 1.1, 32), (33, 32), (36, 40), (44, 48), (100, 104), (16, 16), (17, 16), (18, 20), (3, 4), (1, 2), (0.1, 2)],
)
def test_rounding(width, rounded):
    assert round_width(width) == rounded


@pytest.mark.parametrize("tenths", range(1, 4000, 7))
def test_rounding_never_loses_more_than_a_tenth(tenths):
    width = tenths / 10
    for multiple in (1, 3, 12):
        made = round_width(width, multiple)
        assert made >= 0.9 * width
        assert made % multiple == 0


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 1e9, 1e-9])
def test_impossible_factors(factor):
    with pytest.raises(ArchitectureError, match=r"width factor=.*; allowed: 0.001 to 1000"):
        resize(nas.load("resnet50"), width=factor)
    with pytest.raises(ArchitectureError, match=r"depth factor=.*; allowed: 0.001 to 1000"):
        resize(nas.load("resnet50"), depth=factor)


@pytest.mark.parametrize("name", ["resnet50", "nasnet_a_large"])
@pytest.mark.parametrize(("width", "depth"), [(1000, 1), (1, 1000)])
def test_too_large_a_factor_is_a_typed_error(name, width, depth):
    with pytest.raises(NasError, match="allowed"):
        resize(nas.load(name), width, depth)
