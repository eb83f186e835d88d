"""scripts/bench/discovery.py from the first call to the report, killed in every stage, where Ray cannot be imported."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import nas
from nas import data as datasets
from nas.errors import NasError

BENCH = Path(__file__).parents[1] / "scripts" / "bench"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Some of the digits: a training takes no time."""
    known = datasets.load("digits")
    assert known.x_test is not None
    assert known.y_test is not None
    path = tmp_path_factory.mktemp("data") / "few.npz"
    np.savez(path, x_train=known.x_train[:150], y_train=known.y_train[:150], x_test=known.x_test[:60], y_test=known.y_test[:60])
    return f"npz:{path}"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("discovery")


def options(out: Path, dataset: str, *more: str) -> list[str]:
    return [
        "--out", str(out), "--dataset", dataset, "--budget", "3trials", "--search-epochs", "1", "--epochs", "1", "--params", "4k",
        "--baselines", "resnet20", "--seeds", "2", "--space", "tiny", "--engine", "local", "--workers", "1", "--train-workers", "1", *more,
    ]  # fmt: skip


def call(bench: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["discovery.py", *arguments])
    status = bench.main()
    assert isinstance(status, int)
    return status


def test_killed_where_there_is_no_ray_then_finished(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked, out = tmp_path / "blocked" / "ray", tmp_path / "out"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('Ray must not be imported')\n")
    paths = os.pathsep.join([str(blocked.parent), str(BENCH.parents[1])])
    program = [sys.executable, str(BENCH / "discovery.py"), *options(out, dataset)]
    lines = []
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("control_1-s0: "):  # the last of the first seed's
                process.kill()
    assert [line for line in lines if line.startswith("control_1-s0: ")], lines  # another may come before the signal does
    assert process.returncode == -signal.SIGKILL
    time.sleep(0.2)  # the worker dies with it
    done = {path: path.stat().st_mtime_ns for path in out.glob("train/*/result.json")}
    assert len(done) >= 3
    assert call(bench, monkeypatch, "--out", str(out), "--train-workers", "1") == 0  # all options are kept
    assert {path: path.stat().st_mtime_ns for path in done} == done  # nothing is trained again
    check_report(out, capsys.readouterr().out)


def check_report(out: Path, text: str) -> None:
    report = json.loads((out / "report.json").read_text())
    assert {row["name"] for row in report["networks"]} == {"resnet20", "search_1", "control_1"}
    means = [row["mean"] for row in report["networks"]]
    assert means == sorted(means, reverse=True)
    for row in report["networks"]:
        assert (len(row["test"]), row["failed"], row["epochs"]) == (2, 0, 1)
        assert row["interval"][0] <= row["mean"] <= row["interval"][1]
        network = nas.load(out / "networks" / f"{row['name']}.yaml")
        assert (network.cost().params, network.digest, network.aux) == (row["params"], row["digest"], ())
        assert row["params"] / 4000 - 1 == pytest.approx(row["difference"])
    costs = report["costs"]
    assert (costs["search"]["candidates"], costs["control"]["candidates"], costs["training"]["trainings"]) == (3, 3, 6)
    parts = [cost["device_seconds"] for name, cost in costs.items() if name != "total"]
    assert costs["total"]["device_seconds"] == pytest.approx(sum(parts))
    assert (out / "report.md").read_text() in text
    assert "found less resnet20:" in (out / "report.md").read_text().lower()
    with (out / "report.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [row["name"] for row in report["networks"]]
    assert (out / "figure.svg").read_text().startswith("<?xml")
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_call_ends_in_time_and_another_goes_on(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(bench, monkeypatch, *options(out, dataset, "--confirm", "2x1"), "--minutes", "0") == bench.MORE
    said = "time is up; left: the search (100% of its budget), and what follows it; go on: python scripts/bench/discovery.py --out "
    assert said in capsys.readouterr().out
    monkeypatch.setattr(bench, "note", raising("control: trial 0"))
    with pytest.raises(KeyboardInterrupt):
        call(bench, monkeypatch, "--out", str(out), "--workers", "1")
    run = nas.open_study(out / "search")
    assert run.control is not None
    assert (run.ledger().finished, run.control.ledger().finished) == (3, 1)
    monkeypatch.setattr(bench, "note", print)
    monkeypatch.setattr(bench, "train_all", lambda jobs, workers, until, note: len(jobs))
    assert call(bench, monkeypatch, "--out", str(out), "--workers", "1") == bench.MORE
    assert "left: 4 of 4 trainings of the confirmation, and what follows it" in capsys.readouterr().out
    assert run.control.ledger().finished == 3
    assert sorted(path.stem for path in (out / "networks").iterdir()) == ["control_1", "control_2", "resnet20", "search_1", "search_2"]


def raising(line: str) -> Any:
    """A `note` at which somebody presses Ctrl-C."""

    def note(said: str) -> None:
        if said.startswith(line):
            raise KeyboardInterrupt

    return note


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--params", "0"), "--params=0; allowed"),
        (("--budget", "soon"), "soon"),
        (("--train-budget", "3trials"), "--train-budget=3trials; allowed: wall time"),
        (("--confirm", "3"), "--confirm=3; allowed: networks x seeds"),
        (("--baselines", "resnet2000"), "unknown network 'resnet2000'"),
        (("--baselines", "vit_b16"), "do not divide"),
        (("--space", "nothing"), "nothing"),
        (("--dataset", "npz:nothing.npz"), "there is no file"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: str, changed: tuple[str, ...], said: str
) -> None:
    with pytest.raises(NasError, match=said.replace("(", r"\(")):
        call(bench, monkeypatch, *options(tmp_path / "out", dataset), *changed)
    assert not (tmp_path / "out").exists()


def test_a_folder_keeps_its_options(bench: ModuleType, tmp_path: Path, dataset: str) -> None:
    kept = bench.settled(tmp_path / "out", {"dataset": dataset, "params": "5k"})
    assert bench.settled(tmp_path / "out", {}) == kept
    with pytest.raises(NasError, match="was begun with --params 5k, not 6k"):
        bench.settled(tmp_path / "out", {"params": "6k"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(NasError, match="is not empty, and none of mine"):
        bench.settled(tmp_path / "mine", {"dataset": dataset})


def row(name: str, kind: str, *tests: float, failed: int = 0) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "source": "trial 4", "digest": name, "params": 100, "macs": 1000, "difference": 0.01, "epochs": 3,
        "failed": failed, "test": list(tests), "seconds": [1.0] * len(tests), "mean": sum(tests) / len(tests) if tests else None,
        "interval": None,
    }  # fmt: skip


def test_the_verdict_is_honest(bench: ModuleType) -> None:
    report = importlib.import_module("_discovery_report")
    found, control = row("search_1", "search", 0.80, 0.81, 0.82), row("control_1", "control", 0.80, 0.81, 0.83)
    best, other = row("resnet20", "hand-designed", 0.90, 0.91, 0.92), row("wrn", "hand-designed", 0.5, 0.51, 0.52)
    won = report.verdicts([best, other, control, found])
    assert won[0].startswith("Found less resnet20: -10.00 points (95% interval ")
    assert "the found network is worse than resnet20" in won[0]
    assert "the found network is not better than random search under the same budget, as far as these seeds can tell" in won[1]
    lost = report.verdicts([found, row("resnet20", "hand-designed", 0.50, 0.51, 0.52)])
    assert "the found network is better than resnet20" in lost[0]
    single = report.verdicts([row("search_1", "search", 0.9), row("resnet20", "hand-designed", 0.5)])
    assert "cannot tell" in single[0]
    nothing = report.verdicts([row("search_1", "search", failed=3), control])
    assert nothing == ["The search's network could not be trained: nothing was found."]


def test_a_network_that_failed_has_its_row(bench: ModuleType) -> None:
    report = importlib.import_module("_discovery_report")
    rows = [row("search_1", "search", 0.8, 0.9), row("resnet20", "hand-designed", failed=3)]
    lines = report.table(rows, {**bench.DEFAULTS, "space": "tiny"})
    assert lines[-1].split(" | ")[4:7] == ["-", "-", " (3 failed)"]
    assert report.picture([rows[0]], {"search": ([1.0, 2.0], [0.5, 0.6])}, bench.DEFAULTS, "svg")
