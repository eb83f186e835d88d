"""Found cells, stacked anew for another data set: held against the published networks, and over all spaces."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import nas
from nas import data, spaces
from nas.arch import Architecture, lower
from nas.baselines.cells import TENSORFLOW, Plan, cell_network
from nas.baselines.nasnet import GENOTYPE
from nas.errors import ArchitectureError, NasError
from nas.scale import Target, restack
from nas.scale.cells import described, filters, read, repeats, sized, step
from nas.scale.nearest import nearest
from nas.scale.stems import LARGE_SIDE
from nas.testing import architectures as kit
from tests.cli import nas as call

IMAGENET, LARGE, CIFAR = (3, 224, 224), (3, 331, 331), (3, 32, 32)
OF_CELLS = [name for name in nas.baselines.names() if nas.load(name).cells]


def test_the_baselines_of_cells() -> None:
    assert set(OF_CELLS) >= {"nasnet_a_cifar", "nasnet_a_large", "pnasnet_5_large", "amoebanet_a", "enas_micro", "darts_v2"}


# ---- published networks, exactly


@pytest.mark.parametrize(
    ("source", "input", "classes", "cells", "penultimate", "published"),
    [
        ("nasnet_a_cifar", IMAGENET, 1000, 4, 1056, "nasnet_a_mobile"),
        ("nasnet_a_mobile", CIFAR, 10, 6, 768, "nasnet_a_cifar"),
        ("amoebanet_a_cifar", LARGE, 1000, 6, 190 * 16, "amoebanet_a"),
        ("amoebanet_b_cifar", LARGE, 1000, 6, 190 * 16, "amoebanet_b"),
        ("amoebanet_a", CIFAR, 10, 6, 36 * 16, "amoebanet_a_cifar"),
        ("amoebanet_b", CIFAR, 10, 6, 36 * 16, "amoebanet_b_cifar"),
    ],
)
def test_a_published_network_from_another_of_its_cells(source, input, classes, cells, penultimate, published):
    made = nas.transfer(nas.load(source), input, classes, cells=cells, penultimate=penultimate)
    assert made.digest == nas.load(published).digest


def test_nasnet_mobile_in_numbers() -> None:
    made = nas.transfer(nas.load("nasnet_a_cifar"), IMAGENET, 1000, cells=4, penultimate=1056)
    cost = made.cost(aux=False)
    assert (cost.params, round(cost.macs / 1e6)) == (5_289_978, 564)
    assert made.name == "nasnet_a_cifar-4@1056"


def test_nasnet_large_differs_in_manner_alone() -> None:
    """The released large network has a stem of 96, strided pools that count padding, and other inputs behind a reduction."""
    made = nas.transfer(nas.load("nasnet_a_cifar"), LARGE, 1000, cells=6, penultimate=4032)
    assert made.digest == cell_network("", GENOTYPE, TENSORFLOW, Plan(4032 // 24, 6, 32, imagenet=True, dropout=0.5), LARGE, 1000).digest
    cost, large = made.cost(aux=False), nas.load("nasnet_a_large").cost(aux=False)
    assert cost.params == 88_727_294
    assert abs(cost.params / large.params - 1) < 0.001
    assert abs(cost.macs / large.macs - 1) < 0.02


def test_darts_as_on_imagenet() -> None:
    """14 cells of 48 filters have 4.7M parameters in the paper (arXiv 1806.09055, table 3); its stem is another."""
    made = nas.transfer(nas.load("darts_v2"), IMAGENET, 1000, cells=4, penultimate=48 * 16)
    assert 4.6e6 < made.cost(aux=False).params < 4.8e6


def test_enas_with_the_cells_of_the_released_script() -> None:
    assert round(nas.transfer(nas.load("enas_micro"), cells=5).cost(aux=False).params / 1e6, 1) == 3.9


@pytest.mark.parametrize("name", OF_CELLS)
def test_nothing_asked_is_the_network_itself(name: str) -> None:
    network = nas.load(name)
    assert read(network).architecture() == network
    assert nas.transfer(network).digest == network.digest
    cells, penultimate = described(network)
    assert nas.transfer(network, cells=cells, penultimate=penultimate).digest == network.digest


@pytest.mark.parametrize("name", OF_CELLS)
def test_there_and_back(name: str) -> None:
    """Another depth, width, stem and number of classes, and again those of before: nothing is lost but a stem of one's own."""
    network = nas.load(name)
    cells, penultimate = described(network)
    away = CIFAR if network.input[1] >= LARGE_SIDE else IMAGENET
    there = nas.transfer(network, away, 7, cells=cells + 2, penultimate=2 * penultimate)
    assert described(there) == (cells + 2, 2 * penultimate)
    assert (there.input, there.classes) == (away, 7)
    back = nas.transfer(there, network.input, network.classes, cells=cells, penultimate=penultimate)
    own = read(network)
    assert read(back)._replace(stem=own.stem, name=own.name) == own


