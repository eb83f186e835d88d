"""Compound scaling: depth, width and resolution together, as published and by the powers, to a phi or to a target."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics

import pytest

import nas
from nas import spaces
from nas.arch import Block, Stage
from nas.baselines.efficientnet import COEFFICIENTS, efficientnet
from nas.errors import ArchitectureError, NasError
from nas.primitives import ConvNormAct
from nas.scale import PAPER, Aim, Coefficients, at_resolution, choices, compound, deeper, law_of, published, scaled, solve
from nas.scale.depth import shared
from nas.scale.inside import inside, mapped
from nas.scale.law import scaled_width
from nas.scale.resolution import total_stride
from nas.testing import architectures as kit

B0 = nas.load("efficientnet_b0")
PARAMS = (5_288_548, 7_794_184, 9_109_994, 12_233_232, 19_341_616, 30_389_784, 43_040_704, 66_347_960)
CONV_FAMILIES = ("resnet", "preact", "densenet", "mobilenet", "efficientnet", "regnet", "convnext", "nasnet", "amoebanet", "darts")


def repeats(network: nas.Architecture) -> list[list[int]]:
    return [[block.repeat for block in stage] for stage in network.stages]


def macs(network: nas.Architecture) -> float:
    return network.cost(aux=False).macs


@pytest.mark.parametrize("number", range(8))
def test_the_general_rule_makes_every_published_efficientnet(number):
    """Nothing in it knows of that network: which blocks repeat, and how widths round, is worked out."""
    width, depth, _, _ = COEFFICIENTS[number]
    made = compound(B0, Coefficients(depth, width))
    assert made.cost().params == PARAMS[number]
    wanted = efficientnet(width, depth, input=B0.input)
    assert [stage[0].width for stage in made.stages] == [stage[0].width for stage in wanted.stages]
    assert repeats(made) == repeats(wanted)
    assert made.digest == wanted.digest


@pytest.mark.parametrize("number", range(8))
def test_whole_phis_are_the_published_variants(number):
    answer, other = choices(B0, number)
    assert (answer.rule, other.rule) == ("published", "powers")
    assert answer.architecture == nas.load(f"efficientnet_b{number}")
    assert answer.architecture.cost().params == PARAMS[number]
    assert answer.factors == (COEFFICIENTS[number][1], COEFFICIENTS[number][0], COEFFICIENTS[number][2] / 224)
    assert [choice.rule for choice in choices(B0, number, rule="powers")] == ["powers", "published"]
    assert scaled(B0, number) == B0.scaled(number) == answer.architecture


def test_the_third_is_the_one_of_the_paper():
    made = scaled(nas.load("efficientnet"), 3)
    assert made.cost().params == 12_233_232
    assert made.input == (3, 300, 300)
    assert macs(made) == pytest.approx(1.83e9, rel=0.005)


def test_a_family_is_known_by_its_base_whatever_the_name_or_classes():
    ten = dataclasses.replace(B0, name="mine").with_input(B0.input, 10)
    variant = published(ten, 2)
    assert variant is not None
    assert variant.architecture.classes == 10
    assert variant.architecture.with_input((3, 260, 260), 1000).digest == nas.load("efficientnet_b2").digest
    for other in (B0.with_input((3, 32, 32), 1000), nas.load("efficientnet_b3"), nas.load("resnet50")):
        assert published(other, 2) is None
    for phi in (-1, 8, 0.5, math.nan, math.inf):
        assert published(B0, phi) is None


def test_a_law_of_ones_own_leaves_no_published_variant():
    (only,) = choices(B0, 3, Coefficients(1.4, 1.0, 1.2))
    assert only.rule == "powers"
    assert only.factors == pytest.approx((1.4**3, 1.0, 1.2**3))
    with pytest.raises(NasError, match=r"rule=published of efficientnet_b0 at phi=3; allowed: rule powers$"):
        choices(B0, 3, Coefficients(1.4, 1.0, 1.2), rule="published")


@pytest.mark.parametrize("name", nas.baselines.names())
def test_every_baseline_scales(name):
    base = nas.load(name)
    assert compound(base, Coefficients()) is base
    assert choices(base, 0)[0].architecture == base
    made = {phi: choices(base, phi, rule="powers")[0].architecture for phi in (-1, 1)}
    kit.check_yaml(made[1])
    assert macs(made[-1]) < macs(base) < macs(made[1])
    assert 1.4 < macs(made[1]) / macs(base) < 3.3
    assert 0.4 < macs(made[-1]) / macs(base) < 0.75
    for phi in (0.5, 2):
        assert choices(base, phi, rule="powers")[0].architecture.cost().params > base.cost().params


def test_multiply_adds_grow_about_as_two_to_the_phi():
    """The least deep networks grow more, since even one layer is rounded up; wide steps of 8 make small ones grow less."""
    ratios = [
        macs(compound(base, PAPER.power(2))) / macs(base)
        for base in (nas.load(name) for name in nas.baselines.names() if nas.baselines.get(name).family in CONV_FAMILIES)
    ]
    assert 3.3 < statistics.median(ratios) < 4.3
    assert min(ratios) > 2.6
    assert max(ratios) < 5.6


@pytest.mark.parametrize("name", spaces.names())
def test_what_a_space_holds_scales(name):
    space = spaces.load(name)
    base = space.decode(space.sample(random.Random(1)))
    made = scaled(base, 2)
    assert macs(made) > 1.5 * macs(base)
    kit.check_yaml(made)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("resnet50", [[6], [8], [12], [6]]),
        ("mobilenet_v2", [[2], [4], [6], [8], [6], [6], [2]]),
        # The first block of each of these stages is another than those that repeat, and counts as one of the layers.
        ("mobilenet_v3_large", [[2], [2, 2], [6], [1, 1, 6], [4], [6]]),
        ("preact_resnet110", [[1, 35], [36], [36]]),
        # Pools, reduction cells, merging of patches and strided convolutions between stages stand once.
        ("vgg16", [[4, 1], [4, 1], [6, 1], [6, 1], [6, 1]]),
        ("alexnet", [[1, 1], [2, 1], [2, 2, 2, 1]]),
        ("nasnet_a_mobile", [[1, 1], [8], [1, 8], [1, 8]]),
        ("darts_v2", [[12], [1, 12], [1], [12]]),
        ("swin_t", [[2], [1, 2], [1, 6], [1, 2]]),
        ("convnext_tiny", [[6], [1, 1, 6], [1, 1, 18], [1, 1, 6]]),
        ("cyclemlp_b1", [[4], [1, 4], [1, 8], [1, 4]]),
        ("regnet_y_32gf", [[4], [10], [24], [2]]),
        ("googlenet", [[2, 2, 1], [2], [2, 2, 2], [2, 1], [2, 2]]),
        ("inception_v3", [[1, 5], [1, 1, 6, 1], [1, 4]]),
        # It has a depth of its own in its fields, and a copy of it would be wider.
        ("densenet121", [[1, 1], [1, 1], [1, 1], [1]]),
        # Convolutions without padding: a copy would shrink the map.
        ("lenet5", [[1, 1], [1, 1]]),
    ],
)
def test_which_blocks_get_deeper(name, wanted):
    base = nas.load(name)
    made = deeper(base, 2.0)
    assert repeats(made) == wanted
    assert [block.repeat for block in (*made.stem, *made.head)] == [block.repeat for block in (*base.stem, *base.head)]


def test_depths_of_its_own_follow():
    made = compound(nas.load("densenet121"), Coefficients(depth=1.5))
    assert [stage[0].op.layers for stage in made.stages] == [9, 18, 36, 24]


def test_depth_does_not_depend_on_how_layers_are_written():
    """Three like blocks as one of three, or as one and two."""

    def with_first_stage(stage: Stage) -> nas.Architecture:
        base = nas.load("resnet50")
        return dataclasses.replace(base, stages=(stage, *base.stages[1:]))

    block = nas.load("resnet50").stages[0][0]
    together = with_first_stage((block,))
    apart = with_first_stage((dataclasses.replace(block, repeat=1), dataclasses.replace(block, repeat=2)))
    for depth in (0.4, 1.1, 1.5, 2.0, 3.3):
        assert deeper(apart, depth).cost().params == deeper(together, depth).cost().params


@pytest.mark.parametrize(
    ("before", "depth", "after"),
    [
        ([5], 2.2, [11]), ([1], 1.01, [2]), ([4], 0.5, [2]), ([3], 0.1, [1]), ([1, 17], 2, [1, 35]), ([1, 1], 1.5, [1, 2]),
        ([1, 1], 2, [2, 2]), ([2, 3], 2, [4, 6]), ([1, 1, 2], 0.5, [1, 1, 1]), ([1, 3], 0.5, [1, 1]), ([6, 2], 0.5, [3, 1]),
    ],
)  # fmt: skip
def test_layers_are_shared_out(before, depth, after):
    assert shared(before, depth) == after


def test_a_network_of_strided_blocks_alone_gets_deeper():
    stages = tuple((Block(ConvNormAct(), width, 2),) for width in (8, 16, 32))
    base = dataclasses.replace(nas.load("resnet20"), stages=stages, stem=())
    assert repeats(deeper(base, 1.5)) == [[2], [2], [2]]


@pytest.mark.parametrize(
    ("width", "factor", "multiple", "wanted"),
    [(16, 1.2, 1, 24), (32, 1.1, 1, 32), (1280, 1.2, 1, 1536), (384, 1.1, 6, 432), (44, 1.1, 1, 48), (11, 1.1, 1, 12), (8, 0.01, 1, 8)],
)
def test_widths(width, factor, multiple, wanted):
    assert scaled_width(width, factor, multiple) == wanted


@pytest.mark.parametrize("phi", [-2, -0.7, 0.3, 1, 1.5])
def test_heads_divide_widths_and_equal_widths_stay_equal(phi):
    for name in ("vit_ti16", "vit_b16", "vit_l32"):
        made = scaled(nas.load(name), phi)
        assert made.stem[0].width == made.stages[0][0].width
        assert made.stages[0][0].width % made.stages[0][0].op.heads == 0
        assert all(layer.place.rpartition(".")[2] != "project" for layer in made.cost().layers)


def test_heads_within_a_composition_count():
    base = spaces.load("vit")
    network = base.decode(base.sample(random.Random(0)))
    made = compound(network, Coefficients(width=1.37))
    assert made.cost().params > network.cost().params


@pytest.mark.parametrize(
    ("name", "factor", "side"),
    [
        ("resnet50", 1.15, 256),  # 257.6: within 3% a multiple of the stride 32
        ("resnet50", 1.5, 336),  # 16 divides it, no multiple of 32 is as near
        ("vit_s32", 1.08, 256),  # 241.9: no size within 3% fits, the nearest multiple of 32 does
        ("vit_h14", 1.15, 252),
        ("efficientnet_b3", 1.15, 345),  # 300 is no multiple of its stride: the nearest whole number
        ("resnet20", 1.15, 36),
        ("resnet20", 0.33, 11),  # 10.56: of so few pixels no other lies within 3%
        ("alexnet_two_tower", 1.15, 261),
        ("vit_b16", 0.01, 16),
    ],
)
def test_resolution_is_a_size_that_fits(name, factor, side):
    made = at_resolution(nas.load(name), factor)
    assert made.input[1:] == (side, side)
    assert made.cost().macs > 0


def test_sides_that_differ_are_scaled_each():
    made = at_resolution(nas.load("resnet50").with_input((3, 128, 256), 10), 1.25)
    assert made.input == (3, 160, 320)
    assert made.classes == 10
    assert at_resolution(nas.load("vit_s16").with_input((3, 64, 96), 10), 1.3).input == (3, 80, 128)


def test_no_size_that_fits_is_a_typed_error():
    with pytest.raises(ArchitectureError, match="allowed: at most 65536"):
        at_resolution(nas.load("resnet50"), 1000)


@pytest.mark.parametrize(("name", "stride"), [("resnet50", 32), ("vit_b16", 16), ("swin_t", 32), ("resnet20", 4), ("efficientnet_b0", 32)])
def test_total_stride(name, stride):
    assert total_stride(nas.load(name)) == stride


def test_windows_grow_with_the_image():
    """Swin at 384 pixels has windows of 12 (arXiv 2103.14030, section 4.1)."""
    made = at_resolution(nas.load("swin_t"), 384 / 224)
    assert {op.window for stage in made.stages for block in stage for op in inside(block.op)} == {12}
    assert not any(layer.kind == "pad" for layer in made.cost().layers)


def test_mapped_changes_what_lies_inside_and_nothing_else():
    cell = nas.load("nasnet_a_cifar")
    assert mapped(cell, lambda op: op) is cell
    other = mapped(cell, lambda op: dataclasses.replace(op, kernel=5) if op.name == "sep_conv" else op)
    assert other.cost().params != cell.cost().params


@pytest.mark.parametrize(
    ("phi", "says"),
    [
        (math.nan, "phi=nan; allowed: a finite number"),
        (math.inf, "phi=inf; allowed: a finite number"),
        (1e6, "phi=1e\\+06 scales beyond all numbers; allowed"),
        (-1e6, "scales beyond all numbers"),
        (45, "phi=45 makes factors of depth 3.66e\\+03, .*; allowed: 0.001 to 1000 each"),
        (33, "phi=33 makes a network of 1.03e\\+12 parameters; allowed: 1e\\+12, or any with --force"),
        (-37, "phi=-37 makes the width 16 times 0.0294 = 0.47, which is zero; allowed"),
    ],
)
def test_a_phi_that_makes_no_network(phi, says):
    with pytest.raises(NasError, match=says):
        scaled(B0, phi)


def test_force_goes_on():
    assert choices(B0, 33, force=True)[0].architecture.cost().params > 10**12
    least = choices(B0, -37, force=True)[0].architecture
    assert least.stages[0][0].width == 8


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_impossible_factors(factor):
    for name in Coefficients._fields:
        with pytest.raises(ArchitectureError, match=rf"{name} factor=.*; allowed: 0.001 to 1000"):
            compound(B0, Coefficients(**{name: factor}))


def test_growth_is_two_for_the_paper():
    assert PAPER.growth == pytest.approx(1.92, abs=0.01)
    assert PAPER.power(2) == pytest.approx((1.44, 1.21, 1.3225))
    assert PAPER.power(0) == (1, 1, 1)
    assert law_of(B0) == PAPER


def found(name: str, what: str, value: float, **options: object):
    """The solution for a target of macs or params."""
    base = nas.load(name)
    return solve(base, PAPER, Aim(what, value, lambda made: getattr(made.cost(aux=False), what)), **options)


@pytest.mark.parametrize(
    ("name", "what", "factor"),
    [
        ("efficientnet_b0", "macs", 4.67), ("efficientnet_b0", "params", 1.89), ("resnet50", "macs", 2.0), ("resnet50", "params", 0.4),
        ("vit_s16", "macs", 2.0), ("densenet121", "macs", 2.1), ("swin_t", "macs", 0.25), ("nasnet_a_cifar", "params", 3.0),
        ("mixer_b16", "params", 1.7), ("regnet_y_8gf", "macs", 0.3),
    ],
)  # fmt: skip
def test_targets_are_met_within_three_percent(name, what, factor):
    wanted = factor * getattr(nas.load(name).cost(aux=False), what)
    solution = found(name, what, wanted)
    assert solution.exact
    reached = getattr(solution.best.choice.architecture.cost(aux=False), what)
    assert reached == solution.best.value == pytest.approx(wanted, rel=0.03)


def test_scaled_to_is_the_solution_for_a_count():
    base = nas.load("resnet20")
    assert base.scaled_to(params="1M") == found("resnet20", "params", 1e6).best.choice.architecture
    assert base.scaled_to(macs=1e8).cost(aux=False).macs == pytest.approx(1e8, rel=0.05)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "no target"), ({"params": 1, "macs": 2}, "params and macs"), ({"params": "much"}, "params='much'"),
        ({"macs": -1}, "macs='-1'"),
        ({"macs": 0}, "macs=0"), ({"macs": float("nan")}, "macs='nan'"),
    ],
)  # fmt: skip
def test_scaled_to_refuses(given, named):
    with pytest.raises(NasError, match=named):
        nas.load("resnet20").scaled_to(**given)


def test_its_own_cost_is_the_network_itself():
    solution = found("resnet50", "macs", macs(nas.load("resnet50")))
    assert solution.exact
    assert solution.best.choice.architecture == nas.load("resnet50")


def test_one_dimension_leaves_the_law_where_phi_alone_steps_over_the_target():
    solution = found("efficientnet_b0", "params", 10e6)
    assert solution.moved in Coefficients._fields
    by_law = PAPER.power(solution.best.choice.phi)
    differing = [name for name, a, b in zip(by_law._fields, solution.best.choice.factors, by_law, strict=True) if a != b]
    assert differing == [solution.moved]


def test_where_no_step_lies_within_three_percent_the_nearer_of_two_is_taken():
    solution = found("resnet20", "macs", 1e8)
    assert not solution.exact
    below, above = solution.around
    assert below.value < 1e8 < above.value
    assert solution.best is min(solution.around, key=lambda each: abs(math.log(each.value / 1e8)))
    assert min(abs(each.value / 1e8 - 1) for each in solution.around) > 0.03


@pytest.mark.parametrize(("wanted", "side"), [(100.0, "phi=-"), (1e14, "phi=2")])
def test_a_target_out_of_reach_says_the_nearest(wanted, side):
    with pytest.raises(NasError, match=rf"params of .* is out of reach of resnet50; nearest: .* at {side}"):
        found("resnet50", "params", wanted)


def test_a_law_that_changes_nothing_reaches_nothing():
    with pytest.raises(NasError, match=r"out of reach of vit_s16; nearest: 4.59888e\+09 at phi=0"):
        solve(nas.load("vit_s16"), Coefficients(), Aim("macs", 9e9, macs))


def test_noise_is_borne():
    """A measure with 5% of noise, of which little is asked: the answer lies as near as the noise lets it."""
    noise, calls = random.Random(0), []

    def measure(network: nas.Architecture) -> float:
        calls.append(network)
        return macs(network) * noise.uniform(0.95, 1.05)

    solution = solve(nas.load("resnet50"), PAPER, Aim("latency", 9e9, measure, settle=0.03, tries=6))
    assert macs(solution.best.choice.architecture) == pytest.approx(9e9, rel=0.09)
    assert len(calls) < 40
    assert len({network.digest for network in calls}) == len(calls)


def test_a_network_that_fits_nothing_is_a_typed_error():
    broken = nas.load("vit_s16").with_input((3, 100, 100), 10)
    with pytest.raises(ArchitectureError, match="do not divide a map"):
        scaled(broken, 1)
    with pytest.raises(ArchitectureError, match="do not divide a map"):
        solve(broken, PAPER, Aim("macs", 1e9, macs))
