"""The weight bank over all spaces, keys, shells, recalibration, and what a child inherits."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
import torch
from torch import nn

import nas
from nas import spaces
from nas.arch import Architecture
from nas.bank import Bank, from_bytes, recalibrate, to_bytes
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity, Store, Task, create, run
from nas.evaluators.handover import read_parts
from nas.evaluators.store import of_trial
from nas.ops import LEAVES
from nas.parts import keys, take
from nas.shells import Shell
from nas.testing import bank as kit
from nas.testing.ops import examples
from tests.cli import nas as call

torch.set_num_threads(1)


def samples(name: str, count: int, seed: int = 0) -> list[Architecture]:
    """Small networks of a shipped space that fit 32x32 images."""
    space, rng = spaces.load(name), random.Random(seed)
    made = []
    while len(made) < count:
        made.append(space.decode(space.sample(rng)).resized(0.25, 0.2).with_input((3, 32, 32), 10))
    return made


def tiny(seed: int = 0) -> Architecture:
    space = spaces.load("tiny")
    return space.decode(space.sample(random.Random(seed)))


def cell(*edges: tuple[tuple[str, int], tuple[str, int]], stride: int = 1) -> Architecture:
    """A network of one cell, a pair of (operation, source) a node."""
    nodes = [[{"op": op, "from": source} for op, source in pair] for pair in edges]
    return Architecture.from_dict({
        "name": "one-cell", "input": [3, 8, 8], "classes": 4, "stem": [{"block": "conv3x3", "width": 8}],
        "stages": [{"block": {"cell": {"nodes": nodes}}, "width": 8, "stride": stride}],
        "head": ["global_pool", {"block": "linear", "width": "classes"}],
    })  # fmt: skip


def named(bank: Bank, architecture: Architecture) -> dict[str, nn.Parameter]:
    return dict(bank.build(architecture).named_parameters())


# ---- signatures --------------------------------------------------------------------------------------------------


def test_leaves_of_one_signature_have_parameters_of_one_shape() -> None:
    made: dict[str, dict[str, tuple[int, ...]]] = {}
    for kind in (LEAVES.get(name) for name in LEAVES.names()):
        for leaf, shapes in examples(kind):
            signature = leaf.signature(*shapes)
            found = {name: tuple(item.shape) for name, item in leaf.module(*shapes).named_parameters()}
            assert (signature is None) == (not found)
            if signature is not None:
                assert made.setdefault(signature, found) == found, signature


# ---- the contract ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", spaces.names())
def test_children_of_every_space(name: str) -> None:
    kit.check(samples(name, 2))


@pytest.mark.parametrize("source", [False, True])
def test_children_of_a_space_that_skips(source: bool) -> None:
    kit.check([network for name in ("enas-macro", "nas-rnn") for network in samples(name, 3, seed=5)], source)


def test_a_child_with_auxiliary_heads_and_dropped_paths() -> None:
    (network,) = samples("nasnet-cell", 1)
    child = Bank().build(network, drop_path=0.3)
    assert network.aux
    assert isinstance(child.train()(torch.randn(2, 3, 32, 32)), tuple)


# ---- keys --------------------------------------------------------------------------------------------------------


def test_an_operation_has_parameters_of_its_own_at_each_edge() -> None:
    bank = Bank(source=False)
    first = named(bank, cell((("sep_conv_3x3", 0), ("sep_conv_5x5", 1))))
    second = named(bank, cell((("sep_conv_5x5", 0), ("sep_conv_5x5", 1))))
    pointwise = "stages.0.0.nodes.node2_sep_conv.conv_2.weight"
    assert first[pointwise].shape == second[pointwise].shape
    assert first[pointwise] is not second[pointwise]  # of a 3x3 and a 5x5
    other = "stages.0.0.nodes.node2_sep_conv_2.conv_2.weight"
    assert first[other] is second[other]


def test_what_stands_at_one_edge_does_not_move_the_others() -> None:
    bank = Bank(source=False)
    first = named(bank, cell((("sep_conv_3x3", 0), ("sep_conv_3x3", 1))))
    second = named(bank, cell((("max_pool_3x3", 0), ("sep_conv_3x3", 1))))
    moved = second["stages.0.0.nodes.node2_sep_conv.conv.weight"]
    assert moved is first["stages.0.0.nodes.node2_sep_conv_2.conv.weight"]


@pytest.mark.parametrize("source", [False, True])
def test_the_source_of_an_edge_counts_if_it_is_to(source: bool) -> None:
    bank = Bank(source=source)
    name = "stages.0.0.nodes.node2_conv.conv.weight"
    one, other = (named(bank, cell((("conv_3x3", state), ("max_pool_3x3", 1))))[name] for state in (0, 1))
    assert (one is not other) == source


def test_widths_make_new_parameters_and_strides_do_not() -> None:
    bank, network = Bank(), tiny()
    bank.build(network)
    before = len(bank)
    bank.build(network.resized(width=0.5))
    assert len(bank) > before
    plain, strided = cell((("conv_3x3", 0), ("conv_3x3", 1))), cell((("conv_3x3", 0), ("conv_3x3", 1)), stride=2)
    one, other = (keys(each.build()) for each in (plain, strided))
    name = "stages.0.0.nodes.node2_conv.conv.weight"
    assert one[name] == other[name]


def test_parameters_depend_on_seed_and_key_alone() -> None:
    networks = samples("nasnet-cell", 3)
    forth, back, elsewhere = Bank(3), Bank(3), Bank(4)
    torch.manual_seed(1)
    for network in networks:
        forth.build(network)
    drawn = torch.rand(1)
    for network in reversed(networks):
        back.build(network)
        elsewhere.build(network)
    assert forth.state().keys() == back.state().keys()
    assert all(torch.equal(item, back.state()[key]) for key, item in forth.state().items())
    assert any(not torch.equal(item, elsewhere.state()[key]) for key, item in forth.state().items())
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))  # nobody else's draws change


def test_the_bank_does_not_grow_with_what_it_has_seen() -> None:
    bank, network = Bank(), tiny()
    bank.build(network)
    size = len(bank)
    for _ in range(5):
        bank.build(network)
    assert len(bank) == size


# ---- training ----------------------------------------------------------------------------------------------------


def test_training_a_child_trains_the_next() -> None:
    bank, network = Bank(), tiny()
    child = bank.build(network)
    before = {key: item.clone() for key, item in bank.state().items()}
    optimiser = torch.optim.SGD(child.parameters(), 0.1)
    child(torch.randn(4, *network.input)).square().mean().backward()
    optimiser.step()
    assert any(not torch.equal(item, before[key]) for key, item in bank.state().items())
    following = bank.build(network)
    assert all(one is other for one, other in zip(child.parameters(), following.parameters(), strict=True))
    assert all(not item.any() for name, item in following.named_buffers() if name.endswith("running_mean"))


def test_recalibrated_statistics_are_the_mean_over_the_batches() -> None:
    norm = nn.BatchNorm2d(3, momentum=0.1)
    network = nn.Sequential(nn.Dropout(0.5), norm)
    batches = [torch.randn(8, 3, 4, 4) * scale for scale in (1, 2, 3)]
    norm.running_mean.fill_(9.0)
    recalibrate(network, iter(batches))
    means = torch.stack([each.mean((0, 2, 3)) for each in batches]).mean(0)
    variances = torch.stack([each.transpose(0, 1).flatten(1).var(1) for each in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not network.training
    assert not norm.training
    assert norm.momentum == 0.1


# ---- state -------------------------------------------------------------------------------------------------------


def test_state_goes_through_bytes() -> None:
    bank, network = Bank(1), tiny()
    child = bank.build(network)
    again = Bank(2)
    again.restore(from_bytes(to_bytes(bank.state())))
    assert all(torch.equal(one, other) for one, other in zip(child.parameters(), again.build(network).parameters(), strict=True))
    held = dict(bank.parameters())
    bank.restore({key: item + 1 for key, item in again.state().items()})
    assert all(bank.parameters()[key] is item for key, item in held.items())  # what children hold is what is restored
    assert all(torch.equal(item, again.state()[key] + 1) for key, item in held.items())


def test_damaged_state_is_one_line() -> None:
    with pytest.raises(NasError, match="cannot be read"):
        from_bytes(b"PK not weights")
    bank = Bank()
    bank.build(tiny())
    key = next(iter(bank.state()))
    with pytest.raises(NasError, match="allowed"):
        bank.restore({key: torch.zeros(1, 2, 3)})
    with pytest.raises(NasError, match="seed"):
        Bank(-1)


# ---- shells ------------------------------------------------------------------------------------------------------


class Inner(nn.Module):
    """What a user's leaf may be: a list, a module within it, a buffer and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [1, 2]
        self.inner = nn.Linear(3, 3)
        self.own = nn.Parameter(torch.zeros(3))
        self.register_buffer("count", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.own + self.count


def test_a_shell_of_any_module_takes_parameters_and_has_all_else_for_itself() -> None:
    for pattern in (Inner(), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)):
        shell = Shell(pattern)
        given = {name: nn.Parameter(item.detach() + 1) for name, item in pattern.named_parameters()}
        one, other = shell.around(given), shell.around(given)
        for name, item in one.named_parameters():
            assert item is given[name]
            assert item is dict(other.named_parameters())[name]
        calls: list[str] = []
        one.register_forward_hook(lambda *_, calls=calls: calls.append("called"))
        other(torch.ones(2, 3) if isinstance(pattern, Inner) else torch.ones(2, 3, 2, 2))
        assert not calls
        assert repr(one) == repr(pattern)
        assert all(a is not b for a, b in zip(one.buffers(), other.buffers(), strict=True))


