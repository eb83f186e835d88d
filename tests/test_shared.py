"""Weights that candidates share: their training, their record, searches on them, and how well they rank."""

from __future__ import annotations

import itertools
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
import torch

import nas
from nas import spaces
from nas.errors import NasError
from nas.evaluators import Clock, Evaluation, Fidelity, Store, Task, create, parse, run
from nas.evaluators.banks import BANK, Banks
from nas.evaluators.shared import SharedEvaluator
from nas.evaluators.shares import CHILDREN, CLOSE, Costs, Wanted, period, plan
from nas.evaluators.shares import Task as Numbers
from nas.evaluators.training import TrainingEvaluator
from nas.strategies.phased import PHASE, Schedule
from nas.study import open_study
from nas.study.correlation import correlation, spread_over
from nas.study.rank import bootstrap, kendall, ranks, spearman
from nas.training.recipe import Recipe
from nas.training.shared import falling, restarting
from tests.cli import nas as command_line

TINY = spaces.load("tiny").with_input((1, 8, 8), 10)
SMALL = Fidelity(1, 0.5, 0.34)


def networks(count: int, space: Any = TINY) -> tuple[Any, ...]:
    return tuple(space.decode(space.sample(random.Random(seed))) for seed in range(count))


def evaluator(**schedule: Any) -> SharedEvaluator:
    values = {"children": 4, "updates": 6, **schedule}
    return SharedEvaluator("digits", schedule={"begin": 1, **values})


def phase(store: Store, number: int = 0, children: int = 4, **task: Any) -> Evaluation:
    made = Task(number, phase=PHASE, children=networks(children), store=store, role="search", **task)
    return Evaluation(seed=100 + number, task=made)


def candidate(store: Store, number: int = 5, role: str = "search") -> Evaluation:
    return Evaluation(seed=number, task=Task(number, store=store, role=role))


def weights(store: Store) -> dict[str, Any]:
    import io

    state: dict[str, Any] = torch.load(io.BytesIO(store.read(BANK) or b""), weights_only=True)
    return state


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    flat = [{**state["parameters"], **{(k, n): t for k, own in state["buffers"].items() for n, t in own.items()}} for state in (one, other)]
    return flat[0].keys() == flat[1].keys() and all(torch.equal(flat[0][key], flat[1][key]) for key in flat[0])


# ---- phases and candidates -----------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "weights")


def test_a_phase_trains_the_weights_that_candidates_are_judged_on(store: Store) -> None:
    shared = evaluator(updates=40)
    before = run(shared, networks(1)[0], SMALL, candidate(store))
    assert before.reason == "NasError: no weights are shared yet: the phase that was to train them failed"
    outcome = run(shared, networks(1)[0], SMALL, phase(store))
    assert outcome.state == "complete", outcome.reason
    assert outcome.metrics["drawn_accuracy"] > 0.25, "of ten classes, after two epochs of four networks"
    judged = run(shared, networks(1)[0], SMALL, candidate(store))
    assert judged.state == "complete", judged.reason
    assert judged.metrics["accuracy"] > 0.2
    cost = networks(1)[0].cost(aux=False)
    assert (judged.metrics["params"], judged.metrics["macs"]) == (cost.params, cost.macs), "of the candidate, not of its proxy"
    assert same(weights(store), weights(store))
    again = run(pickle.loads(pickle.dumps(shared)), networks(1)[0], SMALL, candidate(store))
    assert again.metrics == judged.metrics, "another process reads the same weights"


def test_judging_changes_no_weights_and_does_not_depend_on_who_was_judged_before(store: Store) -> None:
    shared = evaluator()
    run(shared, networks(1)[0], SMALL, phase(store))
    before, made = weights(store), networks(3)
    values = [run(shared, each, SMALL, candidate(store)).metrics["accuracy"] for each in made]
    fresh = evaluator()
    assert [run(fresh, each, SMALL, candidate(store)).metrics["accuracy"] for each in reversed(made)] == values[::-1]
    assert same(before, weights(store))


def test_a_part_of_the_fidelity_is_a_part_of_the_images_that_judge(store: Store) -> None:
    shared = evaluator()
    run(shared, networks(1)[0], SMALL, phase(store))
    counts = [run(shared, networks(1)[0], SMALL.part(part), candidate(store)).metrics["judged_images"] for part in (1.0, 0.25)]
    assert counts == [288, 72]
    differing = {run(shared, networks(1)[0], SMALL.part(0.1), candidate(store, seed)).metrics["accuracy"] for seed in range(6)}
    assert len(differing) > 1, "another minibatch each"


