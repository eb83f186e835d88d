"""Every registered measure on networks of every kind, small; tiny networks by hand; scores alone and as evaluator."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nas
from nas import measures, spaces
from nas.arch import Architecture
from nas.errors import ArchitectureError, NasError, UnknownNameError
from nas.evaluators import Evaluation, Fidelity, create, parse
from nas.measures import Probe, measure
from tests.cli import nas as call

CONVNET = "resnet20"
FAMILIES = (CONVNET, "lenet5", "densenet121", "efficientnet_b0", "vit_ti16", "mixer_s32", "gmlp_ti", "swin_t")
each_measure = pytest.mark.parametrize("name", measures.names())
repeated = pytest.mark.parametrize("name", [name for name in measures.names() if name != "latency_ms"])


def small(network: Architecture) -> Architecture:
    """Few channels, one block a stage, few pixels."""
    side = 64 if network.name in ("vit_ti16", "mixer_s32", "swin_t") else 32
    return network.resized(width=0.25, depth=0.1).with_input((network.input[0], side, side), 10)


def samples() -> list[Architecture]:
    """A candidate of every shipped space, small."""
    made = []
    for name in spaces.names():
        space = spaces.load(name)
        network = space.decode(space.sample(random.Random(1)))
        side = min(network.input[1], 32)
        tiny = network.resized(width=0.25, depth=0.1)
        try:
            tiny.with_input((3, side, side), 10).cost()
            made.append(tiny.with_input((3, side, side), 10))
        except ArchitectureError:  # a patch size that needs the space's own input
            made.append(tiny)
    return made


def net(*head: str, input: str = "[1, 2, 2]", classes: int = 2) -> Architecture:
    """A network of nothing but a head."""
    return Architecture.from_yaml(f"name: hand\ninput: {input}\nclasses: {classes}\nstages: []\nhead: [{', '.join(head)}]\n")


LINEAR = "{block: {flatten: {}}}", "{block: linear, width: classes}"


@pytest.fixture(scope="module")
def networks() -> list[Architecture]:
    return [*(small(nas.load(name)) for name in FAMILIES), *samples()]


@each_measure
def test_finite_on_every_kind_of_network(name: str, networks: list[Architecture]) -> None:
    for network in networks:
        images = np.random.default_rng(0).normal(size=(6, *network.input))
        assert math.isfinite(measure(network, name, Probe(images=images))), network.name


def scores() -> dict[str, dict[str, float]]:
    """All but the latency, of a convnet and a transformer."""
    made = {name: small(nas.load(name)) for name in (CONVNET, "vit_ti16")}
    wanted = [name for name in measures.names() if name != "latency_ms"]
    images = {name: np.random.default_rng(0).normal(size=(6, *network.input)) for name, network in made.items()}
    return {name: nas.score(network, wanted, images[name], seed=3) for name, network in made.items()}


def test_equal_in_another_process_and_nothing_outside_is_touched() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    random_state, numpy_state = random.getstate(), np.random.get_state()[1].tolist()
    first = scores()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert random.getstate() == random_state
    assert np.random.get_state()[1].tolist() == numpy_state
    assert torch.is_grad_enabled()
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": f"{here.parent}"}
    code = "import json, tests.test_measures as t; print(json.dumps(t.scores()))"
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == first


@repeated
def test_the_seed_decides(name: str) -> None:
    network = small(nas.load(CONVNET)).with_input((3, 8, 8), 10)
    assert measure(network, name, Probe(1)) == measure(network, name, Probe(1))
    if name not in ("params", "macs"):
        assert measure(network, name, Probe(1)) != measure(network, name, Probe(2))


def test_costs_are_those_of_the_network_that_is_used() -> None:
    network = nas.load("googlenet")
    cost = network.cost(aux=False)
    assert nas.score(network, "params,macs") == {"params": cost.params, "macs": cost.macs}


@pytest.mark.parametrize("name", ["synflow", "naswot"])
def test_more_capacity_scores_higher(name: str) -> None:
    narrow, wide = (nas.load(CONVNET).resized(width=width, depth=0.3).with_input((3, 16, 16), 10) for width in (0.25, 1.0))
    assert measure(narrow, name) < measure(wide, name)


# ---- by hand -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["relu", "gelu", "silu", "tanh"])
def test_naswot_of_two_images_by_hand(kind: str) -> None:
    """K has the number of units on its diagonal, beside it those in which both images are above zero or both not."""
    images = torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = nn.Linear(4, 50)
    on = (layer(images.flatten(1)) > 0).tolist()
    both = sum(a == b for a, b in zip(*on, strict=True))
    network = net("{block: {flatten: {}}}", f"{{block: {{linear: {{activation: {kind}}}}}, width: 50}}", "{block: linear, width: classes}")
    assert 0 < both < 50
    assert measure(network, "naswot", Probe(images=images)) == pytest.approx(math.log(50**2 - both**2))
    # Equal images have equal patterns: the eigenvalue zero counts as a millionth of the mean.
    equal = math.log(100) + math.log(50e-6)
    assert measure(network, "naswot", Probe(images=images[[0, 0]])) == pytest.approx(equal)


def by_hand(images: torch.Tensor, labels: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight of a single linear layer, and its gradient (softmax - one-hot)^T x / N."""
    torch.manual_seed(seed)
    layer = nn.Linear(4, 2)
    x = images.flatten(1)
    wrong = (x @ layer.weight.T + layer.bias).softmax(1) - nn.functional.one_hot(labels, 2)
    return layer.weight.detach(), (wrong.T @ x / len(x)).detach()