# ---- inheritance -------------------------------------------------------------------------------------------------


def test_most_of_a_network_survives_a_mutation() -> None:
    space, rng = spaces.load("nasnet-cell"), random.Random(0)
    fractions = []
    for _ in range(6):
        decisions = space.sample(rng)
        parent = space.decode(decisions).resized(0.25, 0.2).build()
        child = space.decode(space.mutate(decisions, rng)).resized(0.25, 0.2).build()
        named = keys(parent)
        fractions.append(take(child, {named[name]: item for name, item in parent.state_dict().items()}))
    assert all(0.5 < fraction <= 1.0 for fraction in fractions)


def test_keys_of_a_network_are_those_of_the_bank() -> None:
    for name, source in itertools.product(("nasnet-cell", "enas-macro", "vit"), (False, True)):
        (network,) = samples(name, 1)
        bank = Bank(source=source)
        child = bank.build(network)
        named = keys(child, source)
        assert all(bank.parameters()[named[name]] is item for name, item in child.named_parameters())
        assert len(set(named.values())) == len(child.state_dict()) == len(named)


def evaluated(task: Task, network: Architecture, epochs: int = 1) -> dict[str, float]:
    outcome = run(create("training"), network, Fidelity(epochs, samples=0.2), Evaluation(seed=task.number, task=task))
    assert outcome.state == "complete", outcome.reason
    return outcome.metrics


