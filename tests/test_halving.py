"""asha and hyperband: rungs, promotions with several in flight, what the strategy within is told, and what they save."""

from __future__ import annotations

import functools
import random
import statistics
from collections import Counter

import pytest

import nas.engine
import nas.evaluators
import nas.spaces
import nas.strategies
from nas.errors import NasError, UnknownNameError
from nas.strategies import Trial, create, find
from nas.strategies.halving import HalvingOptions, fractions
from nas.strategies.options import build
from nas.testing import strategies as kit

from .test_strategies import Cell, Fixed, Toy

WRAPPED = ("asha", "hyperband", "asha:evolution", "hyperband:evolution", "asha:optuna:nsgaii")


@pytest.mark.parametrize("name", WRAPPED)
def test_contract(name):
    kit.check(functools.partial(create, name), Toy())


def test_contract_on_a_real_space_and_on_one_of_one_network():
    kit.check(functools.partial(create, "hyperband:evolution"), nas.spaces.load("tiny"))
    kit.run(create("asha:evolution", Fixed(), 0), lambda decisions: 1.0, 30)


def test_fractions():
    made = functools.partial(build, HalvingOptions, where="asha")
    assert fractions(made({})) == pytest.approx([1 / 9, 1 / 3, 1])
    assert fractions(made({"least": 0.1})) == pytest.approx([1 / 9, 1 / 3, 1])
    assert fractions(made({"eta": 4, "least": 0.05})) == pytest.approx([1 / 16, 1 / 4, 1])
    assert fractions(made({"least": 1.0})) == [1.0]


def search(strategy, count, workers, seed=0, fails=lambda number: False):
    """Trials run on `workers` for as long as their fraction: (number, proposal), in the order in which they were asked for."""
    rng, asked, flying, clock = random.Random(seed), [], [], 0.0
    objective = kit.separable(Cell(12), seed)
    while len(asked) < count or flying:
        while len(flying) < workers and len(asked) < count:
            proposal = strategy.ask(len(asked))
            flying.append((clock + proposal.fraction * rng.uniform(0.5, 1.5), len(asked), proposal))
            asked.append(proposal)
        clock, number, proposal = flying.pop(flying.index(min(flying, key=lambda each: each[:2])))
        value = None if fails(number) else objective(proposal.decisions) + rng.gauss(0, 0.02) / proposal.fraction
        strategy.tell(Trial(number, proposal.decisions, value, fraction=proposal.fraction))
    return asked


@pytest.mark.parametrize("name", ["asha", "hyperband", "asha:evolution"])
@pytest.mark.parametrize("workers", [1, 2, 8, 32])
def test_no_network_is_promoted_twice_however_many_are_in_flight(name, workers):
    for seed in range(3):
        asked = search(create(name, Cell(12), seed), 400, workers, seed, fails=lambda number: number % 11 == 0)
        promoted = [(each.parent, each.fraction) for each in asked if each.how == "promotion"]
        assert len(set(promoted)) == len(promoted)
        for each in asked:
            if each.how == "promotion":
                parent = asked[each.parent]
                assert parent.decisions == each.decisions
                assert each.fraction == pytest.approx(3 * parent.fraction)


@pytest.mark.parametrize(("name", "workers"), [("asha", 1), ("asha:evolution", 1), ("asha", 8), ("hyperband", 1), ("hyperband", 8)])
def test_one_in_eta_is_promoted(name, workers):
    rungs = Counter(round(1 / each.fraction) for each in search(create(name, Cell(12), 0), 600, workers))
    starts = Counter(round(1 / each.fraction) for each in search(create(name, Cell(12), 0), 600, workers) if each.how != "promotion")
    assert rungs[9] > rungs[3] > rungs[1] > 30
    for low, high in ((9, 3), (3, 1)):
        promoted = rungs[high] - starts[high]
        assert rungs[low] / 3 * 0.85 <= promoted <= rungs[low] / 3
    if name.startswith("asha"):
        assert set(starts) == {9}
    else:  # brackets cost the same: 3 : 1.5 : 1 candidates start at the three rungs
        assert starts[9] / starts[1] == pytest.approx(3, rel=0.2)
        assert starts[3] / starts[1] == pytest.approx(1.5, rel=0.2)


def test_the_best_are_promoted():
    strategy = create("asha", Cell(12), 0, eta=2, least=0.5)
    decisions = [Cell(12).sample(random.Random(number)) for number in range(4)]
    for number, value in enumerate([0.1, 0.9, 0.4, 0.6]):
        strategy.tell(Trial(number, decisions[number], value, fraction=0.5))
    first, second = strategy.ask(4), strategy.ask(5)  # the better one was due first
    assert (first.parent, first.fraction, first.how, first.decisions) == (1, 1.0, "promotion", decisions[1])
    assert (second.parent, second.how) == (3, "promotion")
    assert strategy.ask(6).how == "sample"
    strategy.tell(Trial(4, decisions[1], None, fraction=1.0))  # a promotion that fails is not tried again
    strategy.tell(Trial(5, decisions[0], 0.2, fraction=0.5))  # what was on its way as 5: trial 3 is given another number
    assert [strategy.ask(number).parent for number in (6, 7, 8)] == [3, None, None]