def test_outside_of_a_search_networks_are_trained_alone(store: Store) -> None:
    shared = evaluator()
    plain = TrainingEvaluator("digits").evaluate(networks(1)[0], SMALL, Evaluation(seed=3))
    for role in ("", "confirm", "control"):
        made = shared.evaluate(networks(1)[0], SMALL, Evaluation(seed=3, task=Task(store=store, role=role)))
        assert {name: value for name, value in made.items() if "second" not in name} == {
            name: value for name, value in plain.items() if "second" not in name
        }


def test_the_bank_is_read_when_it_was_written_anew_and_not_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader, reads = evaluator(begin=2), evaluator(begin=2), list[str]()
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda self, name: reads.append(name) or read(self, name))  # type: ignore[func-returns-value]
    for number in (0, 1):
        run(writer, networks(1)[0], SMALL, phase(store, number))
        assert not reads, "the one who wrote it has it"
        values = {run(reader, networks(1)[0], SMALL, candidate(store)).metrics["accuracy"] for _ in range(3)}
        assert reads == [BANK]
        reads.clear()
        assert values == {run(writer, networks(1)[0], SMALL, candidate(store)).metrics["accuracy"]}


def test_damaged_weights_are_named(store: Store) -> None:
    store.write(BANK, b"no weights")
    outcome = run(evaluator(), networks(1)[0], SMALL, candidate(store))
    assert outcome.reason is not None
    assert f"{store.where(BANK)}: damaged" in outcome.reason


class Ticking:
    """Each reading is a second later."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Ending(Clock):
    """Ends after so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__(1e6)
        self.looks = looks

    def left(self) -> float:
        self.looks -= 1
        return -1.0 if self.looks < 0 else super().left()


@pytest.mark.parametrize("fair", [False, True])
def test_a_phase_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path, fair: bool) -> None:
    options = {"updates": 7, "group": 2 if fair else 1}
    whole, broken = Store.at(tmp_path / "whole"), Store.at(tmp_path / "broken")
    run(evaluator(**options), networks(1)[0], SMALL, phase(whole))
    made = phase(broken)
    made.clock = Ending(5)
    outcome = run(evaluator(**options), networks(1)[0], SMALL, made)
    assert (outcome.state, outcome.reason) == ("fail", "budget")
    state = weights(broken)
    assert 0 < state["index"] < 7
    assert not state["done"]
    run(evaluator(**options), networks(1)[0], SMALL, phase(broken))
    assert same(weights(whole), weights(broken))
    run(evaluator(**options), networks(1)[0], SMALL, phase(broken))
    assert same(weights(whole), weights(broken)), "one that was done but not yet recorded is not trained again"


def test_phases_go_on_from_each_other_in_whichever_process(tmp_path: Path) -> None:
    one, other = Store.at(tmp_path / "one"), Store.at(tmp_path / "other")
    same_process = evaluator(begin=2)
    for number in (0, 1):
        run(same_process, networks(1)[0], SMALL, phase(one, number))
        run(evaluator(begin=2), networks(1)[0], SMALL, phase(other, number))
    assert same(weights(one), weights(other))
    assert weights(one)["step"] == 12


def test_a_phase_takes_its_share_of_the_time_and_what_it_trained_counts(store: Store) -> None:
    shared = evaluator(updates=10**6)
    made = phase(store)
    made.clock = Clock(60.0, now=Ticking())
    outcome = run(shared, networks(1)[0], SMALL, made)
    assert outcome.state == "complete", outcome.reason
    state = weights(store)
    assert state["done"]
    assert state["step"] == 10**6, "the learning rate of the next phase is what it would have been"


def test_weights_that_are_no_numbers_are_not_kept(store: Store) -> None:
    shared = SharedEvaluator("digits", schedule={"children": 4, "updates": 50}, recipe={"lr": 100.0, "clip": 0.0, "momentum": 0.99})
    outcome = run(shared, networks(1)[0], SMALL, phase(store))
    assert outcome.state == "fail"
    assert "training loss of shared weights is nan" in str(outcome.reason) or "inf" in str(outcome.reason)
    assert store.read(BANK) is None