def test_the_name_does_not_grow() -> None:
    once = nas.transfer(nas.load("darts_v1"), cells=2)
    assert nas.transfer(once, cells=3).name == "darts_v1-3@576"


# ---- every space


def sample(name: str, seed: int) -> Architecture:
    space = spaces.load(name)
    return space.decode(space.sample(random.Random(seed)))


def is_of_cells(name: str) -> bool:
    network = sample(name, 0)
    return any(block.label in [cell.name for cell in network.cells] for stage in network.stages for block in stage)


CELL_SPACES = [name for name in spaces.names() if is_of_cells(name)]


def test_the_spaces_of_cells() -> None:
    known = {"nasnet-cell", "amoebanet-cell", "darts", "enas-micro", "case-study-cell", "nas-bench-201", "tiny"}
    assert set(CELL_SPACES) >= known


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CELL_SPACES)
def test_every_found_cell_goes_to_every_size(name: str, seed: int) -> None:
    network = sample(name, seed)
    assert read(network).architecture().digest == network.digest
    unit = described(network)[1] // filters(read(network))
    for input, classes, cells, wide in ((IMAGENET, 1000, 2, 44), ((1, 8, 8), 10, 1, 6), ((3, 96, 64), 5, 3, 15)):
        made = nas.transfer(network, input, classes, cells=cells, penultimate=wide * unit)
        kit.check_yaml(made)
        assert described(made) == (cells, wide * unit)
        assert filters(read(made)) == wide
        assert (made.input, made.classes, bool(made.aux)) == (input, classes, bool(network.aux))
        assert made.cost().params > 0
    large = nas.transfer(network, IMAGENET, 1000)
    # An eighth of the side, whatever reduces the maps in this space.
    assert {node.shape.rows for node in lower(large).main.nodes if node.name.startswith("stages.1.")} == {28}