def test_the_strategy_within_sees_one_fidelity():
    """Trials above its rung change nothing, but for networks that it knows nothing of."""
    space = Cell(12)
    one, other = create("asha:evolution", space, 0, population=2), create("asha:evolution", space, 0, population=2)
    low = [Trial(number, space.sample(random.Random(number)), number / 10, fraction=1 / 9) for number in range(2)]
    for trial in low:
        one.tell(trial)
        other.tell(trial)
    other.tell(Trial(2, low[0].decisions, 99.0, fraction=1 / 3))
    assert [one.ask(number) for number in (3, 4, 6)] == [other.ask(number) for number in (3, 4, 6)]
    other.tell(Trial(3, space.sample(random.Random(7)), 99.0))  # as a network that a search starts from
    assert {other.ask(number).parent for number in (4, 6, 7, 9, 10, 12)} == {3}


def cost(name, seed, target):
    """Full evaluations used until a network whose true worth is at least `target` was looked at in full."""
    space, rng, used = Cell(8), random.Random(f"noise:{seed}"), 0.0
    objective, strategy = kit.separable(space, seed), create(name, space, seed)
    for number in range(3000):
        proposal = strategy.ask(number)
        used += proposal.fraction
        worth = objective(proposal.decisions)
        if proposal.fraction == 1 and worth >= target:
            return used
        strategy.tell(Trial(number, proposal.decisions, worth + rng.gauss(0, 0.02) / proposal.fraction**0.5, fraction=proposal.fraction))
    return used


@pytest.mark.parametrize(("name", "margin"), [("asha", 0.6), ("hyperband", 0.8), ("asha:evolution", 0.6)])
def test_a_given_value_costs_less(name, margin):
    """Over 24 seeds, against random search; the target is what one random network in 200 reaches."""
    ratios = []
    for seed in range(24):
        objective = kit.separable(Cell(8), seed)
        worths = sorted(objective(Cell(8).sample(random.Random(f"{seed}:{index}"))) for index in range(2000))
        ratios.append((cost(name, seed, worths[-10]), cost("random", seed, worths[-10])))
    mine, random_search = (statistics.mean(each) for each in zip(*ratios, strict=True))
    assert mine < margin * random_search


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("asha:evolutoin", {}, "unknown strategy 'evolutoin' at asha:evolutoin; nearest: evolution"),
        ("asha:", {}, "unknown strategy '' at asha:; known: "),
        ("asha:hyperband:random", {}, "unknown strategy 'hyperband:random' at asha:hyperband:random"),
        ("hyperban", {}, "unknown strategy 'hyperban'; nearest: hyperband"),
        ("asha:evolution", {"eta": 1}, "strategy asha:evolution: eta=1; allowed: a whole number from 2 to 1000"),
        ("asha:evolution", {"populaton": 1}, "allowed: eta, identity, least, population, sample, tries"),
        ("asha", {"least": 0}, "strategy asha: least=0; allowed: a number from 1e-06 to 1"),
    ],
)
def test_bad_names_and_options(name, options, message):
    with pytest.raises(UnknownNameError if message.startswith("unknown") else NasError) as error:
        create(name, Toy(), 0, **options)
    assert message in str(error.value)


def test_one_objective():
    with pytest.raises(NasError, match="strategy asha:random takes one objective, not 2; allowed: random"):
        create("asha:random", Toy(), 0, context=nas.strategies.Context(objectives=2))
    assert not find("asha").several


def value_of(architecture, fidelity):
    """Longer training looks better, whatever is trained."""
    return fidelity.epochs + 1e-9 * architecture.cost().params


def test_a_search_compares_equal_fidelities_only(tmp_path):
    from nas.evaluators import Fidelity

    def shorter_looks_better(architecture, fidelity):
        return value_of(architecture, Fidelity(10 - fidelity.epochs))

    run = functools.partial(nas.search, "tiny", strategy="asha:evolution", budget="40trials", engine="local", fidelity=Fidelity(9))
    for name, function in (("up", value_of), ("down", shorter_looks_better)):
        watcher = Watcher()
        study = run(evaluator=function, out=tmp_path / name, observer=watcher)
        best, trials = study.best, study.trials
        assert best.fraction == 1.0
        assert best.value == max(trial.value for trial in trials if trial.fraction == 1.0)
        assert watcher.best.number == best.number
        assert {trial.fidelity["epochs"] for trial in trials} == {1, 3, 9}
        assert all(trials[trial.parent].decisions == trial.decisions for trial in trials if trial.how == "promotion")
        ranked = [trial.fraction for trial in study.ranked()]
        assert ranked == sorted(ranked, reverse=True)


class Watcher(nas.engine.Observer):
    """Keeps the best by `Finished.better`."""

    best = None

    def finished(self, finished):
        self.best = finished if finished.better(self.best) else self.best


def test_the_tables_say_at_which_fidelity(tmp_path, capsys):
    from nas.cli.search import closing
    from nas.report.tables import fraction_text

    options = {"budget": "25trials", "engine": "local", "evaluator": value_of, "fidelity": nas.evaluators.Fidelity(9)}
    study = nas.search("tiny", strategy="asha", out=tmp_path / "run", **options)
    closing(study)
    out = capsys.readouterr().out
    assert "fidelity" in out
    assert "1/3" in out
    assert [fraction_text(each) for each in (1.0, 1 / 3, 1 / 9, 0.4)] == ["1", "1/3", "1/9", "40%"]
