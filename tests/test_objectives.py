"""Searches judged by several objectives, from the command line to the record and back."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

import nas
from nas.engine import Observer
from nas.errors import NasError, NothingFinishedError, StudyError
from nas.evaluators import Evaluation, Fidelity
from nas.measures import MEASURES, Measure
from nas.objectives import Objective, oriented, parse
from nas.strategies.dominance import dominates
from nas.study import Study, create_study, open_study
from tests.cli import Run
from tests.cli import nas as call_nas
from tests.toy import ToySpace, settings

# ---- reading them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("accuracy", "max:accuracy"),
        ("accuracy,params", "max:accuracy,min:params"),
        (" accuracy , val_loss ", "max:accuracy,min:val_loss"),
        (("min:accuracy", "max:params"), "min:accuracy,max:params"),
        ("latency_ms,macs,train_seconds,peak_memory_bytes", "min:latency_ms,min:macs,min:train_seconds,min:peak_memory_bytes"),
        ("images_per_second,f1", "max:images_per_second,max:f1"),
        ("top,synflow", "max:top,min:synflow"),
    ],
)
def test_directions(given: Any, expected: str) -> None:
    found = parse(given, {"synflow": False})
    assert ",".join(map(str, found)) == expected
    assert parse(expected) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "names nothing"),
        ((), "none is named"),
        ("accuracy,", "names nothing"),
        ("accuracy,accuracy", "accuracy is named twice; allowed: each name once"),
        ("params,min:params", "params is named twice"),
        ("min:accuracy,max:accuracy", "accuracy is to be both maximised and minimised"),
        ("accuracy,max:", "names nothing"),
        ("most:accuracy", "'most:accuracy'; allowed: NAME, min:NAME or max:NAME"),
        ("two words", "names nothing"),
    ],
)
def test_bad_objectives(given: Any, message: str) -> None:
    with pytest.raises(NasError, match=message):
        parse(given)


def test_oriented_is_larger_for_better() -> None:
    goals = parse("accuracy,params")
    assert oriented(goals, (0.5, 100.0)) == (0.5, -100.0)
    assert goals[1].oriented(goals[1].oriented(7.0)) == 7.0


# ---- searches ------------------------------------------------------------------------------------------------------


def skips(architecture: Any, fidelity: Any) -> dict[str, float]:
    """An accuracy that only the digest knows, and an error that is no metric of ours."""
    value = int(architecture.digest[:4], 16) / 65536
    return {"accuracy": value, "far": abs(value - 0.3)}


def search(out: Path, **options: Any) -> Study:
    values = {
        "space": "tiny", "evaluator": skips, "budget": "40trials", "engine": "local", "out": out, "strategy": "nsga2",
        "objectives": "accuracy,params", "strategy_options": {"population": 10},
    }  # fmt: skip
    if options.get("storage"):  # a database takes its time
        values |= {"budget": "12trials", "strategy_options": {"population": 4}}
    return nas.search(**(values | options))


def outcomes(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.decisions, t.state, t.values, t.metrics, t.parent, t.how, t.order) for t in study.trials]


@pytest.fixture(params=["journal", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    return None if request.param == "journal" else f"sqlite:///{tmp_path}/all.db"


def test_a_search_for_a_front(tmp_path: Path) -> None:
    study = search(tmp_path / "run", objectives=("accuracy", "params", "min:far"))
    assert study.settings.objectives == ["max:accuracy", "min:params", "min:far"]
    assert study.settings.objective == "accuracy"
    for trial in study.trials:
        value = int(trial.digest[:4], 16) / 65536
        assert trial.values == (value, trial.architecture.cost(aux=False).params, abs(value - 0.3))  # as they are
        assert trial.value == value
        assert trial.metrics["params"] == trial.values[1]
    natural = {trial.number: oriented(study.goals, trial.values) for trial in study.trials}
    beaten = {one for one, other in itertools.permutations(natural, 2) if dominates(natural[other], natural[one])}
    assert {trial.number for trial in study.front} == set(natural) - beaten
    assert study.best is not None
    assert study.best.number == study.front[0].number
    assert study.best.value == max(trial.values[0] for trial in study.trials)
    assert any("crossover" in trial.how for trial in study.trials)
    files = {path.name: path for path in (tmp_path / "run" / "front").iterdir()}
    assert set(files) == {f"{trial.number}.yaml" for trial in study.front}
    for trial in study.front:
        assert nas.load(files[f"{trial.number}.yaml"]).digest == trial.digest
    assert nas.load(tmp_path / "run").digest == study.best.digest


def test_optuna_reads_the_study_as_it_is(tmp_path: Path, storage: str | None) -> None:
    study = search(tmp_path / "run", storage=storage)
    theirs = open_study(tmp_path / "run").optuna_study
    assert [direction.name for direction in theirs.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert theirs.metric_names == ["accuracy", "params"]
    assert sorted(trial.number for trial in theirs.best_trials) == sorted(trial.number for trial in study.front)
    figure = optuna.visualization.plot_pareto_front(theirs)
    assert [figure.layout.xaxis.title.text, figure.layout.yaxis.title.text] == ["accuracy", "params"]
    drawn = {point for data in figure.data for point in zip(data.x, data.y, strict=True)}
    assert {trial.values for trial in study.front} <= drawn


def test_the_record_of_one_objective_is_as_it_was(tmp_path: Path) -> None:
    study = search(tmp_path / "run", objectives=None, strategy="evolution", strategy_options={}, budget="4trials")
    assert "objectives" not in yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert study.goals == (Objective("accuracy"),)
    assert study.optuna_study.direction.name == "MAXIMIZE"
    assert study.optuna_study.metric_names is None
    assert study.best is not None
    assert study.best.values == (study.best.value,)
    assert [trial.number for trial in study.front] == [study.best.number]
    assert not (tmp_path / "run" / "front").exists()


def test_one_objective_may_be_minimised(tmp_path: Path) -> None:
    def size(architecture: Any, fidelity: Any) -> float:
        return float(architecture.cost().params)

    options: dict[str, Any] = {"evaluator": size, "strategy": "evolution", "strategy_options": {"population": 10}}
    study = search(tmp_path / "run", objectives="size", **options)  # no name of a cost: maximised
    other = search(tmp_path / "other", objectives="min:size", **options)
    assert (study.settings.objectives, other.settings.objectives) == ([], ["min:size"])
    assert other.optuna_study.direction.name == "MINIMIZE"
    assert study.best is not None
    assert other.best is not None
    assert study.best.value == max(trial.values[0] for trial in study.trials)
    assert other.best.value == min(trial.values[0] for trial in other.trials)
    late = [sum(trial.values[0] for trial in each.trials[10:]) for each in (study, other)]
    assert late[0] > late[1]  # each strategy was told what is better
    with pytest.raises(NasError, match="allowed: one of them"):
        search(tmp_path / "third", objective="far", objectives="far")


class Interrupting(Observer):
    """Ctrl-C after so many trials."""

    def __init__(self, trials: int) -> None:
        self.left = trials

    def finished(self, finished: Any) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("strategy", ["nsga2", "pareto-evolution"])
def test_interrupted_it_goes_on_as_if_it_never_was(tmp_path: Path, strategy: str) -> None:
    whole = search(tmp_path / "whole", strategy=strategy, seed=4)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", strategy=strategy, seed=4, observer=Interrupting(17))
    with pytest.raises(KeyboardInterrupt):
        nas.resume(tmp_path / "run", evaluator=skips, observer=Interrupting(9))
    study = nas.resume(tmp_path / "run", evaluator=skips)
    assert outcomes(study) == outcomes(whole)
    assert [trial.number for trial in study.front] == [trial.number for trial in whole.front]
    assert {path.name for path in (tmp_path / "run" / "front").iterdir()} == {f"{trial.number}.yaml" for trial in whole.front}


def test_a_database_gives_back_what_was_told(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/all.db"
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", observer=Interrupting(7), storage=storage)
    study = nas.resume(tmp_path / "run", evaluator=skips)
    assert outcomes(study) == outcomes(search(tmp_path / "whole", budget="12trials", strategy_options={"population": 4}))


def test_files_of_networks_that_were_beaten_go(tmp_path: Path) -> None:
    study = search(tmp_path / "run", budget="10trials")
    folder = tmp_path / "run" / "front"
    (folder / "999.yaml").write_text("beaten since\n")
    (folder / "notes.txt").write_text("a person's own\n")
    nas.resume(tmp_path / "run", evaluator=skips)
    assert {path.name for path in folder.iterdir()} == {*(f"{trial.number}.yaml" for trial in study.front), "notes.txt"}


# ---- measures ------------------------------------------------------------------------------------------------------


def test_a_function_may_return_the_one_number_that_is_no_measure(tmp_path: Path) -> None:
    def only(architecture: Any, fidelity: Any) -> float:
        return architecture.cost().macs / 1e6

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", evaluator=only, objectives="params,min:size", budget="6trials", observer=Interrupting(2))
    study = nas.resume(tmp_path / "run", evaluator=only)
    assert all(trial.values == (trial.metrics["params"], trial.metrics["size"]) for trial in study.trials)
    assert study.best is not None
    assert study.best.value == min(trial.values[0] for trial in study.trials)


def test_what_nobody_knows_fails_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(NothingFinishedError, match="returned no metric 'beauty', and it is no measure; measures: params, macs"):
        search(tmp_path / "run", objectives="accuracy,beauty", budget="3trials")
    study = open_study(tmp_path / "run")
    assert [trial.state for trial in study.trials] == ["FAIL"] * 3
    assert study.front == []


def test_a_measure_that_fails_is_a_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sometimes(architecture: Any, probe: Any) -> float:
        params = architecture.cost(aux=False).params
        if params % 3 == 0:
            raise RuntimeError("no room for this network")
        return math.nan if params % 3 == 1 else params

    monkeypatch.setitem(MEASURES._items, "odd", Measure(sometimes, "for this test", larger=False))
    study = search(tmp_path / "run", objectives="accuracy,odd")
    assert {trial.reason for trial in study.trials} == {
        None,
        "odd of tiny cannot be measured: no room for this network",
        "odd of tiny is nan; allowed: a finite number",
    }
    assert all(trial.values[1] % 3 == 2 for trial in study.trials if trial.state == "COMPLETE")
    assert study.goals[1] == Objective("odd", maximise=False)


def test_an_evaluator_that_says_what_it_reports_is_believed(tmp_path: Path) -> None:
    class Told:
        objective = "accuracy"
        metrics = ("accuracy", "far")

        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            return skips(architecture, fidelity)

    with pytest.raises(NasError, match="objectives: nobody reports 'near'; allowed: accuracy, far, params, macs"):
        search(tmp_path / "run", evaluator=Told(), objectives="accuracy,near")
    assert not (tmp_path / "run").exists()
    assert search(tmp_path / "run", evaluator=Told(), objectives="accuracy,min:far", budget="2trials").front


def test_a_damaged_list_of_objectives_is_named(tmp_path: Path) -> None:
    space: Any = ToySpace()
    with create_study(tmp_path / "run", settings(objectives=["max:accuracy", "min:loss"]), space):
        pass
    path = tmp_path / "run" / "run.yaml"
    text = path.read_text()
    for bad in ("max:accuracy", "x:y", "[0, 1]"):
        path.write_text(text.replace("- min:loss", f"- {bad}"))
        with pytest.raises(StudyError, match=r"run.yaml: objectives: "):
            open_study(tmp_path / "run")
    path.write_text(text.replace("- max:accuracy\n", ""))
    with pytest.raises(StudyError, match="the first is the objective, 'accuracy'"):
        open_study(tmp_path / "run")


# ---- the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    monkeypatch.chdir(tmp_path)
    return partial(call_nas, capsys, monkeypatch)


CHEAP = (
    "search", "--space", "tiny", "--dataset", "digits", "--engine", "local", "--epochs", "1", "--width", "0.25", "--depth", "0.2",
    "--budget", "5trials", "--out", "run",
)  # fmt: skip


def test_the_front_on_the_screen_and_as_json(call: Callable[..., Run]) -> None:
    run = call(*CHEAP, "--strategy", "random", "--objectives", "accuracy,params,val_loss")
    assert run.status == 0, run.err
    assert "objectives: max:accuracy, min:params, min:val_loss" in run.out
    study = open_study("run")
    assert f"front of run: {len(study.front)} of 5 networks" in run.out
    header = next(line for line in run.out.splitlines() if line.strip().startswith("trial  accuracy"))
    assert header.split() == ["trial", "accuracy", "parameters", "val_loss", "MACs", "digest"]
    for trial in study.front:
        assert f"{trial.values[2]:.5g}" in run.out
    status = json.loads(call("status", "run", "--json").out)
    assert status["objectives"] == ["max:accuracy", "min:params", "min:val_loss"]
    assert status["front"] == [trial.number for trial in study.front]
    assert status["trials"][0]["values"] == list(study.trials[0].values)
    assert f"{len(study.front)} of 5" in call("status", "run").out
    assert call("show", f"run/front/{study.front[-1].number}.yaml").status == 0
    rows = json.loads(call("compare", "--runs", "run", "--trials", "--json").out)
    assert [row["measured"] for row in rows] == sorted((trial.value for trial in study.trials), reverse=True)
    assert call("compare", "--runs", "run", "--trials", "--plot", "run.svg").status == 0
    assert call("resume", "run").status == 0


def test_comparing_runs_that_minimise(call: Callable[..., Run]) -> None:
    assert call(*CHEAP, "--strategy", "random", "--objectives", "val_loss").status == 0
    rows = json.loads(call("compare", "--runs", "run", "--trials", "--sort", "measured", "--json").out)
    measured = [row["measured"] for row in rows]
    assert measured == sorted(measured)
    front = [row for row in rows if row["front"]]
    assert rows[0] in front
    assert min(rows, key=lambda row: row["macs"]) in front


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--objectives", "accuracy,beauty"), "objectives: nobody reports 'beauty'; allowed: accuracy, val_loss, "),
        (("--objectives", "min:accuracy,max:accuracy"), "both maximised and minimised"),
        (("--objectives", "accuracy,accuracy"), "named twice"),
        (("--objectives", ""), "names nothing"),
        (("--objectives", "accuracy;params"), "nobody reports 'accuracy;params'"),
        (("--objectives", "accuracy,params", "--strategy", "evolution"), "takes one objective, not 2; allowed: random, grid, nsga2, "),
    ],
)
def test_bad_lines(call: Callable[..., Run], words: tuple[str, ...], message: str) -> None:
    run = call(*CHEAP, "--strategy", "random", *words)
    assert run.status == 2
    assert run.err.count("\n") == 1
    assert message in run.err
    assert not Path("run").exists()


def test_a_minimised_objective_is_confirmed_and_held_against_its_control(tmp_path: Path) -> None:
    def size(architecture: Any, fidelity: Any) -> float:
        return float(architecture.cost().params)

    study = search(tmp_path / "run", evaluator=size, objectives="min:size,macs", budget="15trials", confirm="2x2", control=True)
    means = [item.mean for item in study.confirmation]
    assert means == sorted(trial.values[0] for trial in study.ranked()[:2])
    assert study.control is not None
    assert study.control.goals == study.goals
    assert study.comparison is not None
    assert study.best is not None
    assert study.control.best is not None
    assert study.comparison.difference == study.control.best.values[0] - study.best.values[0]  # larger for the better search
