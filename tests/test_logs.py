"""Several observers at once, JSON lines, and the statuses with which a search ends: by real processes where a signal is sent."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.engine import Observer, Observers
from tests.cli import nas as call

TOP = Path(__file__).parent.parent
LOOKED_UP = ("--space", "nas-bench-201", "--evaluator", "tabular", "--table", "synthetic", "--engine", "local", "--strategy", "random")


class Heard(Observer):
    """Keeps what it was told, and raises when a trial ends, if told so."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[str] = []
        self.notes: list[str] = []
        self.error = error

    def note(self, line: str) -> None:
        self.notes.append(line)

    def finished(self, finished: Any) -> None:
        self.calls.append(f"finished {finished.number}")
        if self.error:
            raise self.error

    def end(self, reason: str) -> None:
        self.calls.append(f"end {reason}")


def value(architecture: Any, fidelity: Any) -> float:
    return int(architecture.digest[:6], 16) / 2**24


def search(out: Path, observer: Observer) -> Any:
    return nas.search("tiny", strategy="random", evaluator=value, budget="3trials", engine="local", out=out, observer=observer)


# ---- observers ------------------------------------------------------------------------------------------------------


def test_an_observer_that_raises_is_switched_off_and_the_search_goes_on(tmp_path: Path) -> None:
    broken, sound = Heard(ValueError("no such dashboard")), Heard()
    study = search(tmp_path / "run", Observers([broken, sound]))
    assert study.ledger().finished == 3
    assert broken.calls == ["finished 0"]
    assert sound.calls == ["finished 0", "finished 1", "finished 2", "end 3trials"]
    assert sound.notes == ["Heard is switched off, the search goes on: ValueError: no such dashboard"]


def test_an_observer_alone_that_raises_is_said_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert search(tmp_path / "run", Quiet()).ledger().finished == 3
    said = "Quiet is switched off, the search goes on: ZeroDivisionError: division by zero"
    assert [record.message for record in caplog.records] == [said]


class Quiet(Observer):
    def tick(self, progress: Any) -> None:
        _ = 1 / 0


def test_ctrl_c_within_an_observer_ends_the_search(tmp_path: Path) -> None:
    sound = Heard()
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", Observers([sound, Heard(KeyboardInterrupt())]))
    assert sound.calls[-1] == "end interrupted"


# ---- JSON lines -----------------------------------------------------------------------------------------------------


def documented() -> dict[str, set[str]]:
    """Fields of every event by docs/logs.md."""
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", (TOP / "docs" / "logs.md").read_text(), re.MULTILINE)
    return {event: set(re.findall(r"`(\w+)`", fields)) | {"event", "time", "study"} for event, fields in table}


def parsed(text: str) -> list[dict[str, Any]]:
    """Every line, strictly, with the fields that are documented for its event."""
    found = []
    for line in text.splitlines():
        item = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert set(item) == documented()[item["event"]], item["event"]
        found.append(item)
    return found


