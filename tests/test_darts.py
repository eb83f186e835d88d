"""Differentiable search: all networks at once, the two trainings by turns, phases that survive a kill, and collapse."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

import nas
from nas import data, spaces, strategies
from nas.arch.text import parse
from nas.errors import NasError
from nas.evaluators import Clock, CutOff, Evaluation, Fidelity, Store, Task, differentiable, run
from nas.evaluators.training import TrainingEvaluator
from nas.ops import Map
from nas.ops.mix import Mix
from nas.primitives import CellGraph, ConvNormAct, Mixed, NoConnection, SkipConnect
from nas.repeatable import parameters_from
from nas.report import darts as report
from nas.spaces import Space
from nas.spaces.skips import Skips, skips
from nas.spaces.superposed import softmax, superposed
from nas.strategies import Proposal, Trial
from nas.strategies.base import Context
from nas.training.darts import Relaxed, tie
from nas.training.dataset import TrainingData
from nas.training.recipe import Recipe
from tests.cli import nas as command

RELAXABLE = ("amoebanet-cell", "case-study-cell", "darts", "enas-micro", "nas-bench-201", "nasnet-cell")
SMALL = Fidelity(1, 0.25, 0.17)
RECIPE = Recipe(batch=64, translate=0.0)
# One cell of two nodes, the first with a fixed input, the second with a chosen one.
OWN = """
name: own
input: [1, 8, 8]
classes: 10
cells:
  normal:
    cell:
      inputs: 1
      nodes:
        - [{op: &op {choose: [none, skip_connect, conv_3x3]}, from: 0}]
        - [{op: *op, from: {choose: [0, 1]}}]
