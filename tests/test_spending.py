"""What a run has spent, as `nas budget` tells it, and what a search would, as `--dry-run` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nas as package
from nas.engine.lanes import Done, Event, Lost, Ready
from nas.errors import NasError
from nas.evaluators import Outcome
from nas.study import create_study, open_study
from nas.study.spending import spending
from tests.cli import nas
from tests.test_engine import SPACE, drive
from tests.test_faults import Machine
from tests.toy import settings


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Twelve trials on two devices: one failed, one was lost with its worker and run again."""
    lost: list[int] = []

    def script(lane: int, number: int) -> list[Event]:
        if number == 3 and not lost:
            lost.append(number)
            return [Lost(lane, 0.25), Ready(lane, device=f"gpu{lane}")]
        if number == 5:
            return [Done(lane, number, Outcome("fail", {}, "ValueError: no", 0.5))]
        return [Done(lane, number, Outcome("complete", {"accuracy": number / 100}, seconds=0.5))]

    with create_study(tmp_path / "run", settings(budget="12trials"), SPACE) as study:
        drive(study, None, "12trials", lanes=Machine(2, script))
    return tmp_path / "run"


def test_items_and_devices_sum_up_to_the_ledger(run: Path) -> None:
    study = open_study(run)
    found = spending(study)
    assert sum(item.device_seconds for item in found.items) == pytest.approx(study.ledger().device_seconds)
    assert sum(item.device_seconds for item in found.devices) == pytest.approx(study.ledger().device_seconds)
    by = {item.name: item for item in found.items}
    assert by["finished"].trials == 11
    assert by["failed: ValueError: no"].trials == 1
    wasted = next(item for name, item in by.items() if name.startswith("wasted"))
    assert wasted.device_seconds == pytest.approx(0.25)
    assert (found.lost, found.in_flight) == (1, 0.0)
    assert found.best is not None
    assert (found.best.trial, found.best.judged) == (11, 11)
    assert {item.name.split(",")[0] for item in found.devices} == {"gpu0", "gpu1"}


def test_where_and_when_a_trial_ran_is_in_the_record(run: Path) -> None:
    for trial in open_study(run).trials:
        assert trial.where in ("gpu0", "gpu1")
        assert trial.began is not None
        assert trial.ended is not None
        assert trial.began <= trial.ended
        assert trial.began.utcoffset() is not None


def test_the_ledger_is_printed_and_given_as_json(run: Path, capsys: Any, monkeypatch: Any) -> None:
    text = nas(capsys, monkeypatch, "budget", run, "--price", "2.5")
    assert text.status == 0, text.err
    for part in ("12 trials", "finished", "wasted", "ValueError: no", "gpu0", "by hour"):
        assert part in text.out
    plain = json.loads(nas(capsys, monkeypatch, "budget", run, "--json").out)
    assert plain["spent"]["trials"] == 12
    assert sum(item["device_seconds"] for item in plain["items"]) == pytest.approx(plain["spent"]["device_seconds"])


def test_the_budget_of_no_run_and_a_price_that_is_none(tmp_path: Path, run: Path, capsys: Any, monkeypatch: Any) -> None:
    missing = nas(capsys, monkeypatch, "budget", tmp_path / "nothing")
    assert (missing.status, missing.out, missing.err.count("\n")) == (2, "", 1)
    for price in ("-1", "nan", "much"):
        wrong = nas(capsys, monkeypatch, "budget", run, "--price", price)
        assert (wrong.status, wrong.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("evaluator", ["zero-cost:naswot", "training"])
def test_a_plan_writes_nothing_and_says_what_the_budget_buys(
    evaluator: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = ("--space", "tiny", "--evaluator", evaluator, "--engine", "local", "--budget", "5m", "--dry-run")
    told = nas(capsys, monkeypatch, "search", *given, "--price", "2.5", "--json")
    assert told.status == 0, told.err
    plan = json.loads(told.out)
    low, high = plan["candidates"]["low"], plan["candidates"]["high"]
    assert 1 <= low <= plan["candidates"]["mean"] <= high
    assert list(tmp_path.iterdir()) == []


def test_a_plan_takes_the_arguments_of_a_search(tmp_path: Path) -> None:
    made = package.plan("tiny", evaluator="zero-cost:naswot", budget="50trials", engine="local", out=tmp_path / "run")
    assert made is not None
    assert not (tmp_path / "run").exists()
    with pytest.raises(NasError, match="bugdet is unknown; allowed: "):
        package.plan("tiny", bugdet="5m")