def test_banks_of_several_stores_are_apart(tmp_path: Path) -> None:
    banks, cpu = Banks(), torch.device("cpu")
    first, second = Store.at(tmp_path / "1"), Store.at(tmp_path / "2")
    banks.begun(first, 0, (1.0, 1.0), cpu, 1)
    assert banks.latest(second, cpu) is None


def test_a_space_with_auxiliary_heads_widths_and_repeats_trains(store: Store) -> None:
    space = spaces.load("nasnet-cell").with_input((1, 8, 8), 10)
    schedule, recipe = {"children": 2, "updates": 2, "group": 2}, {"batch": 16, "drop_path": 0.2}
    shared = SharedEvaluator("digits", schedule=schedule, recipe=recipe, recalibrate=1)
    task = Task(0, phase=PHASE, children=networks(2, space), store=store, role="search")
    outcome = run(shared, networks(1, space)[0], Fidelity(1, 0.25, 0.17), Evaluation(task=task))
    assert outcome.state == "complete", outcome.reason


# ---- schedules -----------------------------------------------------------------------------------------------------

COSTS = {(0.5, 0.34): Costs(0.01, 0.2, 0.05), (1.0, 1.0): Costs(0.1, 1.0, 0.3)}
NUMBERS = Numbers(per_epoch=20, batch=64, judged=256, rounds=5)


def test_the_schedule_keeps_the_share_of_the_budget() -> None:
    for seconds in (60.0, 600.0, 3600.0):
        made = plan(COSTS, Wanted("uniform"), NUMBERS, seconds, math.inf)
        training = made.schedule.begin * made.seconds
        assert training <= 0.52 * seconds, "half of it, and rounding"
        assert made.schedule.every == 0
    assert plan(COSTS, Wanted("uniform"), NUMBERS, 40.0, math.inf).fidelity == Fidelity(1, 0.5, 0.34)
    assert plan(COSTS, Wanted("uniform"), NUMBERS, 600.0, math.inf).fidelity == Fidelity(1, 1.0, 1.0)
    fair = plan(COSTS, Wanted("fair"), NUMBERS, 600.0, math.inf)
    assert fair.schedule.group == 5
    assert fair.schedule.children % 5 == 0
    assert fair.schedule.begin * fair.seconds <= 0.52 * 600


def test_phases_take_a_tenth_of_the_trials_at_most() -> None:
    assert [plan(COSTS, Wanted("uniform"), NUMBERS, math.inf, trials).schedule.begin for trials in (5, 20, 45, 1000)] == [1, 2, 4, 10]


def test_alternating_phases() -> None:
    made = plan(COSTS, Wanted("policy"), NUMBERS, 3600.0, math.inf).schedule
    assert (made.begin, made.updates, made.children, made.fraction) == (1, 20, 20, 0.25), "an epoch, a network each; a minibatch"
    assert made.close == made.every // CLOSE
    asked = plan(COSTS, Wanted("policy", epochs=2.0, steps=7, batches=99), NUMBERS, 60.0, math.inf).schedule
    assert asked == Schedule(1, 7, 40, "policy", 1.0, 0, 40, 1, asked.period)
    assert plan(COSTS, Wanted("uniform", epochs=1000.0), NUMBERS, 60.0, math.inf).schedule.children == CHILDREN


def test_a_period_of_the_learning_rate_ends_with_the_budget() -> None:
    assert period(100, 20) == 100, "too short for a restart"
    assert period(7 * 200, 20) == 200, "10 epochs, 20, 40"
    assert period(math.inf, 20) == 200
    rate = restarting(Recipe(lr=0.1), 200, 64)
    assert [round(rate(step), 4) for step in (0, 100, 200, 600)] == [0.1, 0.051, 0.1, 0.1]
    assert rate(199) < 0.0025
    whole = falling(Recipe(lr=0.1, warmup=0.0), 400, 20, 64)
    assert (whole(0), round(whole(200), 4)) == (0.1, 0.05)
    assert whole(399) == whole(10**6) < 1e-5


# ---- searches ------------------------------------------------------------------------------------------------------


def search(out: Path, **options: Any) -> Any:
    values = {
        "space": "tiny", "evaluator": "shared(epochs=1,steps=6)", "strategy": "rl", "budget": "15trials", "engine": "local", "out": out,
        "fidelity": Fidelity(1, 0.5, 0.34), "dataset": "digits",
    }  # fmt: skip
    return nas.search(**(values | options))