stem: [{block: conv, width: 4}]
stages: [{block: normal, width: 4, repeat: 2}]
head: [global_pool, {block: linear, width: classes}]
"""


def own(text=OWN, *changes):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Space(parse(text, "own"))


@pytest.fixture(scope="module")
def digits():
    return TrainingData.of(data.load("digits"), 0.2, 0, torch.device("cpu"))


def relaxed(space, digits, seed=0, width=1.0, depth=1.0, batch=64, stages=None, **options):
    whole = superposed(space)
    network = whole.architecture.with_input(digits.shape, digits.classes).resized(width=width, depth=depth)
    network = replace(network, stages=network.stages[:stages])
    with parameters_from(seed):
        module = network.build()
    return whole, Relaxed(module, digits, replace(RECIPE, batch=batch), seed, **options)


# ---- the language ------------------------------------------------------------------------------------------------


def test_a_mixture_is_the_sum_by_softmax():
    module = Mix("a", 3).module(Map(2, 3, 3), Map(2, 3, 3))
    module.scores.data = torch.tensor([0.5, -1.0, 2.0])
    x, y = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    powers = [math.exp(0.5), math.exp(-1.0), math.exp(2.0)]
    expected = (powers[0] * x + powers[1] * y) / sum(powers)  # the third is that of zeros
    torch.testing.assert_close(module(x, y), expected)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Mixed((NoConnection(),)), "ops has no operation but none; allowed: one or more"),
        (lambda: Mixed((NoConnection(), SkipConnect())), "none is not the last of ops"),
        (lambda: Mixed((SkipConnect(),), ""), None),
        (lambda: Mix("", 1), "the name of the weights is empty"),
        (lambda: Mix("a", 0), "options=0; allowed: 1 to"),
    ],
)
def test_mixtures_that_are_none(make, says):
    if says is None:
        with pytest.raises(NasError, match="the name of the weights is empty"):
            nas.arch.place(make(), (Map(3, 4, 4),))
        return
    with pytest.raises(NasError, match=says):
        make()


def test_a_mixture_is_written_and_read():
    text = superposed(own()).architecture.to_yaml()
    assert "mixed:\n" in text
    assert nas.Architecture.from_yaml(text) == superposed(own()).architecture


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_can_be_had_at_once_or_says_why_not(name, digits):
    """Those that can: it builds, all scores have a gradient, and any scores lead to decisions of the space."""
    space = spaces.load(name)
    if name not in RELAXABLE:
        with pytest.raises(NasError, match=r"leaves open what cannot be many things at once: .*; allowed: operations, and inputs"):
            superposed(space)
        return
    whole, training = relaxed(space, digits, width=0.125, depth=0.17, batch=4, stages=2)
    assert set(training.scores) == set(whole.mixtures)
    assert all(len(training.scores[key]) == len(mixture.options) for key, mixture in whole.mixtures.items())
    assert whole.architecture.aux == ()
    before = training.weights_of()
    training.module.train()
    gradients = torch.autograd.grad(training._loss(digits.train[:4]), list(training.scores.values()))
    assert all(bool(gradient.isfinite().all()) and bool(gradient.any()) for gradient in gradients)
    after = {key: (-gradient).tolist() for key, gradient in zip(before, gradients, strict=True)}
    for scores in (before, after, {key: [0.0] * len(value) for key, value in before.items()}):
        decisions = whole.derive(scores)
        assert space.ordered(decisions) == decisions
        assert all(decisions[settled] == "add" for settled in whole.settled)
        space.decode(decisions)
    assert bool(whole.settled) == (name == "nasnet-cell")


def in_order(network):
    """The same network, the edges of every node by what they read."""
    def node(each):
        return replace(each, edges=tuple(sorted(each.edges, key=lambda edge: edge.source)))

    cells = tuple(replace(cell, op=replace(cell.op, nodes=tuple(map(node, cell.op.nodes)))) for cell in network.cells)
    return replace(network, cells=cells)


@pytest.mark.parametrize("name", ["darts_v1", "darts_v2"])
def test_scores_lead_to_the_published_cells(name):
    """The scores of the published operations are raised: then derivation gives that network and no other."""
    space = spaces.load("darts")
    network = replace(space.decode(space.sample(random.Random(0))), cells=in_order(nas.load(name)).cells)
    whole, wanted = superposed(space), space.recognise(network)
    scores = {key: [0.0] * len(mixture.options) for key, mixture in whole.mixtures.items()}
    cells = {cell.name: cell.op for cell in space.decode(wanted).cells}
    for cell, op in cells.items():
        assert isinstance(op, CellGraph)
        for number, node in enumerate(op.nodes, 2):
            for edge in node.edges:
                key = f"{cell}.2.{'left' if edge.source == 0 else 'right'}" if number == 2 else f"{edge.source}>{cell}.{number}"
                scores[key][[other for other, _ in whole.mixtures[key].options].index(edge.op)] = 3.0
    assert whole.derive(scores) == wanted


def test_none_takes_its_part_of_an_edge_and_is_not_derived():
    """Of two inputs the one whose best operation is stronger after `none` has had its part (section 2.4)."""
    space = own()
    whole = superposed(space)
    assert list(whole.mixtures) == ["normal.nodes[0][0].op", "0>normal.nodes[1][0].from", "1>normal.nodes[1][0].from"]
    assert [op.name for op, _ in whole.mixtures["normal.nodes[0][0].op"].options] == ["skip_connect", "conv", "none"]
    scores = {"normal.nodes[0][0].op": [0, 1, 9], "0>normal.nodes[1][0].from": [3, 0, 5], "1>normal.nodes[1][0].from": [1, 2, 0]}
    assert whole.derive(scores) == {
        "normal.nodes[0][0].op": "conv_3x3", "normal.nodes[1][0].op": "conv_3x3", "normal.nodes[1][0].from": 1,
    }  # fmt: skip
    scores["0>normal.nodes[1][0].from"] = [3, 0, 0]
    assert whole.derive(scores)["normal.nodes[1][0].from"] == 0
    assert whole.derive(scores)["normal.nodes[1][0].op"] == "skip_connect"


def test_no_state_is_read_twice_where_it_need_not_be():
    whole = superposed(spaces.load("enas-micro"))
    scores = {key: [0.0] * len(mixture.options) for key, mixture in whole.mixtures.items()}
    for key in scores:
        if key.startswith("1>"):
            scores[key][0] = 9.0
    decisions = whole.derive(scores)
    for node in range(5):
        assert {decisions[f"normal.nodes[{node}][0].from"], decisions[f"normal.nodes[{node}][1].from"]} == {0, 1}


def test_scores_are_shared_by_all_cells_of_a_kind(digits):
    whole, training = relaxed(spaces.load("nas-bench-201"), digits, width=0.25, depth=0.4)
    mixes = [part for part in training.module.modules() if isinstance(part, nas.ops.modules.MixModule)]
    assert len(mixes) == 6 * 6  # two cells in each of three stages
    assert len({id(part.scores) for part in mixes}) == len(whole.mixtures) == 6
    again = superposed(own()).architecture.build()
    again.get_submodule("stages.0.0.nodes.node1_mixed.mix").scores = nn.Parameter(torch.zeros(7))
    with pytest.raises(ValueError, match="have 7 and 3 options"):
        tie(again)


def test_options_with_choices_of_their_own_are_options_each():
    """As `residual_basic` with and without squeeze-excite."""
    inner = "[none, {residual_basic: {se: {choose: [null, 4], name: se}}}]"
    space = own(OWN, ("[none, skip_connect, conv_3x3]", inner), ("from: {choose: [0, 1]}", "from: 0"), ("op: *op", "op: conv_3x3"))
    whole = superposed(space)
    (mixture,) = whole.mixtures.values()
    assert len(mixture.options) == 3
    assert whole.derive({mixture.name: [0, 1, 0]}) == {"normal.nodes[0][0].op": "residual_basic", "se": 4}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((("width: 4,", "width: {choose: [4, 8], name: wide},"),), "cannot be many things at once: wide; allowed"),
        ((("repeat: 2", "repeat: {choose: [1, 2], name: deep}"),), "cannot be many things at once: deep; allowed"),
        ((("op: *op", "op: {conv: {kernel: {choose: [3, 5], name: size}}}"), ("{choose: [0, 1]}", "0")), "at once: size; allowed"),
        ((("{choose: [none, skip_connect, conv_3x3]}", "{choose: [none, conv_3x3], name: one}"),), "decision 'one' stands where"),
        ((("[{op: *op, from: {choose: [0, 1]}}]", "{combine: concat, edges: [{op: *op, from: {choose: [0, 1]}}]}"),), "joins them"),
    ],
)
def test_what_cannot_be_had_at_once_is_named(changes, says):
    with pytest.raises(NasError, match=says):
        superposed(own(OWN, *changes))


def test_a_block_of_a_stage_may_be_open_too(digits):
    space = own(OWN, ("block: normal", "block: {choose: [conv3x3, residual_basic, skip_connect], name: block}"),
                ("{choose: [none, skip_connect, conv_3x3]}", "conv_3x3"), ("{choose: [0, 1]}", "0"))  # fmt: skip
    space = Space({key: value for key, value in space.to_dict().items() if key != "cells"})
    whole, training = relaxed(space, digits)
    training.advance(1)
    assert list(whole.mixtures) == ["block"]
    found = whole.derive({"block": [0.0, 0.0, 1.0]})
    assert found == {"block": "skip_connect"}
    assert skips(space.decode(found)) == [Skips("network", 1, 1, True)]


# ---- the training ------------------------------------------------------------------------------------------------


def test_halves_are_apart_and_every_step_moves_what_it_should(digits):
    _, training = relaxed(own(), digits)
    first, second = (set(rows.tolist()) for rows in training.halves)
    assert not first & second
    assert first | second == set(digits.train.tolist())
    assert abs(len(first) - len(second)) <= digits.classes
    norms = [part for part in training.module.modules() if isinstance(part, nn.BatchNorm2d)]
    training.advance(3)
    assert all(torch.equal(part.weight, torch.ones_like(part.weight)) and not part.bias.any() for part in norms)
    assert training.step == 3


def test_the_step_of_the_scores_is_adams_on_the_other_half(digits):
    """Against torch's Adam on the gradient that is worked out here."""
    _, training = relaxed(own(), digits, rate=0.01)
    _, twin = relaxed(own(), digits, rate=0.01)
    vectors = list(twin.scores.values())
    adam = torch.optim.Adam(vectors, lr=0.01, betas=(0.5, 0.999), weight_decay=1e-3)
    twin.module.train()
    loss = nn.functional.cross_entropy(twin.module(twin.inputs.plain(twin._rows()[1])), digits.labels[twin._rows()[1]])
    adam.zero_grad()
    loss.backward()
    adam.step()
    training.advance(1)
    for vector, other in zip(training.scores.values(), vectors, strict=True):
        torch.testing.assert_close(vector, other, rtol=1e-5, atol=1e-6)