@pytest.mark.parametrize("whole", [False, True])
def test_a_child_begins_where_its_parent_ended(tmp_path: Path, whole: bool) -> None:
    store, network = Store.at(tmp_path), tiny().with_input((1, 8, 8), 10)
    parent = evaluated(Task(0, store=store, keep=True, whole=whole), network, 6)
    child = evaluated(Task(1, store=store, inherit=0), network)
    assert child["inherited"] == 1.0
    assert "inherited" not in parent
    alone = evaluated(Task(1, store=store), network)
    assert child["train_loss"] < alone["train_loss"]
    parts = read_parts(store.read(of_trial(0)))
    assert any(key.endswith("running_mean") for key in parts)


@pytest.mark.parametrize("data", [None, b"", b"no weights"])
def test_without_its_parent_a_child_starts_afresh(tmp_path: Path, data: bytes | None) -> None:
    store, network = Store.at(tmp_path), tiny().with_input((1, 8, 8), 10)
    if data is not None:
        store.write(of_trial(0), data)
    child = evaluated(Task(1, store=store, inherit=0), network)
    alone = evaluated(Task(1, store=store), network)
    assert child["inherited"] == 0.0
    assert child["accuracy"] == alone["accuracy"]


def test_a_search_inherits_and_goes_on(tmp_path: Path) -> None:
    options = {"strategy": "evolution", "strategy_options": {"population": 3, "sample": 2}, "fidelity": Fidelity(1, samples=0.2)}
    study = nas.search("tiny", **options, inherit=True, budget="7trials", engine="local", workers=1, out=tmp_path / "run", confirm="1x1",
                       confirm_epochs=1)  # fmt: skip
    assert study.settings.inherit
    for trial in study.trials:
        assert ("inherited" in trial.metrics) == (trial.parent is not None)
    assert sum(trial.metrics.get("inherited", 0.0) > 0 for trial in study.trials) >= 3
    confirmed = nas.open_study(tmp_path / "run" / "confirm")
    assert not confirmed.settings.inherit
    assert not (tmp_path / "run" / "confirm" / "weights").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--strategy", "random"), "no parents"),
        (("--strategy", "asha:random"), "no parents"),
        (("--strategy", "evolution", "--evaluator", "zero-cost:naswot"), "keeps no weights"),
    ],
)
def test_what_could_not_inherit_is_said_before(
    tmp_path: Path, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("search", "--space", "tiny", "--inherit", "--budget", "3trials", "--engine", "local", "--out", tmp_path / "x")
    made = call(capsys, monkeypatch, *given, *arguments)
    assert made.status == 2
    assert why in made.err
    assert not (tmp_path / "x").exists()