@pytest.mark.parametrize("name", CELL_SPACES)
def test_they_run(name: str) -> None:
    made = nas.transfer(sample(name, 5), (3, 96, 96), 7, cells=1)
    small = nas.transfer(made, penultimate=described(made)[1] // filters(read(made)) * 8, aux=True)
    main, (aux,) = small.build()(torch.zeros(2, 3, 96, 96))
    assert main.shape == aux.shape == (2, 7)
    assert torch.isfinite(main).all()


@pytest.mark.parametrize("name", sorted(set(spaces.names()) - set(CELL_SPACES)))
def test_what_is_not_made_of_cells(name: str) -> None:
    with pytest.raises(ArchitectureError, match="repeats no cell; allowed: networks whose stages repeat a named cell"):
        nas.transfer(sample(name, 0), IMAGENET, 1000)


# ---- forms of the language that no shipped space has

CELLS = """
name: mine
input: [3, 32, 32]
classes: 10
cells:
  deep: {cell: {nodes: [[{op: conv_3x3, from: 0}, {op: max_pool_3x3, from: 1}], [{op: skip_connect, from: 2}]]}}
"""
HEAD = "head: [global_pool, {block: linear, width: classes}]\n"


def mine(rest: str) -> Architecture:
    return Architecture.from_yaml(CELLS + rest + HEAD)


def test_one_cell_for_both_strides() -> None:
    network = mine("stages: [{block: deep, width: 16, repeat: 3}, {block: deep, width: 32, stride: 2, repeat: 3}]\n")
    assert repeats(read(network)) == 3
    made = nas.transfer(network, IMAGENET, 100, cells=5, penultimate=128)
    assert [sum(block.repeat for block in stage) for stage in made.stages] == [2, 5, 5]
    assert [[block.width for block in stage] for stage in made.stages] == [[16, 32], [64], [128, 128]]
    assert [block.stride for block in made.stages[2]] == [2, 1]


def test_one_stage_gets_strided_convolutions() -> None:
    network = mine("stages: [{block: deep, width: 16, repeat: 3}]\n")
    made = nas.transfer(network, IMAGENET, 100, penultimate=40)
    assert [(block.label, block.width, block.stride) for block in (*made.stem, *made.stages[0])] == [
        ("conv", 32, 2), ("conv3x3", 10, 2), ("conv3x3", 20, 2),
    ]  # fmt: skip
    assert nas.transfer(network, aux=True).cost().params > network.cost().params


def test_widths_keep_their_ratios() -> None:
    network = mine("stages: [{block: deep, width: 16, repeat: 2}, [{block: max_pool, stride: 2}, {block: deep, width: 24, repeat: 6}]]\n")
    stack = read(network)
    assert (filters(stack), step(stack), repeats(stack)) == (16, 2, 6)
    made = sized(stack, 20, 3)
    assert [(group.cell.width, group.cell.repeat) for group in made.groups] == [(20, 1), (30, 3)]
    with pytest.raises(ArchitectureError, match=r"penultimate=31; allowed: multiples of 3 for this cell, the nearest 30 or 33"):
        nas.transfer(network, penultimate=31)


def test_a_stem_of_the_wanted_kind_is_kept() -> None:
    stem = "stem: [{block: {conv: {kernel: 7}}, width: 64, stride: 2}, {block: max_pool, stride: 2}]\n"
    network = mine(stem + "stages: [{block: deep, width: 16, repeat: 3}]\n").with_input(IMAGENET, 10)
    assert nas.transfer(network, LARGE, 5, penultimate=32).stem == network.stem
    made = nas.transfer(network, CIFAR, 5, penultimate=32)
    assert [(block.width, block.stride) for block in made.stem] == [(96, 1)]
    assert nas.transfer(network, CIFAR, 5, stem="imagenet").stem == network.stem


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("stages: [{block: deep, repeat: 3}]\n", "mine repeats no cell"),
        ("stages: [{block: deep, width: 16}, {block: conv, width: 16}]\n", "the stages of mine end in conv3x3"),
        ("stages: []\n", "mine has no stages"),
    ],
)
def test_other_forms_are_named(rest: str, problem: str) -> None:
    with pytest.raises(ArchitectureError, match=f"{problem}; allowed: "):
        read(mine("stem: [{block: conv, width: 16}]\n" + rest))


# ---- auxiliary head


def test_the_auxiliary_head() -> None:
    darts, bench = nas.load("darts_v2"), sample("nas-bench-201", 0)
    made = nas.transfer(darts, IMAGENET, 1000, cells=4)
    assert (made.aux[0].weight, made.stages[made.aux[0].after][-1].label) == (0.4, "reduction")
    assert not nas.transfer(darts, aux=False).aux
    assert not nas.transfer(bench).aux
    added = nas.transfer(bench, aux=True)
    assert (added.aux[0].after, added.aux[0].weight) == (1, 0.4)
    assert added.cost(aux=False).params == bench.cost().params
    # Its pool of 5x5 does not fit the 4x4 map that digits leave: then it takes the mean of all pixels.
    small = nas.transfer(nas.load("nasnet_a_cifar"), (1, 8, 8), 10)
    assert [block.label for block in small.aux[0].head] == ["activation", "conv", "global_pool", "linear"]


# ---- targets


@pytest.mark.parametrize(("quantity", "amount"), [("macs", 600e6), ("macs", 50e6), ("params", 5e6), ("params", 30e6)])
def test_a_target_is_met(quantity: str, amount: float) -> None:
    made = restack(nas.load("nasnet_a_cifar"), IMAGENET, 1000, 4, Target(quantity, amount))  # type: ignore[arg-type]
    value = getattr(made.architecture.cost(aux=False), quantity)
    assert made.exact is (abs(value / amount - 1) <= 0.03)
    assert made.nearest[0] == (made.penultimate, value)
    other = made.nearest[1]
    assert abs(made.penultimate - other.penultimate) == 24
    assert abs(other.amount - amount) >= abs(value - amount)
    assert min(value, other.amount) < amount <= max(value, other.amount)


