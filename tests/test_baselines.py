"""Every registered baseline under the shipped contract, its published numbers, and golden costs of all of them.

`python tests/test_baselines.py` writes tests/golden/costs.json anew. The published numbers are in tests/published.csv: `params`
is exact, or rounded to the digits shown where it ends in M; `image` is the side in pixels; `aux` says that auxiliary heads are
counted; `counted` names the rule in `RULES`; a `deviation` says why a number cannot be reached.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import nas
from nas import baselines
from nas.build import Outputs, build
from nas.cost import Layer
from nas.errors import ArchitectureError, UnknownNameError
from nas.testing import architectures as kit
from tests.networks import slim

torch.set_num_threads(1)
GOLDEN = Path(__file__).parent / "golden" / "costs.json"
PUBLISHED = Path(__file__).parent / "published.csv"
NAMES = baselines.names()
# More parameters than this pass forward and backward at a quarter of the width: weights and gradients of two processes fit 6 GB.
# No number of parameters or multiply-adds was published for these, or none that counts the same network.
UNPUBLISHED = {"lenet5", "alexnet_two_tower", "zfnet", "plain20", "plain56", "wrn_16_4", "mobilenet_v2_cifar"}
# What fvcore counts, which timm and some papers quote: each number that a norm gives costs this much beside the multiply-adds.
NORMS = {"batch_norm": 2, "layer_norm": 5}
# Names whose digits run together to those of another network: 1.6 GF and 16 GF.
RUN_TOGETHER = {f"regnet_{kind}_{a}_{b}gf": f"regnet_{kind}_{a}{b}gf" for kind in "xy" for a, b in ("16", "32")}


def costs(name: str) -> dict[str, Any]:
    """The golden record of one baseline."""
    architecture = nas.load(name)
    kinds = {"all": architecture.cost(), "inference": architecture.cost(aux=False)}
    fields = ("params", "macs", "activations")
    return {"digest": architecture.digest} | {kind: {f: getattr(cost, f) for f in fields} for kind, cost in kinds.items()}


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    kit.check(nas.load(name), train=False)


@pytest.mark.parametrize("name", NAMES)
def test_passes_forward_and_backward_at_a_second_input_and_other_classes(name: str) -> None:
    kit.check_training(slim(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient_at_a_third_input(name: str) -> None:
    """Shapes alone, without memory, so that the giants run at full width too; every kind of their blocks is in half the depth."""
    architecture = nas.load(name).with_input((4, 224, 168 if name.endswith("h14") else 160), 1).resized(depth=0.5)
    with torch.device("meta"):
        network = build(architecture).train()
    outputs = network(torch.empty(2, *architecture.input, device="meta"))
    every = [outputs.main, *outputs.aux] if isinstance(outputs, Outputs) else [outputs]
    assert [output.shape for output in every] == [(2, 1)] * (1 + len(architecture.aux))
    torch.stack(every).sum().backward()  # type: ignore[no-untyped-call]
    idle = kit.unread(architecture)
    missing = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert [key for key in missing if not any(key.startswith(f"{place}.") for place in idle)] == []
    assert architecture.cost().params == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_golden_costs(name: str) -> None:
    assert costs(name) == json.loads(GOLDEN.read_text())[name]


def test_golden_costs_are_of_the_registered_networks() -> None:
    assert list(json.loads(GOLDEN.read_text())) == list(NAMES)


def published() -> Iterator[dict[str, str]]:
    with PUBLISHED.open(newline="") as file:
        yield from csv.DictReader(file)


def multiply_adds(layers: tuple[Layer, ...]) -> int:
    return sum(layer.macs for layer in layers)


def with_norms(layers: tuple[Layer, ...]) -> int:
    return multiply_adds(layers) + sum(NORMS.get(layer.kind, 0) * math.prod(layer.shape) for layer in layers)


def without_last(layers: tuple[Layer, ...]) -> int:
    return multiply_adds(layers[:-1])


RULES = {"": multiply_adds, "norms": with_norms, "no head": without_last}


def rounding(text: str) -> float:
    """Half a unit of the last digit shown."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def misses(row: dict[str, str]) -> list[str]:
    """The published numbers of a row that ours are not: another count, or multiply-adds more than 0.5% away."""
    side, architecture = int(row["image"]), nas.load(row["name"])
    architecture = architecture.with_input((architecture.input[0], side, side), architecture.classes)
    cost, found = architecture.cost(aux=row["aux"] == "yes"), []
    params = cost.params - (cost.layers[-1].params if row["counted"] == "no head" else 0)
    if row["params"].endswith("M"):
        millions = row["params"].removesuffix("M")
        if abs(params / 1e6 - float(millions)) > rounding(millions):
            found.append(f"{params:,} parameters, {row['params']} published")
    elif row["params"] and params != int(row["params"]):
        found.append(f"{params:,} parameters, {int(row['params']):,} published")
    billions = float(row["gmacs"] or "nan")
    ours = RULES[row["counted"]](architecture.cost(aux=False).layers) / 1e9
    if abs(ours - billions) > max(0.005 * billions, rounding(row["gmacs"])):
        found.append(f"{ours:.4f} billion multiply-adds, {row['gmacs']} published")
    return found


