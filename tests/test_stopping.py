"""Candidates whose curves are hopeless are stopped, a few of them let finish to see what that loses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.engine import Observer
from nas.engine.stopping import SPARED, Stopping, check, level, spared
from nas.errors import NasError
from nas.evaluators import Bar, Evaluation, Fidelity, Stopped, Task, create, run
from nas.evaluators.curve import MOST, point, thinned
from nas.objectives import Objective
from nas.study.confirmation import finalists
from nas.study.stopping import saved, stopped_early, wilson
from tests.cli import nas as call

GOAL = Objective("accuracy")
EPOCHS = 8


class Curves:
    """An evaluator of a person's own: curves that rise to a value of the network, one report an epoch, no time at all."""

    objective = "accuracy"

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        top = int(architecture.digest[:6], 16) / 2**24
        for epoch in range(1, fidelity.epochs + 1):
            metrics = {"accuracy": top * epoch / (epoch + 1), "val_loss": 1 - top * epoch / (epoch + 1), "epochs": float(epoch)}
            evaluation.report(metrics)
        return metrics


def curve(*values: float, first: int = 1) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(first + i), value, 0.1 * i) for i, value in enumerate(values))


# ---- the rule ----------------------------------------------------------------------------------------------------


def test_the_level_is_a_quantile() -> None:
    assert level([1.0, 2.0, 3.0], 0.5) == 2.0
    assert level([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert level([1.0, 2.0, 3.0, 4.0], 0.1) == 1.0
    for quantile in (0.1, 0.25, 0.5, 0.9):
        for count in (5, 8, 40):
            values = sorted(random.Random(count).random() for _ in range(count))
            assert sum(value < level(values, quantile) for value in values) <= quantile * count


def test_bars_need_five_curves_at_the_same_epoch_and_fraction() -> None:
    rule = Stopping(GOAL, 0.5, 0)
    for index in range(4):
        rule.learn(1.0, curve(*[index / 10 + epoch / 100 for epoch in range(EPOCHS)]), False)
    assert not rule.bar(9, 1.0, EPOCHS).levels
    rule.learn(1.0, curve(0.4, 0.41, 0.42, 0.43), False)  # cut off by the budget
    made = rule.bar(9, 1.0, EPOCHS)
    assert sorted(made.levels) == [3.0, 4.0]  # not in the first quarter; beyond 4 there are four
    assert made.levels[3.0] == pytest.approx(0.22)
    assert not rule.bar(9, 1 / 3, EPOCHS).levels
    assert not Stopping(GOAL, 0.0, 0).bar(9, 1.0, EPOCHS).levels


def test_nothing_is_stopped_at_its_last_epoch() -> None:
    rule = Stopping(GOAL, 0.5, 0)
    for _ in range(6):
        rule.learn(1.0, curve(*[0.1] * EPOCHS), False)
    assert max(rule.bar(9, 1.0, EPOCHS).levels) == EPOCHS - 1


def test_stopped_curves_stay_where_they_were() -> None:
    """Or each stopped trial would raise the bar of the epochs that it did not see."""
    rule = Stopping(GOAL, 0.5, 0)
    for index in range(5):
        rule.learn(1.0, curve(0.1, 0.1, 0.1, 0.1), True)
        rule.learn(1.0, curve(*[0.5 + index / 100] * EPOCHS), False)
    levels = rule.bar(9, 1.0, EPOCHS).levels
    assert levels[3.0] == levels[7.0] == pytest.approx(0.3)  # between the halves, at all epochs


def test_less_is_better_where_the_objective_says_so() -> None:
    goal = Objective("val_loss", maximise=False)
    rule = Stopping(goal, 0.5, 0)
    for index in range(5):
        rule.learn(1.0, curve(*[1.0 + index] * EPOCHS), False)
    made = rule.bar(9, 1.0, EPOCHS)
    assert made.levels[4.0] == -3.0
    assert Bar(goal, made.levels).fails(curve(3.5, 3.5, 3.5, 3.5))
    assert not Bar(goal, made.levels).fails(curve(2.5, 3.5, 3.5, 3.5))  # the best so far counts


def test_about_one_in_twenty_is_spared_by_its_number_alone() -> None:
    chosen = [number for number in range(4000) if spared(1, number)]
    assert chosen == [number for number in range(4000) if spared(1, number)]
    assert len(chosen) == pytest.approx(4000 * SPARED, abs=70)  # five standard deviations
    assert chosen != [number for number in range(4000) if spared(2, number)]


@pytest.mark.parametrize(("given", "quantile"), [(None, 0), (False, 0), (True, 0.5), ("median", 0.5), ("0.25", 0.25), (0.1, 0.1)])
def test_rules_are_read(given: Any, quantile: float) -> None:
    assert check(given, 1) == quantile


@pytest.mark.parametrize("given", ["2", "0", "-1", "half", "nan", 1.0, [0.5]])
def test_bad_rules_are_named(given: Any) -> None:
    with pytest.raises(NasError, match=r"stop_early=.*; allowed: median, or a quantile"):
        check(given, 1)


# ---- the lane ----------------------------------------------------------------------------------------------------


def evaluated(task: Task, evaluator: Any = None, epochs: int = EPOCHS) -> Any:
    return run(evaluator or Curves(), nas.load("resnet20"), Fidelity(epochs), Evaluation(task=task))


def test_an_evaluator_that_reports_is_stopped_with_the_best_so_far() -> None:
    whole = evaluated(Task())
    assert (whole.stopped, whole.below, len(whole.curve)) == (None, None, EPOCHS)
    high = {float(epoch): 0.99 for epoch in range(3, EPOCHS)}
    made = evaluated(Task(bar=Bar(GOAL, high)))
    assert (made.state, made.stopped, made.cut, made.reason) == ("complete", 3.0, False, None)
    assert made.metrics["epochs"] == 3.0
    assert made.curve == tuple((epoch, value, made.curve[i][2]) for i, (epoch, value, _) in enumerate(whole.curve[:3]))


def test_a_spared_one_finishes_and_says_where_it_was_below() -> None:
    made = evaluated(Task(bar=Bar(GOAL, {4.0: 0.99}, spared=True)))
    assert (made.stopped, made.below, made.metrics["epochs"]) == (None, 4.0, EPOCHS)


def test_reports_without_epochs_or_the_objective_make_no_curve() -> None:
    class Silent:
        objective = "accuracy"

        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            reports: Any = ({"accuracy": 0.5}, {"epochs": 1.0}, {"epochs": 1.0, "accuracy": float("nan")}, {"epochs": "x", "accuracy": 1.0})
            for metrics in reports:
                evaluation.report(metrics)
            return {"accuracy": 0.5}

    made = evaluated(Task(bar=Bar(GOAL, {1.0: 0.99})), Silent())
    assert (made.state, made.curve, made.stopped) == ("complete", (), None)


def test_a_stop_without_the_evaluators_own_objective_is_a_failure() -> None:
    class Other:
        objective = "accuracy"

        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            evaluation.report({"score": 0.1, "epochs": 3.0})
            return {"accuracy": 1.0}

    made = evaluated(Task(bar=Bar(Objective("score"), {3.0: 0.5})), Other())
    assert (made.state, made.reason) == ("fail", "stopped after 3 epochs without accuracy")


def test_curves_are_compact() -> None:
    assert point({"epochs": 1, "accuracy": 0.123456789}, GOAL, 1.23456) == (1.0, 0.123457, 1.235)
    long = [(float(epoch), 0.5, 1.0) for epoch in range(5 * MOST)]
    assert len(thinned(long)) <= MOST
    assert thinned(long)[-1] == long[-1]


def test_a_training_is_stopped_and_its_next_one_is_whole() -> None:
    training: Any = create("training")
    network = nas.load("resnet20").with_input(*training.task())
    task = Task(bar=Bar(GOAL, {1.0: 0.999}))
    made = run(training, network, Fidelity(3, samples=0.05), Evaluation(seed=1, task=task))
    assert (made.stopped, made.metrics["epochs"]) == (1.0, 1.0)
    assert run(training, network, Fidelity(2, samples=0.05), Evaluation(seed=1)).metrics["epochs"] == 2.0
    with pytest.raises(Stopped):
        training.evaluate(network, Fidelity(2, samples=0.05), Evaluation(seed=1, task=task))


# ---- searches ----------------------------------------------------------------------------------------------------


def search(out: Path, **changes: Any) -> nas.Study:
    given: dict[str, Any] = {
        "evaluator": Curves(), "strategy": "random", "budget": "80trials", "fidelity": Fidelity(EPOCHS), "engine": "local", "seed": 16,
        "stop_early": True,
    }  # fmt: skip
    return nas.search("tiny", **(given | changes), out=out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> nas.Study:
    return search(tmp_path_factory.mktemp("stopping") / "whole")


def told(study: nas.Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.value, t.stopped, t.below, [each[:2] for each in t.curve]) for t in study.history()]


def test_a_search_stops_about_half_and_never_the_best(whole: nas.Study) -> None:
    stopped = [trial for trial in whole.trials if trial.stopped is not None]
    others = [trial for trial in whole.trials if trial.stopped is None]
    assert 25 <= len(stopped) <= 45
    for trial in stopped:
        assert (trial.state, trial.curve[-1][0]) == ("COMPLETE", trial.stopped)
        assert trial.value == max(value for _, value, _ in trial.curve) or trial.value == pytest.approx(trial.curve[-1][1], abs=1e-6)
    best = max(whole.trials, key=lambda trial: int(trial.digest[:6], 16))
    assert whole.best is not None
    assert whole.best.number == best.number
    ranked = whole.ranked()
    assert {trial.number for trial in ranked[: len(others)]} == {trial.number for trial in others}
    assert whole.front[0].number == best.number


def test_stopped_ones_are_finalists_only_where_there_are_too_few(whole: nas.Study) -> None:
    others = {trial.digest for trial in whole.trials if trial.stopped is None}
    all_of_them = finalists(whole, 80)
    assert {trial.digest for trial in all_of_them[: len(others)]} == others
    assert len(all_of_them) == len({trial.digest for trial in whole.trials})


def test_what_was_saved_and_lost_is_said(
    whole: nas.Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    made = stopped_early(whole)
    assert made is not None
    assert made.stopped == sum(trial.stopped is not None for trial in whole.trials)
    assert made.spared == sum(trial.below is not None for trial in whole.trials) >= 1
    assert made.good == 0  # these curves do not cross
    out = call(capsys, monkeypatch, "status", whole.directory).out
    assert f"stopped early: {made.stopped} candidates, which saved about" in out
    assert f"0 of {made.spared} ended in the best quarter (95% interval 0% to " in out
    plain = json.loads(call(capsys, monkeypatch, "status", whole.directory, "--json").out)
    assert plain["stopped_early"]["stopped"] == made.stopped
    assert plain["trials"][0]["curve"][0][0] == 1.0


def test_curves_of_a_search_without_a_rule_are_recorded(tmp_path: Path) -> None:
    study = search(tmp_path / "run", stop_early=None, budget="8trials")
    assert all(len(trial.curve) == EPOCHS and trial.stopped is None for trial in study.trials)
    assert stopped_early(study) is None
    assert "stop_early" not in (study.directory / "run.yaml").read_text()


class Interrupt(Observer):
    """Ctrl-C when a trial is launched."""

    def launched(self, number: int, architecture: Any) -> None:
        if number == 41:
            raise KeyboardInterrupt


def test_a_search_that_goes_on_stops_what_it_would_have_stopped(whole: nas.Study, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", observer=Interrupt())
    assert told(nas.resume(tmp_path / "run", evaluator=Curves())) == told(whole)


def test_rungs_are_compared_among_themselves(tmp_path: Path) -> None:
    study = search(tmp_path / "run", strategy="asha:random", strategy_options={"eta": 2, "least": 0.25}, fidelity=Fidelity(16))
    stopped = [trial for trial in study.trials if trial.stopped is not None]
    assert {trial.fraction for trial in stopped} >= {0.25, 0.5}
    assert all(trial.stopped is not None and trial.stopped < trial.fidelity["epochs"] for trial in stopped)
    assert study.best is not None
    assert (study.best.fraction, study.best.stopped) == (1.0, None)


def test_seconds_saved_are_those_of_its_own_epochs() -> None:
    from nas.study.trial import Trial

    def trial(*points: tuple[float, float, float], stopped: float | None) -> Trial:
        return Trial(0, "COMPLETE", 0.5, {}, "", "", fidelity={"epochs": 10}, curve=points, stopped=stopped)

    assert saved(trial((1, 0.1, 5.0), (2, 0.2, 7.0), (4, 0.2, 11.0), stopped=4)) == pytest.approx(6 * 2.0)  # the first had to start
    assert saved(trial((2, 0.1, 5.0), stopped=2)) == pytest.approx(8 * 2.5)
    assert saved(trial((2, 0.1, 5.0), stopped=None)) == 0.0


def test_wilsons_interval() -> None:
    assert wilson(0, 0) is None
    assert wilson(0, 5) == pytest.approx((0.0, 0.4345), abs=1e-4)
    assert wilson(2, 10) == pytest.approx((0.0567, 0.5098), abs=1e-4)
    assert wilson(3, 3) == pytest.approx((0.4385, 1.0), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"objectives": "accuracy,params"}, "2 objectives"),
        ({"evaluator": lambda architecture, fidelity: 1.0}, "reports no curve of accuracy"),
        ({"evaluator": "training", "objectives": "params"}, "reports no curve of params"),
        ({"stop_early": "most"}, "stop_early='most'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(NasError, match=match):
        search(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