def test_a_restored_training_goes_on_to_the_bit(digits):
    def finished(breaks):
        _, training = relaxed(own(), digits, steps=12)
        for at in breaks:
            training.advance(at - training.step)
            state = training.state()
            state = {**state, "module": {key: value.clone() for key, value in state["module"].items()}}
            _, training = relaxed(own(), digits)
            training.restore(state)
        training.advance(12 - training.step)
        return training.weights_of(), training.accuracy()

    assert finished([]) == finished([3, 8, 9])


# ---- phases ------------------------------------------------------------------------------------------------------


def phase(store, number, space, clock=None, **options):
    task = Task(number, phase="darts", store=store, space=space.to_yaml(), options={"epochs": 2, **options})
    evaluation = Evaluation(seed=100 + number, clock=clock or Clock(), task=task)
    evaluator = TrainingEvaluator("digits", recipe=RECIPE)
    metrics = evaluator.evaluate(space.decode(space.sample(random.Random(0))), SMALL, evaluation)
    return metrics, evaluation.found


def without_seconds(result):
    metrics, found = result
    return {key: value for key, value in metrics.items() if "seconds" not in key}, found


class Stopping(Clock):
    """Over after so many looks at it."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    def check(self):
        self.looks -= 1
        if self.looks < 0:
            raise CutOff("budget")


def test_a_search_that_was_killed_in_a_phase_ends_as_if_it_had_not_been(tmp_path):
    space = own()
    whole = [without_seconds(phase(Store.at(tmp_path / "a"), number, space)) for number in range(9)]
    over = [index for index, (_, found) in enumerate(whole) if found]
    assert over == [7]  # 16 steps in phases of 2; then another search
    assert [metrics["epochs"] for metrics, _ in whole[:8]] == [each / 4 for each in range(1, 9)]
    assert (whole[7][0]["program"], whole[8][0]["program"]) == (1, 2)
    broken = Store.at(tmp_path / "b")
    for number in range(9):
        if number in (0, 3, 7):
            with pytest.raises(CutOff):
                phase(broken, number, space, Stopping(2))
        first = phase(broken, number, space)
        assert without_seconds(first) == whole[number]
        assert phase(broken, number, space) == first  # killed after it was over, before that was recorded


def test_a_state_that_cannot_be_read_begins_anew(tmp_path):
    space, store = own(), Store.at(tmp_path)
    first = without_seconds(phase(store, 0, space))
    store.write("darts", b"no state at all")
    assert without_seconds(phase(store, 0, space)) == first


def test_a_loss_that_is_not_finite_ends_its_search_and_no_other(tmp_path, monkeypatch):
    space, store = own(), Store.at(tmp_path)
    phase(store, 0, space)
    monkeypatch.setattr(Relaxed, "_both", lambda self: torch.full((2,), math.nan))
    with pytest.raises(NasError, match="the loss of all networks at once is"):
        phase(store, 1, space)
    monkeypatch.undo()
    metrics, _ = phase(store, 2, space)
    assert (metrics["program"], metrics["epochs"]) == (2, 0.25)


def test_the_length_is_what_the_share_of_the_time_allows(tmp_path):
    """Seconds a step are whatever they are here: 0.4 of next to no time is the least, of a lot all that was asked for."""
    few, _ = phase(Store.at(tmp_path / "few"), 0, own(), Clock(1e-3 + 3600.0), epochs=3)
    assert few["planned_epochs"] == 3
    clock = Clock(3600.0)
    clock.left = lambda: 1e-3
    least, found = phase(Store.at(tmp_path / "least"), 0, own(), clock, epochs=3)
    assert least["planned_epochs"] == 5 / 8  # what was trained until it was known
    assert found


def test_a_search_that_is_slower_than_expected_ends_while_there_is_time_for_its_network(tmp_path):
    store, clock = Store.at(tmp_path), Clock()
    clock.left = lambda: 1e6
    first, found = phase(store, 0, own(), clock, epochs=3)
    assert (first["planned_epochs"], found) == (3, [])
    clock.left = lambda: 1.9e5
    second, found = phase(store, 1, own(), clock, epochs=3)
    assert second["epochs"] < second["planned_epochs"] == 3
    assert found


def test_a_phase_outside_of_a_search_says_what_it_lacks():
    outcome = run(TrainingEvaluator("digits"), superposed(own()).architecture, SMALL, Evaluation(task=Task(phase="darts")))
    assert outcome.reason == (
        "NasError: a phase of darts needs the space and the store of its search; allowed: the strategy darts, by nas.search"
    )


# ---- the strategy ------------------------------------------------------------------------------------------------


def test_what_a_phase_found_is_asked_for_next():
    space = own()
    strategy = strategies.create("darts", space, 0)
    found = ({"normal.nodes[1][0].op": "conv_3x3", "normal.nodes[1][0].from": 1, "normal.nodes[0][0].op": "none"},)
    assert (strategy.ask(0).phase, strategy.ask(7).phase) == ("darts", "darts")
    strategy.tell(Trial(6, strategy.ask(6).decisions, 0.5, phase="darts"))
    assert strategy.ask(7).phase == "darts"
    strategy.tell(Trial(7, strategy.ask(7).decisions, 0.5, phase="darts", found=found))
    assert strategy.ask(8) == Proposal(space.ordered(found[0]), parent=7, how="derived")
    assert strategy.ask(9).phase == "darts"
    strategy.tell(Trial(8, found[0], None))
    assert strategy.ask(9).phase == "darts"


def test_a_network_beyond_the_limits_is_changed_until_it_is_within():
    space = own().within({"params": 500})
    strategy = strategies.create("darts", space, 0)
    large = {"normal.nodes[0][0].op": "conv_3x3", "normal.nodes[1][0].op": "conv_3x3", "normal.nodes[1][0].from": 1}
    assert not space.fits(large)
    strategy.tell(Trial(3, space.sample(random.Random(0)), 0.5, phase="darts", found=(large,)))
    assert space.fits(strategy.ask(4).decisions)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"space": "tiny"}, "leaves open what cannot be many things at once: depth; allowed"),
        ({"evaluator": "tabular", "evaluator_options": {"table": "synthetic"}}, "needs an evaluator that trains networks together"),
        ({"evaluator": "zero-cost"}, "needs an evaluator that trains networks together; allowed: --evaluator training"),
        ({"evaluator": lambda architecture, fidelity: 1.0}, "needs an evaluator that trains networks together"),
        ({"strategy": "asha:darts"}, "asha:darts: darts trains candidates together"),
        ({"budget": "50trials"}, "has up to 50 phases, a trial each, before its first network, and the budget has 50 trials"),
        ({"strategy_options": {"share": 1.5}}, "share=1.5; allowed: a number from 0.01 to 0.95"),
    ],
)
def test_searches_that_cannot_be_are_refused_before_anything_is_written(options, says, tmp_path):
    given = {"space": "nas-bench-201", "strategy": "darts", "budget": "1s", "engine": "local", "out": tmp_path / "run", **options}
    with pytest.raises(NasError, match=says):
        nas.search(given.pop("space"), **given)
    assert not (tmp_path / "run").exists()


def test_what_does_not_fit_into_memory_is_refused_with_the_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(differentiable, "memory", lambda device: 2e7)
    with pytest.raises(NasError, match=r"have 1.\d+M parameters, about .* GB to train at batch 2000, and there is 20 MB"):
        nas.search("nas-bench-201", strategy="darts", fidelity=Fidelity(1), evaluator_options={"recipe": {"batch": 2000}},
                   dataset="digits", budget="1s", engine="local", out=tmp_path / "run")  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_strategies_elsewhere_say_that_it_is_for_searches():
    from nas.strategies.specs import read

    with pytest.raises(NasError, match="strategy darts trains networks together, and a table knows each alone"):
        read("darts").create(own(), 0, Context())
    with pytest.raises(NasError, match="strategy darts as an Optuna sampler: it trains candidates together; allowed: random"):
        nas.optuna_sampler("darts", own())


# ---- a whole search ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """A search whose scores all come to prefer the skip connection, from the third phase on."""
    original = Relaxed.weights_of

    def forced(self):
        scores = original(self)
        best = 0 if self.step > 2 else 1  # skip_connect, conv_3x3
        return {name: [5.0 * (index == best) for index in range(len(values))] for name, values in scores.items()}

    path = tmp_path_factory.mktemp("darts") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Relaxed, "weights_of", forced)
        study = nas.search(own(), strategy="darts", strategy_options={"epochs": 2}, dataset="digits", fidelity=SMALL, budget="12trials",
                           engine="local", out=path, evaluator_options={"recipe": RECIPE.to_dict()})  # fmt: skip
    return study


def test_a_search_is_phases_then_the_network_that_they_came_to(collapsed):
    trials = collapsed.trials
    assert [trial.phase for trial in trials] == ["darts"] * 8 + [None] + ["darts"] * 3
    derived = trials[8]
    assert (derived.how, derived.parent) == ("derived", 7)
    assert derived.decisions == trials[7].found[0]
    assert collapsed.best.number == 8
    assert len(collapsed.lineage(8)) == 1
    assert (collapsed.directory / "weights" / "darts.pt").exists()


def test_collapse_is_reported_with_its_history(collapsed):
    first, second = report.searches(collapsed)
    assert first.cells == [Skips("normal", 2, 2, True)]
    assert first.history("normal") == [(0.25, 0.0), *((each / 4, 1.0) for each in range(2, 9))]
    assert not second.over
    lines = report.lines(collapsed)
    assert lines[0].endswith(f"trial 8, {100 * collapsed.trials[8].value:.2f}%; skip connections: 2 of 2 in normal")
    assert lines[1] == (
        "darts: 2 of 2 operations of the normal cell are skip connections: collapse (Zela et al., arXiv 1909.09656); "
        "by epoch: 0% at 0.25, 100% at 0.5, 100% at 0.75, 100% at 1, 100% at 1.25, 100% at 1.5, 100% at 1.75, 100% at 2"
    )
    assert "0.75 epochs of all networks at once" in lines[2]
    assert lines[2].endswith("of 2 planned; it has found nothing yet")


def test_status_shows_it_and_has_it_as_json(collapsed, capsys, monkeypatch):
    assert "are skip connections: collapse" in command(capsys, monkeypatch, "status", collapsed.directory).out
    made = json.loads(command(capsys, monkeypatch, "status", collapsed.directory, "--json").out)["darts"]
    assert made[0]["cells"][0]["collapsed"] is True
    assert made[0]["trial"] == 8
    assert len(made[0]["cells"][0]["skip_share_by_epoch"]) == 8


def test_published_cells_have_not_collapsed():
    for name in ("darts_v1", "darts_v2"):
        normal, reduction = skips(nas.load(name))
        assert normal.keeps
        assert not reduction.keeps
        assert not normal.collapsed
    assert not Skips("normal", 4, 8, True).collapsed
    assert Skips("normal", 5, 8, True).collapsed
    assert not Skips("reduction", 8, 8, False).collapsed


def test_softmax_of_large_scores():
    assert softmax([1000.0, 1000.0]) == [0.5, 0.5]
    assert ConvNormAct().reads == 1