ROWS = list(published())


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['name']}-{row['image']}-{row['source']}" for row in ROWS])
def test_published_numbers(row: dict[str, str]) -> None:
    assert bool(misses(row)) == bool(row["deviation"]), misses(row)


def test_every_baseline_has_published_numbers_but_a_few() -> None:
    assert set(NAMES) - {row["name"] for row in ROWS} == UNPUBLISHED


def test_deviations_are_few_and_small() -> None:
    deviating = [row for row in ROWS if row["deviation"]]
    assert len(deviating) <= 8
    for row in deviating:
        cost = nas.load(row["name"]).cost(aux=False)
        assert cost.params == pytest.approx(float(row["params"].removesuffix("M")) * 1e6, rel=0.06)
        assert not row["gmacs"] or cost.macs == pytest.approx(float(row["gmacs"]) * 1e9, rel=0.06)


def test_an_input_that_does_not_fit_is_a_typed_error() -> None:
    with pytest.raises(ArchitectureError, match=r"stem\[0\].patches: .* size=16 do not divide a map 3x100x100; allowed: 1, 2, 4, 5, 10"):
        nas.load("vit_b16").with_input((3, 100, 100), 10).cost()
    with pytest.raises(ArchitectureError, match=r"does not fit a map"):
        nas.load("nasnet_a_large").with_input((3, 1, 1), 10).cost()


@pytest.mark.parametrize("name", NAMES)
def test_an_input_of_one_pixel_is_a_network_or_a_typed_error(name: str) -> None:
    with contextlib.suppress(ArchitectureError):
        assert nas.load(name).with_input((3, 1, 1), 10).cost().params > 0


@pytest.mark.parametrize("name", NAMES)
def test_lookup_ignores_case_and_punctuation(name: str) -> None:
    for known in (name, *baselines.get(name).aliases):
        for written in (known, known.upper(), known.title(), known.replace("_", "-"), known.replace("_", ".")):
            assert baselines.get(written).name == name, written
        together = known.translate(dict.fromkeys(map(ord, "_-.")))
        assert baselines.get(together).name == RUN_TOGETHER.get(known, name)


@pytest.mark.parametrize("written", ["regnet-.x-.1-.6gf", "regnet_x_1..6gf", "RegNet.X.1__6GF"])
def test_doubled_punctuation_between_digits_still_parts_them(written: str) -> None:
    assert baselines.get(written).name == "regnet_x_1_6gf"


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_reference_packages_are_aliases(name: str) -> None:
    for reference in baselines.get(name).references:
        assert baselines.get(reference.model).name == name


@pytest.mark.parametrize("name", NAMES)
def test_each_network_is_a_function_of_its_name(name: str) -> None:
    assert getattr(baselines, name)() == nas.load(name)
    assert nas.load(name).name == name


@pytest.mark.parametrize("name", ["resnet5", "vgg-bogus", "", "x" * 10_000, "rés\0net", "?"])
def test_unknown_names_are_typed_errors(name: str) -> None:
    with pytest.raises((UnknownNameError, ArchitectureError)) as caught:
        nas.load(name)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("resnet5", "resnet50"), ("mobilnet_v2", "mobilenet_v2"), ("efficientnetb9", "efficientnet_b7"), ("vit_b_61", "vit_b16")],
)
def test_an_unknown_name_tells_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=rf"unknown network '{typed}'; nearest: .*{meant}"):
        nas.load(typed)


def test_costs_need_neither_torch_nor_numpy() -> None:
    program = "import sys, nas; [nas.load(n).cost().layers for n in nas.baselines.names()]; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_digests_are_the_same_in_other_processes() -> None:
    every = [nas.load(name) for name in NAMES]
    kit.check_digests_elsewhere(every, 1)
    kit.check_digests_elsewhere(every, 4242)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: costs(name) for name in NAMES}, indent=1) + "\n")
    print(f"wrote {GOLDEN}")
