"""Where a candidate came from: a line made by hand, a line that a search made, and what cannot have one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nas as package
from nas.errors import NothingFinishedError, StudyError
from nas.objectives import Objective
from nas.report.lineage import lineage_table, to_dict
from nas.report.tables import console
from nas.study import Change, Trial, open_study
from nas.study.lineage import changes, lineage
from tests.cli import Run, nas

Call = Callable[..., Run]


def trial(number: int, parent: int | None = None, **decisions: Any) -> Trial:
    yaml = package.load("lenet5").to_yaml()
    how = "sample" if parent is None else "mutation"
    return Trial(number, "COMPLETE", 0.5 + number / 100, decisions, yaml, str(number), parent=parent, how=how)


HAND = [
    trial(0, depth=1, op="conv"),
    trial(1, depth=3, op="pool"),
    trial(2, 0, depth=2, op="conv"),
    trial(3, 1, depth=3, op="conv"),
    trial(4, 2, depth=2, op="attention", heads=4),
    trial(5, 4, depth=2, op="attention", heads=4),
    trial(6, 5, depth=True, op="conv"),
]


def test_a_line_by_hand() -> None:
    steps = lineage(HAND, 6)
    assert [step.trial.number for step in steps] == [0, 2, 4, 5, 6]
    assert [step.changes for step in steps] == [
        (),
        (Change("depth", 1, 2),),
        (Change("op", "conv", "attention"), Change("heads", None, 4)),
        (),
        (Change("depth", 2, True), Change("op", "attention", "conv"), Change("heads", 4, None)),
    ]
    assert [step.trial.number for step in lineage(HAND, 1)] == [1]


def test_a_change_of_kind_is_a_change() -> None:
    assert changes({"a": 1}, {"a": True}) == (Change("a", 1, True),)
    assert changes({"a": None}, {}) == (Change("a", None, None),)


@pytest.mark.parametrize("parent", [1, 2, 7, 99])
def test_a_damaged_record_has_a_line_that_ends(parent: int) -> None:
    """Parents that are the trial itself, later ones, each other's, or not there."""
    steps = lineage([trial(0, depth=1), trial(1, parent, depth=2), trial(2, 1, depth=3)], 2)
    assert [step.trial.number for step in steps] == [1, 2]


def test_a_long_line_is_not_indented_off_the_screen() -> None:
    class Record:
        directory = Path("runs/x").absolute()
        goals = (Objective("accuracy"),)

        class settings:
            objective = "accuracy"

    line = [trial(number, number - 1 if number else None, depth=number) for number in range(300)]
    steps = lineage(line, 299)
    record: Any = Record()
    shown = console()
    with shown.capture() as capture:
        shown.print(lineage_table(record, steps))
    text = capture.get()
    assert "trial 299 and its 299 ancestors" in text
    assert "depth: 298 -> 299" in text
    assert max(len(row) for row in text.splitlines()) < 140
    assert len(to_dict(steps)) == 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lineage")

    def depth(architecture: Any, fidelity: Any) -> float:
        return sum(block.repeat for stage in architecture.stages for block in stage) + int(architecture.digest[:4], 16) / 1e6

    package.search("case-study", evaluator=depth, budget="60trials", engine="local", out=folder / "run")

    def broken(architecture: Any, fidelity: Any) -> float:
        raise ValueError("no")

    with pytest.raises(NothingFinishedError):
        package.search("tiny", evaluator=broken, budget="2trials", engine="local", out=folder / "broken")
    return folder


def test_the_winner_of_a_search(made: Path) -> None:
    study = open_study(made / "run")
    steps = study.lineage()
    assert steps[-1].trial.number == study.best.number  # type: ignore[union-attr]
    assert len(steps) > 2
    for before, step in itertools.pairwise(steps):
        assert step.trial.parent == before.trial.number
        decisions = dict(before.trial.decisions)
        for change in step.changes:
            assert decisions.get(change.decision) == change.old
            decisions.pop(change.decision, None)
            if change.decision in step.trial.decisions:
                decisions[change.decision] = change.new
        assert decisions == step.trial.decisions
    assert steps[0].trial.parent is None
    assert [step.trial.number for step in study.lineage(3)][-1] == 3
    with pytest.raises(StudyError, match="no trial 60; allowed: 0 to 59"):
        study.lineage(60)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, made: Path) -> Call:
    monkeypatch.chdir(made)
    return partial(nas, capsys, monkeypatch)


def test_show_lineage(call: Call, made: Path) -> None:
    study = open_study(made / "run")
    run = call("show", "run", "--lineage")
    assert run.status == 0, run.err
    rows = json.loads(call("show", "run", "--lineage", "--json").out)
    steps = study.lineage()
    assert [row["number"] for row in rows] == [step.trial.number for step in steps]
    for row, step in zip(rows, steps, strict=True):
        cost = step.trial.architecture.cost(aux=False)
        assert (row["value"], row["how"], row["params"], row["macs"]) == (step.trial.value, step.trial.how, cost.params, cost.macs)
        for change in row["changes"]:
            assert f"{change['decision']}: " in run.out
    assert f"trial {steps[-1].trial.number} and its" in run.out
    assert json.loads(call("show", "run", "--lineage", "--trial", 0, "--json").out)[-1]["number"] == 0
    assert "trial 0, which has no parent" in call("show", "run", "--lineage", "--trial", 0).out


def test_show_a_trial_and_the_best(call: Call, made: Path) -> None:
    study = open_study(made / "run")
    assert json.loads(call("show", "run", "--json").out)["digest"] == study.best.digest  # type: ignore[union-attr]
    for number in (0, 7):
        assert json.loads(call("show", "run", "--trial", number, "--json").out)["digest"] == study.trials[number].digest
    assert "failed" in call("show", "broken", "--lineage", "--trial", 1).out
    assert call("show", "broken", "--trial", 1).status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--trial", 60), "no trial 60; allowed: 0 to 59"),
        (("run", "--trial", -1), "-1"),
        (("run", "--lineage", "--trial", 60), "no trial 60"),
        (("broken",), "no trial is complete"),
        (("broken", "--lineage"), "no trial is complete yet"),
        (("resnet50", "--lineage"), "no run folder"),
        (("resnet50", "--trial", 3), "no run folder"),
        (("resnet5O", "--lineage"), "resnet50"),
        (("run/best.yaml", "--lineage"), "no run folder"),
        (("runs/none", "--lineage"), "runs/none"),
        ((".", "--lineage"), "run.yaml"),
        (("run", "--lineage", "--svg", "x.svg"), "--svg"),
        (("run", "--lineage", "--yaml"), "--yaml"),
        (("run", "--lineage", "--input", "3x8x8"), "--input"),
    ],
)
def test_what_has_no_lineage(call: Call, arguments: tuple[Any, ...], said: str) -> None:
    run = call("show", *arguments)
    assert (run.status, run.err.count("\n")) == (2, 1)
    assert said in run.err


def test_a_picture_is_written_whole_or_not_at_all(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "cell.svg"
    target.write_text("before")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("nas.files.os.fsync", full)
        run = call("show", "lenet5", "--svg", target)
    assert (run.status, target.read_text(), list(tmp_path.iterdir())) == (2, "before", [target])
    assert call("show", "lenet5", "--svg", target).status == 0
    assert target.read_text().startswith("<svg")