def test_all_lines_of_a_search(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = ("--budget", "12trials", "--out", tmp_path / "run", "--log-format", "json")
    run = call(capsys, monkeypatch, "search", *LOOKED_UP, *given)
    assert (run.status, run.err) == (0, "")
    lines = parsed(run.out)
    kinds = [line["event"] for line in lines if line["event"] not in ("tick", "note")]
    assert kinds[0] == "begin"
    assert kinds[-2:] == ["end", "result"]
    assert kinds.count("launched") == kinds.count("finished") == 12
    study = nas.open_study(tmp_path / "run")
    finished = {line["trial"]: line for line in lines if line["event"] == "finished"}
    for trial in study.trials:
        assert finished[trial.number]["digest"] == trial.digest
        assert finished[trial.number]["value"] == trial.value
        assert finished[trial.number]["decisions"] == trial.decisions
    end, result = lines[-2:]
    assert end["used"]["finished"] == 12
    assert end["best"]["trial"] == result["best"]["trial"] == study.best.number  # type: ignore[union-attr]
    assert all(line["study"] == "run" for line in lines if line["event"] != "note")
    again = parsed(call(capsys, monkeypatch, "resume", tmp_path / "run", "--log-format", "json").out)
    assert [line["event"] for line in again] == ["end", "result"]
    assert again[-1]["best"] == result["best"]


def test_what_follows_a_search_is_told_apart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = ("--strategy", "evolution", "--budget", "4trials", "--out", tmp_path / "run", "--control", "--log-format", "json")
    lines = parsed(call(capsys, monkeypatch, "search", *LOOKED_UP, *given).out)
    assert [(line["study"], line["role"]) for line in lines if line["event"] == "begin"] == [("run", "search"), ("run/control", "control")]
    assert lines[-1]["control"]["finished"] == 4


def test_text_is_as_ever(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = call(capsys, monkeypatch, "search", *LOOKED_UP, "--budget", "3trials", "--out", tmp_path / "run")
    assert "best of" in run.out
    assert "{" not in run.out
    wrong = call(capsys, monkeypatch, "search", *LOOKED_UP, "--log-format", "xml", "--out", tmp_path / "other")
    assert wrong.status == 2
    assert "'text', 'json'" in wrong.err


def test_a_number_that_is_none_is_null() -> None:
    from nas.report.log import JsonLog

    lines: list[str] = []
    JsonLog(lines.append).emit("note", text=float("nan"), more=[float("inf"), {"a": 1.5}])
    assert '"text": null, "more": [null, {"a": 1.5}]' in lines[0]


# ---- exit statuses --------------------------------------------------------------------------------------------------


def process(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nas", *map(str, arguments)]
    return subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A search that would go on for hours, after its first trial."""
    with process("search", *LOOKED_UP, "--budget", "100000000trials", "--out", tmp_path / "run", "--log-format", "json") as running:
        assert running.stdout is not None
        for line in running.stdout:
            if '"finished"' in line:
                break
        yield running
        running.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_search_in_order(
    endless: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, status: int,
) -> None:  # fmt: skip
    endless.send_signal(number)
    out, err = endless.communicate(timeout=60)
    assert (endless.returncode, err) == (status, "")
    lines = parsed(out)
    assert [line["event"] for line in lines[-3:]] == ["end", "error", "result"]
    assert lines[-3]["reason"] == "interrupted"
    assert lines[-2]["status"] == status
    study = nas.open_study(tmp_path / "run")
    told = lines[-1]["used"]
    assert (told["finished"], told["device_seconds"]) == (study.ledger().finished, study.ledger().device_seconds)


def test_a_verb_that_knows_no_signals() -> None:
    """A SIGTERM in the middle of anything."""
    code = """
import os, signal, sys
from nas.cli import main
from nas.cli.app import Verbs
Verbs.invoke = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
sys.argv = ["nas", "list", "spaces"]
main()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr.strip()) == (143, "")


def test_a_reader_that_has_gone() -> None:
    with process("list", "baselines") as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait(60) == 141


def test_statuses_of_a_search(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing = ("--space", "tiny", "--dataset", "digits", "--engine", "local", "--epochs", "1", "--budget", "2trials", "--timeout", "1e-6")
    run = call(capsys, monkeypatch, "search", *nothing, "--strategy", "random", "--out", tmp_path / "run", "--log-format", "json")
    assert run.status == 3
    assert run.err.startswith("error: ")
    last = parsed(run.out)[-1]
    assert (last["event"], last["status"]) == ("error", 3)
    assert call(capsys, monkeypatch, "search", "--budget", "3 apples").status == 2
    assert call(capsys, monkeypatch, "search", "--no-such-option").status == 2


def test_statuses_are_in_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = call(capsys, monkeypatch, "--help").out
    page = (TOP / "docs" / "logs.md").read_text()
    for status in ("0", "2", "3", "130", "141", "143"):
        assert re.search(rf"\b{status} [a-z]", text)
        assert f"| {status} |" in page