def test_a_target_between_two_sizes_says_so() -> None:
    made = restack(nas.load("nasnet_a_cifar"), goal=Target("params", 23_000))
    assert made.exact is False
    assert len(made.nearest) == 2
    below = restack(nas.load("nasnet_a_cifar"), goal=Target("params", 100))
    assert below.exact is False
    assert [near.penultimate for near in below.nearest] == [24]


@pytest.mark.parametrize("target", [1, 5, 99, 100, 101, 12345])
@pytest.mark.parametrize("least", [1, 2, 5, 21])
def test_nearest_is_what_trying_all_would_find(target: int, least: int) -> None:
    """Also where what is narrower than something does not fit."""

    def amount(number: int) -> int:
        if number < least:
            raise ArchitectureError("too narrow; allowed: more")
        return 3 * number * number

    found = nearest(amount, target, 1000, "it")
    assert found[0][0] == min(range(least, 200), key=lambda number: abs(3 * number * number - target))


def test_nothing_fits_at_all() -> None:
    def amount(number: int) -> int:
        raise ArchitectureError(f"width={number}; allowed: none")

    with pytest.raises(ArchitectureError, match="width=64; allowed: none"):
        nearest(amount, 5, 100, "it")


def test_out_of_reach() -> None:
    with pytest.raises(NasError, match=r"target-macs=.* is beyond every width that is allowed; allowed: up to some [0-9.]+T"):
        nas.transfer(nas.load("darts_v1"), target_macs=1e20)


# ---- data sets by name


def test_the_form_of_a_data_set_is_known_without_it(tmp_path: Path) -> None:
    assert data.form("imagenet") == ((3, 224, 224), 1000)
    assert data.form("cifar100", tmp_path) == ((3, 32, 32), 100)
    assert data.form("fashion-mnist", tmp_path) == ((1, 28, 28), 10)
    for name in data.names():
        known = data.form(name, tmp_path)
        if data.available(name, tmp_path):
            found = data.load(name, data_dir=tmp_path)
            assert known == (found.input, found.classes)
    assert not list(tmp_path.iterdir())
    images = np.zeros((6, 12, 10, 3), np.uint8)
    np.savez(tmp_path / "mine.npz", x_train=images, y_train=np.arange(6) % 3)
    assert data.form(f"npz:{tmp_path}/mine.npz") == ((3, 12, 10), 3)
    with pytest.raises(NasError, match="unknown data set 'imagnet'; nearest: imagenet"):
        data.form("imagnet")


# ---- the command


