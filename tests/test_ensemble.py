"""Several networks as one: cost, probabilities, training, files, the command line, errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

import nas as package
from nas import Ensemble, ensemble
from nas.arch import Architecture
from nas.build import Outputs
from nas.errors import ArchitectureError, UnknownNameError
from nas.evaluators import Evaluation, Fidelity, run
from nas.evaluators.training import TrainingEvaluator
from nas.report.network import rows
from nas.training.recipe import Recipe
from tests.cli import Run, nas

Call = Callable[..., Run]
SHAO = ("inception_v3", "inception_resnet_v2", "resnet152", "wide_resnet50_2")
TINY = ("resnet20", "plain20", "mobilenet_v2")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


def tiny(*names: str) -> Ensemble:
    """Small networks for digits."""
    return ensemble(package.load(name).with_input((1, 8, 8), 10) for name in names or TINY).resized(0.25, 0.3)


# cost ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("alexnet_two_tower",) * 7, SHAO, ("googlenet", "vit_b16")], ids=["alexnet", "shao", "googlenet"]
)
@pytest.mark.parametrize("aux", [True, False])
def test_costs_are_sums(names: tuple[str, ...], aux: bool) -> None:
    made, alone = ensemble(names).cost(aux), [package.load(name).cost(aux) for name in names]
    for field in ("params", "macs", "activations", "activation_bytes"):
        assert getattr(made, field) == sum(getattr(one, field) for one in alone), field
    assert len(made.layers) == sum(len(one.layers) for one in alone)
    assert sum(layer.params for layer in made.layers) == made.params
    assert len({layer.place for layer in made.layers}) == len(made.layers), "places are unique"


def test_alexnets_seven() -> None:
    seven = ensemble(["alexnet_two_tower"] * 7)
    assert seven.cost().params == 7 * 60_965_224
    assert seven.labels[0] == "alexnet_two_tower"
    assert seven.labels[6] == "alexnet_two_tower_7"
    assert seven.cost().layers[-1].place.startswith("alexnet_two_tower_7.head.")


def test_it_takes_the_largest_image() -> None:
    assert (ensemble(SHAO).input, ensemble(SHAO).classes) == ((3, 299, 299), 1000)
    same = ensemble(SHAO).with_input((3, 96, 96), 7)
    assert {member.input for member in same.members} == {(3, 96, 96)}
    assert (same.input, same.classes) == ((3, 96, 96), 7)


def test_without_biases() -> None:
    made = ensemble(["vgg16", "resnet18"]).cost()
    bare = made.without_biases()
    assert (made.biases, bare.biases) == (True, False)
    assert bare.params == sum(package.load(name).cost().without_biases().params for name in ("vgg16", "resnet18"))


# the module ---------------------------------------------------------------------------------------------------------


def test_probabilities_are_the_mean_of_the_members() -> None:
    torch.manual_seed(0)
    module = tiny().build().eval()
    images = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        logits = module(images)
        mean = torch.stack([member(images).softmax(1) for member in module.members]).mean(0)
    assert (logits.exp() - mean).abs().max() < 1e-6
    assert torch.equal(logits.argmax(1), mean.argmax(1))
    assert torch.allclose(logits.exp().sum(1), torch.ones(5))
    labels = torch.arange(5)
    nll = -mean[labels, labels].log().mean()
    assert torch.nn.functional.cross_entropy(logits, labels) == pytest.approx(float(nll), abs=1e-6)


def test_each_member_gets_the_image_at_its_own_size() -> None:
    small, large = (package.load("resnet20").with_input((3, size, size), 10) for size in (16, 24))
    sizes: list[tuple[int, ...]] = []
    module = ensemble([small, large]).build().eval()
    for member in module.members:
        member.register_forward_pre_hook(lambda _module, inputs: sizes.append(tuple(inputs[0].shape)))
    assert module(torch.randn(2, 3, 24, 24)).shape == (2, 10)
    assert sizes == [(2, 3, 16, 16), (2, 3, 24, 24)]


def test_parameters_are_those_of_the_cost() -> None:
    made = tiny()
    assert sum(p.numel() for p in made.build().parameters()) == made.cost().params


def test_training_outputs() -> None:
    """The mean without a gradient, each member's logits, then the auxiliary heads, with a weight each."""
    made = ensemble(["googlenet", "resnet18"]).with_input((3, 64, 64), 10).resized(0.25, 0.3)
    module = made.build().train()
    output = module(torch.randn(2, 3, 64, 64))
    assert isinstance(output, Outputs)
    assert not output.main.requires_grad
    assert len(output.aux) == 4
    assert (module.member_weights, module.aux_weights) == ((1.0, 1.0), (0.3, 0.3))
    mean = torch.stack([logits.softmax(1) for logits in output.aux[:2]]).mean(0)
    assert (output.main.exp() - mean).abs().max() < 1e-6