@pytest.fixture(scope="module")
def enas(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return search(tmp_path_factory.mktemp("enas") / "run", correlate="3x2", confirm_epochs=1)


def test_enas_alternates_and_the_best_is_one_that_all_images_judged(enas: Any) -> None:
    assert [trial.number for trial in enas.trials if trial.phase] == [0, 7, 14]
    phases = [trial for trial in enas.trials if trial.phase]
    assert {trial.how for trial in phases} == {"policy"}
    assert all(len(trial.children) == 17 for trial in phases), "a network for each of the 17 updates of an epoch"
    assert enas.best.fraction == 1.0
    assert {trial.metrics["judged_images"] for trial in enas.trials if trial.phase is None} == {64, 288}


def test_the_rank_correlation_is_measured_and_said(enas: Any, capsys: Any, monkeypatch: Any) -> None:
    made = correlation(enas)
    assert made is not None
    assert len(made.networks) == 3
    assert all(len(each.alone) == 2 for each in made.networks)
    trials = open_study(enas.directory / "correlate").trials
    assert all(trial.fidelity == {"epochs": 1, "width": 1.0, "depth": 1.0, "samples": 1.0, "test": True} for trial in trials)
    assert {key["shared_accuracy"] for key in (trial.metrics for trial in trials)} == {each.shared for each in made.networks}
    alone = [sum(each.alone) / 2 for each in made.networks]
    assert made.spearman == pytest.approx(scipy.stats.spearmanr([each.shared for each in made.networks], alone).statistic, nan_ok=True)
    assert made.noise is not None
    said = command_line(capsys, monkeypatch, "status", enas.directory).out
    assert "rank correlation of shared weights with training alone over 3 networks: Spearman" in said
    assert "of seeds of one network by" in said
    plain = json.loads(command_line(capsys, monkeypatch, "status", enas.directory, "--json").out)["correlation"]
    assert (plain["pending"], len(plain["networks"])) == (0, 3)


def test_a_finished_search_can_be_asked_for_more(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    study = search(tmp_path / "run", evaluator="shared(epochs=1,sampling=fair)", strategy="evolution", budget="7trials")
    assert [trial.phase for trial in study.trials].count(PHASE) == 1
    assert "is not known" in command_line(capsys, monkeypatch, "status", study.directory).out
    resumed = nas.resume(study.directory, correlate=3, confirm="1x1", confirm_epochs=1)
    made = correlation(resumed)
    assert made is not None
    assert (len(made.networks), made.noise) == (3, None)
    with pytest.raises(NasError, match="has a correlation of 3x1 for 1 epoch already"):
        nas.resume(study.directory, correlate=5)


def test_the_control_of_shared_weights_trains_alone(tmp_path: Path, monkeypatch: Any) -> None:
    asked = list[float]()
    monkeypatch.setattr(SharedEvaluator, "alone", lambda self, space, seconds, seed: asked.append(seconds) or Fidelity(1, 0.25, 0.17, 0.2))
    study = search(tmp_path / "run", budget="3trials", confirm="1x1", confirm_epochs=1, control=True)
    assert study.control is not None
    assert all("train_loss" in trial.metrics and trial.phase is None for trial in study.control.trials)
    assert study.control.best is not None
    assert asked == [math.inf], "of the same budget"
    assert study.control.settings.fidelity["samples"] == 0.2


KILLED = """
import sys
import nas.evaluators.shared as shared
from tests.test_shared import search
shared.SAVE_SECONDS = 0.0
search(sys.argv[1], evaluator="shared(epochs=2,steps=6)", budget="3trials")
"""


def test_a_search_killed_in_a_phase_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", evaluator="shared(epochs=2,steps=6)", budget="3trials")
    root = Path(__file__).parent.parent
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "run")], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    kept = Store.at(tmp_path / "run" / "weights")
    end = time.monotonic() + 120
    while kept.version(BANK) is None and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not weights(kept)["done"]
    resumed = nas.resume(tmp_path / "run")
    assert [(t.decisions, t.value, t.children) for t in resumed.trials] == [(t.decisions, t.value, t.children) for t in whole.trials]
    assert same(weights(kept), weights(Store.at(tmp_path / "whole" / "weights")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"evaluator": "shared(sampling=best)"}, "sampling='best'; allowed: uniform, fair, policy"),
        ({"evaluator": "shared(sampling=policy)", "strategy": "evolution"}, "sampling=policy with strategy evolution, which learns none"),
        ({"evaluator": "shared(epochs=0)"}, "epochs=0; allowed: a number above 0"),
        ({"evaluator": "shared(steps=1.5)"}, "steps=1.5; allowed: a whole number from 1"),
        ({"evaluator": "shared(share=1)"}, "share=1; allowed: a number above 0, 0.95 at most"),
        ({"evaluator": "shared(epoch=3)"}, "evaluator shared has no option epoch=3; allowed: dataset, sampling, epochs, steps, batches"),
        ({"evaluator": "shared(epochs"}, "evaluator 'shared(epochs' cannot be read; allowed: NAME or NAME(option=value,...)"),
        ({"strategy": "asha:evolution", "ladder": "resolution"}, "ladder with shared weights, which are of one size"),
        ({"strategy": "evolution", "inherit": True}, "inherit with an evaluator that keeps no weights"),
        ({"control": True}, "control=True for a search on shared weights needs confirm"),
        ({"correlate": "2"}, "correlate='2'; allowed: 3 networks or more"),
        ({"correlate": "many"}, "correlate='many'; allowed: 3 networks or more"),
        ({"correlate": "5", "evaluator": "training"}, "correlate='5': nothing is shared by this evaluator"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError) as error:
        search(tmp_path / "run", **options)
    assert said in str(error.value)
    assert not (tmp_path / "run").exists()