@pytest.fixture
def verb(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return partial(call, capsys, monkeypatch, "transfer")


def test_the_table(verb) -> None:
    run = verb("nasnet_a_cifar", "--to", "imagenet", "--cells", 4, "--penultimate", 1056)
    assert run.status == 0
    lines = [line.split() for line in run.out.splitlines()]
    assert lines[1] == ["nasnet_a_cifar", "6", "@", "768", "32", "20", "3x32x32", "10", "3,346,538", "544.3M", "yes"]
    assert lines[2] == ["nasnet_a_cifar-4@1056", "4", "@", "1056", "44", "16", "3x224x224", "1,000", "5,289,978", "563.6M", "yes"]
    assert not list(Path().iterdir())


def test_json_and_file(verb) -> None:
    run = verb("darts_v2", "--to", "cifar100", "--target-params", "1M", "--no-aux", "--json", "--out")
    told = json.loads(run.out)
    made = nas.load("transferred.yaml")
    assert told["out"] == "transferred.yaml"
    assert told["exact"] is True
    assert told["nearest"][0] == {"penultimate": told["result"]["penultimate"], "amount": told["result"]["params"]}
    assert told["result"] == {
        "name": made.name, "cells": 6, "penultimate": described(made)[1], "filters": filters(read(made)), "total_cells": 20,
        "input": [3, 32, 32], "classes": 100,
        "params": made.cost().params, "macs": made.cost().macs, "aux": False, "digest": made.digest, "stem": "cifar",
    }  # fmt: skip
    again = verb("darts_v2", "--out")
    assert (again.status, again.out) == (2, "")
    assert again.err == "error: transferred.yaml is there already; allowed: --out FILE, which is written over\n"
    assert verb("transferred.yaml", "--cells", 2, "--out", "transferred.yaml").status == 0
    assert described(nas.load("transferred.yaml")) == (2, told["result"]["penultimate"])


def test_input_and_classes_override_the_data_set(verb) -> None:
    told = json.loads(verb("nasnet_a_cifar", "--to", "imagenet", "--input", "3x331x331", "--classes", 21841, "--json").out)
    assert (told["result"]["input"], told["result"]["classes"], told["result"]["stem"]) == ([3, 331, 331], 21841, "imagenet")
    forced = json.loads(verb("nasnet_a_cifar", "--to", "imagenet", "--stem", "cifar", "--json").out)
    assert forced["result"]["stem"] == "cifar"
    assert forced["exact"] is None


def test_nothing_near_is_said(verb) -> None:
    run = verb("nasnet_a_cifar", "--target-params", "23K")
    assert "nothing lies within 3% of the target; the nearest: 6 @ 48 has 31.69K, 6 @ 24 has 12.89K; the first" in run.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["resnet20", "--to", "imagenet"], "resnet20 repeats no cell; allowed: networks whose stages repeat a named cell"),
        (["nasnet_a_cifar", "--cells", "0"], "cells=0; allowed: 1 to 4096 normal cells a stage"),
        (["nasnet_a_cifar", "--cells", "many"], "'many' is not a valid integer"),
        (["pnasnet_5_large", "--cells", "1"], "cells=1; allowed: 2 to 4096 normal cells a stage"),
        (["nasnet_a_cifar", "--cells", "4000"], "operations, repeats counted; allowed: at most 20000"),
        (["nasnet_a_cifar", "--penultimate", "1057"], "penultimate=1057; allowed: multiples of 24 for this cell, the nearest 1056 or 1080"),
        (["nasnet_a_cifar", "--penultimate", "7"], "penultimate=7; allowed: multiples of 24 for this cell, the nearest 24"),
        (["nasnet_a_cifar", "--penultimate", "9999999999"], "multiples of 24 for this cell, the nearest 393216"),
        (["nasnet_a_cifar", "--to", "imagnet"], "unknown data set 'imagnet'; nearest: imagenet"),
        (["nasnet_a_cifar", "--to", "npz:none.npz"], "none.npz"),
        (["nasnet_a_cifar", "--out", "no/such/folder.yaml"], "cannot write no/such/folder.yaml: no such folder"),
        (["nasnet_a_cifar", "--out", "."], "cannot write .: Is a directory"),
        (["nasnet_a_cifar", "--penultimate", "768", "--target-macs", "5M"], "penultimate with target-macs; allowed: one of penultimate, "),
        (["nasnet_a_cifar", "--target-macs", "0"], "target-macs=0; allowed: more than 0"),
        (["nasnet_a_cifar", "--target-params", "lots"], "--target-params='lots' is not a count; allowed: a number with"),
        (["nasnet_a_cifar", "--target-macs", "1e30"], "is beyond every width that is allowed"),
        (["nasnet_a_cifar", "--stem", "vit"], "'vit' is not one of"),
        (["nasnet_a_cifar", "--input", "3x32"], "--input='3x32'; allowed: channels x rows x columns"),
        (["nasnet_a_cifar", "--classes", "0"], "classes=0; allowed: 1 to"),
        (["none.yaml"], "cannot read none.yaml"),
    ],
)
def test_bad_input_is_one_line(verb, words: list[str], problem: str) -> None:
    run = verb(*words)
    assert (run.status, run.out, run.err.count("\n")) == (2, "", 1), run.err
    assert problem in run.err


def test_no_torch() -> None:
    code = "import sys, nas; nas.transfer(nas.load('darts_v1'), cells=2); import nas.cli.transfer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