# training -----------------------------------------------------------------------------------------------------------


def test_a_tiny_ensemble_learns_digits() -> None:
    made = ensemble(["resnet20", "plain20"])
    judge = TrainingEvaluator("digits")
    outcome = run(judge, made, Fidelity(epochs=2, width=0.5, depth=0.34), Evaluation(seed=1))  # type: ignore[arg-type]
    assert outcome.state == "complete", outcome.reason
    assert outcome.metrics["accuracy"] > 0.8
    assert outcome.metrics["params"] == made.with_input((1, 8, 8), 10).cost(aux=False).params
    assert math.isfinite(outcome.metrics["train_loss"])


def test_every_member_learns_from_its_own_loss_alone() -> None:
    """Without clipping a member's step is what it would be without the others, and the auxiliary factor leaves it alone."""
    from nas.training.loop import losses

    torch.manual_seed(0)
    module = tiny("resnet20", "plain20").build().train()
    images, labels = torch.randn(8, 1, 8, 8), torch.arange(8)
    _, total = losses(module(images), labels, 0.0, module.member_weights)
    total.backward()
    for member in module.members:
        together = [parameter.grad.clone() for parameter in member.parameters()]
        member.zero_grad()
        torch.nn.functional.cross_entropy(member(images), labels).backward()
        for parameter, gradient in zip(member.parameters(), together, strict=True):
            assert torch.allclose(parameter.grad, gradient, atol=1e-6)


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_members_count_whatever_auxiliary_heads_do(factor: float) -> None:
    judge = TrainingEvaluator("digits", recipe=Recipe(auxiliary=factor, translate=0.0))
    outcome = run(judge, tiny("resnet20", "plain20"), Fidelity(samples=0.3), Evaluation(seed=1))  # type: ignore[arg-type]
    assert outcome.state == "complete", outcome.reason


# files and the command line -----------------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    made = ensemble(["resnet20", "nasnet_a_cifar", "resnet20"], name="three")
    again = Ensemble.from_yaml(made.to_yaml())
    assert again == made
    assert (again.digest, again.to_yaml()) == (made.digest, made.to_yaml())
    (tmp_path / "three.yaml").write_text(made.to_yaml())
    assert package.load(tmp_path / "three.yaml") == made
    assert hash(again) == hash(made)


def test_digest_is_of_the_members_in_their_order() -> None:
    first, second = ensemble(["resnet20", "plain20"]), ensemble(["plain20", "resnet20"])
    assert first.digest != second.digest
    assert first.digest == ensemble(["resnet20", "plain20"], name="other").digest
    assert first.digest not in {member.digest for member in first.members}


def test_members_by_name_path_and_object(tmp_path: Path) -> None:
    network = package.load("plain20")
    (tmp_path / "mine.yaml").write_text(network.to_yaml())
    made = ensemble(["resnet20", tmp_path / "mine.yaml", network])
    assert made.members == (package.load("resnet20"), network, network)