def test_options_of_an_evaluator_on_the_command_line(capsys: Any, monkeypatch: Any) -> None:
    assert parse("shared(sampling=fair,epochs=2.5)") == ("shared", {"sampling": "fair", "epochs": 2.5})
    made = create("shared", sampling="fair", epochs=2.5)
    assert isinstance(made, SharedEvaluator)
    assert create("shared", **made.settings()).settings() == made.settings()  # type: ignore[attr-defined]
    refused = command_line(capsys, monkeypatch, "search", "--evaluator", "shared(sampling=best)")
    assert (refused.status, refused.out) == (2, "")
    assert "sampling='best'; allowed: uniform, fair, policy" in refused.err


# ---- ranks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_rank_correlations_are_those_of_scipy(seed: int) -> None:
    rng = random.Random(seed)
    size, ties = rng.choice([3, 10, 40]), rng.choice([3, 1000])
    first, second = ([float(rng.randrange(ties)) for _ in range(size)] for _ in range(2))
    assert ranks(first) == list(scipy.stats.rankdata(first))
    assert spearman(first, second) == pytest.approx(scipy.stats.spearmanr(first, second).statistic, nan_ok=True)
    assert kendall(first, second) == pytest.approx(scipy.stats.kendalltau(first, second).statistic, nan_ok=True)


def test_ranks_without_an_order() -> None:
    assert math.isnan(spearman([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert math.isnan(kendall([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert bootstrap(spearman, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) is None
    assert bootstrap(spearman, [1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]) is None


def test_the_bootstrap_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of 60 samples of 30 pairs whose Spearman correlation is 0.483: 95% would be 57; fewer than 50 has odds below 1 in 10,000."""
    held = 0
    for seed in range(60):
        rng = random.Random(seed)
        first = [rng.gauss(0, 1) for _ in range(30)]
        second = [0.5 * value + math.sqrt(0.75) * rng.gauss(0, 1) for value in first]
        low, high = bootstrap(spearman, first, second, draws=200, seed=seed) or (0.0, 0.0)
        held += low <= 0.483 <= high
    assert held >= 50


def test_networks_are_spread_over_the_ranking(tmp_path: Path) -> None:
    def worth(architecture: Any, fidelity: Any) -> float:
        return int(architecture.digest[:6], 16) / 2**24

    study = nas.search("tiny", evaluator=worth, strategy="random", budget="40trials", engine="local", out=tmp_path / "run")
    chosen = spread_over(study, 5)
    ranked = list({trial.digest: trial for trial in study.ranked()}.values())
    places = [ranked.index(trial) for trial in chosen]
    assert (places[0], places[-1]) == (0, len(ranked) - 1)
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert max(steps) <= 1 + min(steps)
    assert len(spread_over(study, 1000)) == len(ranked)


def test_a_given_precision_holds_for_shared_weights_too() -> None:
    evaluator: Any = create("shared", execution="precision=bfloat16")
    data = evaluator._part(torch.device("cpu"), 1.0)
    assert evaluator._stated(data).precision == "bfloat16"
