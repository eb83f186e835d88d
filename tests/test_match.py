"""Networks brought to a number of parameters by their widths."""

from __future__ import annotations

import json
import random
from functools import partial

import pytest

import nas
from nas import spaces
from nas.arch import Architecture
from nas.errors import ArchitectureError, NasError
from nas.scale import match
from nas.scale.law import blocks
from tests.cli import nas as typed

CIFAR = [name for name in nas.baselines.names() if nas.load(name).input == (3, 32, 32) and name not in ("lenet5", "resnet1202")]
# Growth is a whole number, the same in all layers of a stage: one more of 19 is some 3% of all parameters.
COARSE = {("densenet_bc_100_12", 2_000_000): 0.014}


def found(space: str, seed: int) -> Architecture:
    read = spaces.load(space)
    return read.decode(read.sample(random.Random(seed)))


PAIRS = [*((name, 2_000_000) for name in CIFAR), *((name, 500_000) for name in ("resnet20", "densenet_bc_100_12", "mobilenet_v2_cifar"))]


@pytest.mark.parametrize(("name", "wanted"), PAIRS)
def test_networks_for_cifar_come_within_one_percent(name: str, wanted: int) -> None:
    network = nas.load(name)
    made = match(network, wanted)
    assert made.params == made.architecture.cost(aux=False).params
    assert made.difference == pytest.approx(made.params / wanted - 1)
    assert abs(made.difference) <= COARSE.get((name, wanted), 0.01)
    assert [layer.place for layer in made.architecture.cost(aux=False).layers] == [layer.place for layer in network.cost(aux=False).layers]


@pytest.mark.parametrize("space", ["nasnet-cell", "nas-bench-201", "tiny", "mobile", "enas-macro", "enas-micro", "case-study-cell"])
def test_samples_of_spaces_come_within_one_percent(space: str) -> None:
    assert abs(match(found(space, 0), 2_000_000).difference) <= 0.01


@pytest.mark.parametrize("name", ["vit_s16", "shufflenet_v1_g3", "regnet_x_400mf", "resnext50_32x4d", "se_resnet18", "googlenet"])
def test_what_operations_ask_of_widths_is_kept(name: str) -> None:
    network = nas.load(name)
    made = match(network, network.cost(aux=False).params // 2).architecture
    assert nas.Architecture.from_yaml(made.to_yaml()) == made
    for block in blocks(made):
        if isinstance(block.width, int):
            assert block.width % made.operation(block).width_multiple == 0


def test_widths_that_were_equal_stay_equal_and_proportions_stay() -> None:
    before, after = nas.load("resnet56"), match(nas.load("resnet56"), 2_000_000)
    pairs = {(a.width, b.width) for a, b in zip(blocks(before), blocks(after.architecture), strict=True) if isinstance(a.width, int)}
    assert len({a for a, _ in pairs}) == len(pairs) == 3
    for old, new in pairs:
        assert abs(new - old * after.factor) <= 1.5  # rounded, and moved by one channel at most


def test_steps_and_what_is_there_already() -> None:
    network = nas.load("resnet20")
    assert match(network, network.cost().params).architecture == network
    made = match(network, 2_000_000, step=8)
    assert all(block.width % 8 == 0 for block in blocks(made.architecture) if isinstance(block.width, int))
    assert abs(match(network, 2_000_000).difference) < abs(made.difference)


def test_out_of_reach_is_said_by_the_difference() -> None:
    least = match(nas.load("resnet20"), 10)
    assert least.params > 200
    assert least.difference > 20
    assert match(nas.load("lenet5"), 10**12).difference < 0


@pytest.mark.parametrize(("params", "step"), [(0, 1), (-5, 1), (1.5e6, 1), (10**13, 1), (1000, 0), (True, 1)])
def test_bad_numbers_are_typed_errors(params: int, step: int) -> None:
    with pytest.raises(NasError, match="allowed"):
        match(nas.load("resnet20"), params, step)


def test_a_network_that_does_not_fit_its_input_is_a_typed_error() -> None:
    with pytest.raises(ArchitectureError, match="do not divide"):
        match(nas.load("vit_b16").with_input((3, 100, 100), 10), 10**6)


def test_typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    scale = partial(typed, capsys, monkeypatch, "scale", "resnet20")
    run = scale("--target-params", "2M", "--only-width")
    assert (run.status, run.out.splitlines()[-1]) == (0, "params: 2.001M of 2M, +0.07%")
    made = json.loads(scale("--target-params", "2M", "--only-width", "--multiple", 8, "--json").out)
    assert (made["rule"], made["depth"], made["resolution"], made["exact"]) == ("width", 1.0, 32, True)
    assert scale("--target-params", "10", "--only-width").out.splitlines()[-1] == "params: 247 of 10, +2370.00%; no width comes nearer"
    for words, said in (
        (("--target-macs", "1G", "--only-width"), "--only-width without --target-params"),
        (("--phi", 1, "--multiple", 8), "--multiple without --only-width"),
        (("--target-params", "2M", "--only-width", "--beta", 1.2), "--beta with --only-width"),
    ):
        run = scale(*words)
        assert run.status == 2
        assert said in run.err