def test_show(call: Call, tmp_path: Path) -> None:
    (tmp_path / "shao.yaml").write_text("name: shao\nensemble: [inception_v3, inception_resnet_v2, resnet152, wide_resnet50_2]\n")
    table = call("show", "shao.yaml").out.splitlines()
    assert table[0] == "shao: input 3x299x299, 1000 classes, by member"
    assert [line.split()[0] for line in table[2:6]] == ["inception_v3", "inception_resnet_v2", "resnet152", "wide_resnet50_2"]
    total = sum(package.load(name).cost().params for name in ("inception_v3", "inception_resnet_v2", "resnet152", "wide_resnet50_2"))
    assert f"{total:,}" in table[6]
    shown = json.loads(call("show", "shao.yaml", "--by", "member", "--input", "3x96x96", "--classes", 5, "--json").out)
    assert [row["output"] for row in shown["layers"]] == [[5]] * 4
    assert sum(row["params"] for row in shown["layers"]) == shown["params"]
    assert package.Ensemble.from_yaml(call("show", "shao.yaml", "--yaml").out) == package.load("shao.yaml")


@pytest.mark.parametrize("level", ["layer", "block", "stage", "member"])
def test_rows_add_up_at_every_level(level: str) -> None:
    made = tiny()
    _, shown = rows(made, made.cost(), level)  # type: ignore[arg-type]
    assert sum(row.params for row in shown) == made.cost().params
    assert all(row.place.split(".")[0] in made.labels for row in shown)


# bad input ----------------------------------------------------------------------------------------------------------


def broken(name: str, **fields: object) -> Architecture:
    return package.load(name).with_input(**{"input": (3, 32, 32), "classes": 10, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ensemble([]), "0 members"),
        (lambda: ensemble(["resnet20"] * 101), "101 members; allowed: 1 to 100"),
        (lambda: ensemble("resnet20"), "allowed: a list"),
        (lambda: ensemble(["resnet20", "resnet50"]), r"ensemble\[1\] \(resnet50\) has 1000 classes; allowed: 10"),
        (lambda: ensemble(["resnet20", broken("plain20", input=(1, 32, 32))]), r"ensemble\[1\] \(plain20\) has 1 input channels"),
        (lambda: ensemble(["resnet20", 7]), r"ensemble\[1\] is a int; allowed: an architecture"),
        (lambda: ensemble(["resnet50", "vit_b16"]).with_input((3, 100, 100), 10).cost(), "^vit_b16: "),
        (lambda: ensemble(["resnet50", "vit_b16"]).with_input((3, 100, 100), 10).build(), "^vit_b16: "),
        (lambda: ensemble(["resnet50"]).with_input((3, 0, 100), 10), "^resnet50: input=0"),
        (lambda: Ensemble.from_yaml("ensemble: 3"), "ensemble is not a list"),
        (lambda: Ensemble.from_yaml("- 3"), "an ensemble is a list"),
        (lambda: Ensemble.from_yaml("ensemble: [resnet20, resnet2O]"), r"ensemble\[1\]: unknown .*resnet2O.*resnet20"),
        (lambda: Ensemble.from_yaml("ensemble: [{name: x}]"), r"ensemble\[0\]: the top level lacks 'input'"),
        (lambda: Ensemble.from_yaml("ensemble: [{ensemble: [resnet20]}]"), r"ensemble\[0\]: .*'ensemble'"),
        (lambda: Ensemble.from_yaml("{name: [1], ensemble: [resnet20]}"), "name="),
    ],
)
def test_errors(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ArchitectureError, match=said):
        make()


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="resnet50"):
        ensemble(["resnet18", "resnet5O"])
    with pytest.raises(UnknownNameError, match="members"):
        Ensemble.from_yaml("{members: [resnet20], ensemble: [resnet20]}")


def test_an_ensemble_is_no_member_and_has_no_picture(call: Call, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("ensemble: [resnet20, plain20]\n")
    with pytest.raises(ArchitectureError, match=r"two\.yaml is an ensemble"):
        ensemble(["resnet20", tmp_path / "two.yaml"])
    drawn = call("show", "two.yaml", "--svg", "two.svg")
    assert (drawn.status, "allowed: a single network" in drawn.err) == (2, True)