def test_gradients_of_a_linear_layer_by_hand() -> None:
    images, labels = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])
    with torch.random.fork_rng():
        weight, gradient = by_hand(images, labels, 5)
    found = nas.score(net(*LINEAR), "grad-norm,snip", images, labels, seed=5)
    assert found["grad_norm"] == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert found["snip"] == pytest.approx(float((weight * gradient).abs().sum()), rel=1e-5)


def test_synflow_of_a_linear_layer_by_hand() -> None:
    """R is the sum of all |weights|, and so is the sum of |theta dR/dtheta|; biases are left out."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weight = nn.Linear(4, 2).weight.detach()
    assert measure(net(*LINEAR), "synflow") == pytest.approx(math.log(float(weight.double().abs().sum())))


def test_jacov_by_hand() -> None:
    """All images have the Jacobian of a linear layer: eigenvalues N and 0."""
    k, count = 1e-5, 3
    wanted = -sum(math.log(v + k) + 1 / (v + k) for v in (count, 0.0, 0.0))
    assert measure(net(*LINEAR), "jacov", Probe(images=torch.randn(count, 1, 2, 2))) == pytest.approx(wanted, rel=1e-4)


def test_synflow_looks_at_no_image_and_bears_any_depth() -> None:
    network = small(nas.load(CONVNET))
    shown = Probe(images=np.random.default_rng(0).normal(size=(5, 3, 32, 32)))
    assert measure(network, "synflow", shown) == measure(network, "synflow")
    # Of 1,202 layers the flow is beyond a 64-bit float, whose largest number has the logarithm 709.
    assert measure(nas.load("resnet1202").with_input((3, 4, 4), 10), "synflow") > 800


def test_nothing_reaches_the_output() -> None:
    space = spaces.load("nas-bench-201")
    network = space.decode(dict.fromkeys(space.choices, "none")).with_input((3, 8, 8), 10)
    assert all(math.isfinite(value) for value in nas.score(network).values())


# ---- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"names": "naswt"}, UnknownNameError, "nearest: naswot"),
        ({"names": "naswot", "images": np.zeros((2, 3, 4, 4))}, ArchitectureError, "images are 2x3x4x4, and hand reads 1x2x2"),
        ({"names": "naswot", "images": np.full((2, 1, 2, 2), np.nan)}, NasError, "NaN"),
        ({"names": "naswot", "images": "cat.png"}, NasError, "images is a str"),
        ({"names": "snip", "labels": [0, 1]}, NasError, "allowed: whole numbers of shape"),
        ({"names": "snip", "images": np.ones((2, 1, 2, 2)), "labels": [0, 7]}, NasError, "allowed: 0..1"),
        ({"names": "snip", "seed": -1}, NasError, "seed=-1"),
    ],
)
def test_bad_input(given: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        nas.score(net(*LINEAR), **given)


def test_evaluator() -> None:
    assert parse("zero-cost:grad-norm") == ("zero-cost", {"proxy": "grad-norm"})
    evaluator = create("zero-cost", proxy="grad-norm", dataset="digits")
    assert evaluator.objective == "grad_norm"
    assert create("zero-cost", **evaluator.settings()).settings() == evaluator.settings()
    assert evaluator.task() == ((1, 8, 8), 10)
    assert create("zero-cost").task() is None
    network = nas.load(CONVNET).resized(width=0.25, depth=0.1)
    first, second = (evaluator.evaluate(network, Fidelity(), Evaluation(seed=seed)) for seed in (0, 1))
    assert first == second
    for bad in ("latency_ms", "nothing", "naswot,zen"):
        with pytest.raises(NasError, match=r"allowed|known"):
            create("zero-cost", proxy=bad)


def test_score_verb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run = call(capsys, monkeypatch, "score", "resnet20", "plain20", "--dataset", "digits", "--proxies", "params,naswot,grad-norm", "--json")
    assert run.status == 0, run.err
    rows = json.loads(run.out)
    assert [row["name"] for row in rows] == ["resnet20", "plain20"]
    assert set(rows[0]) == {"name", "params", "naswot", "grad_norm"}
    bad = call(capsys, monkeypatch, "score", "resnet20", "--proxies", "naswt")
    assert (bad.status, bad.err) == (2, "error: unknown measure 'naswt' at --proxies; nearest: naswot\n")
