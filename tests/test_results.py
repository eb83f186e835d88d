"""Weights and results at a place that several machines reach, places that fail, and what is said where there is none."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import nas
from nas import places
from nas.engine import Observer, keeping, results
from nas.engine.keeping import Keeping
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity, Store, StoreError, Task, create, run
from nas.evaluators.store import of_trial
from nas.places import PlaceError, check_place, place_of
from nas.strategies import Proposal
from nas.study import open_study
from nas.study.settings import read_settings
from tests.cli import Run
from tests.cli import nas as call


class Failing(MemoryFileSystem):
    """Another memory, whose next `errors` are raised by whatever is asked of it."""

    protocol = "failing"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]
    errors: list[Exception] = []

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self._fail()
        super().pipe_file(path, value, mode, **kwargs)

    def cat_file(self, path: str, *arguments: Any, **kwargs: Any) -> bytes:
        self._fail()
        data: bytes = super().cat_file(path, *arguments, **kwargs)
        return data


class Moving(Failing):
    """One with folders that moves files, but not onto what is there."""

    protocol = "moving"
    store: dict[str, Any] = {}
    pseudo_dirs = [""]

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        if self.exists(path2):
            raise FileExistsError(path2)
        super().mv(path1, path2)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty memories, no errors, and no waiting between tries."""
    for kind in (Failing, Moving):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
    monkeypatch.setattr(places, "PAUSE", 0.001)
    monkeypatch.setattr(places, "LONGEST", 0.002)
    yield
    for each in (MemoryFileSystem, Failing, Moving):
        each.store.clear()
        each.pseudo_dirs[:] = [""]
    Failing.errors.clear()


# ---- places ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "file", "memory", "moving"])
def test_a_place_keeps_files_whole(kind: str, tmp_path: Path) -> None:
    text = {"folder": str(tmp_path / "x"), "file": f"file://{tmp_path}/x"}.get(kind, f"{kind}://x")
    place = place_of(text)
    check_place(place)
    assert place.sizes() == {}
    assert (place.read("a"), place.version("a")) == (None, None)
    place.inside("deep", "er").write("a.txt", b"1")
    place.write("a", b"12")
    first = place.version("a")
    place.write("a", memoryview(b"123"))
    assert place.sizes() == {"a": 3}
    assert place.read("a") == b"123"
    assert first != place.version("a") == place.version("a")
    assert place.inside("deep", "er").read("a.txt") == b"1"
    place.remove("a")
    place.remove("a")
    assert place.sizes() == {}
    assert place.where("a").endswith("/a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s4://bucket/x", r"unknown protocol 's4' at results=s4://bucket/x; nearest: s3"),
        ("", "allowed: a folder, or a URL such as s3"),
        ("file://nfs/x", "'nfs' would be a host; allowed: three slashes, file:///nfs/x"),
        ("simplecache::s3://b/x", "a chain of protocols"),
        ("https://example.org/x", "https is only read"),
        ("sftp://me:secret@host/x", "a password in the URL would stand in the record"),
        ("s3://[bucket/x", "is no URL"),
    ],
)
def test_a_place_that_is_none_is_said_in_a_line(text: str, said: str) -> None:
    with pytest.raises(NasError, match=said) as caught:
        place_of(text)
    assert "secret" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(kind: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(PlaceError, match=r"s3://bucket/x.* needs a package that is not installed: pip install s3fs"):
        place_of("s3://bucket/x")


def test_what_fails_in_passing_is_tried_again_and_what_lasts_is_not() -> None:
    place = place_of("failing://x")
    Failing.errors += [ConnectionError("reset"), TimeoutError("slow")]
    place.write("a", b"1")
    assert place.read("a") == b"1"
    Failing.errors += [PermissionError(13, "Permission denied")] * 2
    with pytest.raises(PlaceError, match=r"failing://x' cannot be written \(Permission denied\)"):
        check_place(place)
    assert len(Failing.errors) == 1
    Failing.errors[:] = [ConnectionError("the bucket is away")] * places.TRIES
    with pytest.raises(ConnectionError):
        place.write("a", b"2")
    assert place.read("a") == b"1"


def test_a_place_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "_fail", lambda self: time.sleep(0.5))
    with pytest.raises(PlaceError, match=r"does not answer within 0\.05 s"):
        check_place(place_of("failing://x"), seconds=0.05)


# ---- weights -----------------------------------------------------------------------------------------------------


def test_weights_are_pruned_from_aside() -> None:
    store = Store(place_of("memory://run/weights"), shared=True)
    kept = Keeping(store, 0, 1)
    for number in range(6):
        store.write(of_trial(number), b"x" * 100)
        kept.learn(number, Proposal({}, None, "sample", 1 / 3), number / 6)
    store.write("bank", b"y")
    store.write(of_trial(77), b"x")  # of another search of the same study, which runs it
    kept.prune((), ())  # it has not looked yet
    kept.prune([0], (), ended=False)
    deadline = time.monotonic() + 10
    while len(keeping.sizes(store.place)) > 5 and time.monotonic() < deadline:
        kept.prune([0], ())
        time.sleep(0.01)
    assert sorted(keeping.sizes(store.place)) == [0, 3, 4, 5, 77]
    kept.prune((), (), ended=True)
    assert sorted(store.place.sizes()) == ["bank.pt", "trial-77.pt"]


def trained(store: Store, number: int, **task: Any) -> Any:
    training: Any = create("training")
    network = nas.load("resnet20").with_input(*training.task())
    return run(training, network, Fidelity(1, samples=0.02), Evaluation(seed=number, task=Task(number, store=store, **task)))


def test_weights_on_another_machine_are_no_failure_and_are_said(tmp_path: Path) -> None:
    here, there = Store.at(tmp_path / "here"), Store.at(tmp_path / "there")
    assert trained(here, 0, keep=True).state == "complete"
    for task, fact, line in (
        ({"go_on": 0}, "continued", "started over: its weights are kept no more, or only on another machine"),
        ({"inherit": 0}, "inherited", "inherited nothing: its weights are kept no more, or only on another machine"),
    ):
        made = trained(there, 1, **task)
        assert (made.state, made.metrics[fact], made.notes) == ("complete", 0.0, (line,))
    assert trained(here, 1, inherit=0).metrics["inherited"] == 1.0


def test_a_network_that_fails_takes_the_weights_and_nothing_else() -> None:
    store = Store(place_of("failing://x"))
    Failing.errors[:] = [ConnectionError("away")] * (2 * places.TRIES)
    made = trained(store, 1, inherit=0, keep=True)
    assert made.state == "complete"
    assert made.notes == (
        "inherited nothing: failing://x/trial-0.pt: weights cannot be fetched (away)",
        "failing://x/trial-1.pt: weights cannot be put there (away)",
    )
    Failing.errors[:] = [ConnectionError("away")] * places.TRIES
    with pytest.raises(StoreError):
        store.read("bank")


# ---- searches ----------------------------------------------------------------------------------------------------

ASHA: dict[str, Any] = {
    "strategy": "asha:random", "strategy_options": {"eta": 2, "least": 0.5}, "dataset": "digits", "engine": "local",
    "fidelity": Fidelity(2, samples=0.05), "budget": "6trials", "seed": 2,
}  # fmt: skip


class Notes(Observer):
    """What was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def without_times(study: Any) -> list[Any]:
    return [(trial.number, trial.state, trial.value, trial.how, trial.decisions) for trial in study.trials]


def test_a_search_leaves_weights_and_a_copy_of_its_results(tmp_path: Path) -> None:
    plain = nas.search("tiny", **ASHA, out=tmp_path / "a" / "run")
    study = nas.search("tiny", **ASHA, out=tmp_path / "b" / "run", results="memory://searches/")
    assert without_times(study) == without_times(plain)
    assert any(trial.metrics.get("continued") == 1.0 for trial in study.trials)
    place = place_of("memory://searches/run")
    assert sorted(place.sizes()) == ["best.svg", "best.yaml", "run.yaml", "study.journal", "trials.csv", "trials.jsonl"]
    for name in ("run.yaml", "best.yaml", "best.svg", "study.journal"):
        assert place.read(name) == (study.directory / name).read_bytes()
    assert place.inside("weights").sizes()
    assert not (study.directory / "weights").exists()
    rows = [json.loads(line) for line in (place.read("trials.jsonl") or b"").splitlines()]
    assert [(row["number"], row["value"], row["decisions"]) for row in rows] == [(t.number, t.value, t.decisions) for t in study.trials]
    table = list(csv.DictReader(io.StringIO((place.read("trials.csv") or b"").decode())))
    assert [float(line["value"]) for line in table] == [trial.value for trial in study.trials]
    assert {"metrics.accuracy", *(f"decisions.{name}" for name in study.trials[0].decisions)} <= table[0].keys()
    with pytest.raises(NasError, match=r"memory://searches/run: has a run already; choose another --out"):
        nas.search("tiny", **ASHA, out=tmp_path / "c" / "run", results="memory://searches")


class Break(Notes):
    """Ctrl-C when a trial has finished."""

    def finished(self, finished: Any) -> None:
        if finished.number == 3:
            raise KeyboardInterrupt


def test_the_copy_is_a_run_that_goes_on_elsewhere(tmp_path: Path) -> None:
    """A machine is lost: what was copied is fetched to another, which goes on with the weights that are there."""
    place = tmp_path / "nfs"
    whole = nas.search("tiny", **ASHA, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        nas.search("tiny", **ASHA, out=tmp_path / "lost" / "run", results=f"file://{place}", observer=Break())
    shutil.rmtree(tmp_path / "lost")
    assert read_settings(place / "run").results == str(place)
    shutil.copytree(place / "run", tmp_path / "new" / "run", ignore=shutil.ignore_patterns("weights"))
    study = nas.resume(tmp_path / "new" / "run")
    assert without_times(study) == without_times(whole)
    assert open_study(place / "run").ledger().finished == 6
    moved = nas.resume(tmp_path / "new" / "run", results="memory://moved", confirm="1x1", confirm_epochs=1)
    assert moved.settings.results == "memory://moved"
    assert "run.yaml" in place_of("memory://moved/run/confirm").sizes()


def test_results_in_the_folder_of_the_run_itself(tmp_path: Path) -> None:
    study = nas.search("tiny", **{**ASHA, "budget": "2trials"}, out=tmp_path / "run", results=str(tmp_path))
    assert (study.directory / "trials.csv").exists()
    assert (study.directory / "weights").exists()


def test_a_place_that_goes_away_is_said_once_and_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(Failing, "_fail", lambda self: _away(self))
    away: list[bool] = []

    def _away(system: Any) -> None:
        if away:
            raise ConnectionError("the network is away")

    class Leave(Notes):
        def begin(self, start: Any) -> None:
            away.append(True)

    said = Leave()
    study = nas.search("tiny", **ASHA, out=tmp_path / "run", results="failing://x", observer=said)
    assert study.ledger().finished == 6
    lines = [line for line in said.lines if "results cannot be put to" in line]
    assert lines
    assert len(lines) <= 2
    assert lines[0] == "results cannot be put to failing://x/run (the network is away); the search goes on"
    assert sum("weights cannot be put there" in line for line in said.lines) == 1


def test_the_front_of_several_objectives_is_kept_up_to_date(tmp_path: Path) -> None:
    study = nas.search(
        "tiny", **{**ASHA, "strategy": "random", "strategy_options": {}}, objectives="accuracy,params", out=tmp_path / "run",
        results="memory://x",
    )  # fmt: skip
    place = place_of("memory://x/run/front")
    assert sorted(place.sizes()) == sorted(path.name for path in (study.directory / "front").iterdir())
    copies = results.Copies(study.directory)
    copies.put()
    gone = next((study.directory / "front").iterdir())
    gone.unlink()
    copies.put()
    assert gone.name not in place.sizes()


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({"strategy": "asha:random"}, "promotions go on"),
        ({"inherit": True}, "children inherit"),
        ({"strategy": "darts"}, "weights that others train"),
        ({}, ""),
        ({"strategy": "asha:random", "results": "s3://b/x"}, ""),
    ],
)
def test_several_machines_are_told_of_results(more: dict[str, Any], needs: str) -> None:
    from tests.toy import settings

    made = settings(**{"strategy": "random", **more})
    line = results.advice(made, create("training"), 3)
    assert (needs in line and "--results URL keeps them where all find them" in line) if needs else line == ""
    assert results.advice(made, create("training"), 1) == ""


# ---- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    return partial(call, capsys, monkeypatch)


def test_typed(typed: Callable[..., Run], tmp_path: Path) -> None:
    search = ("search", "--space", "tiny", "--dataset", "digits", "--engine", "local", "--budget", "2trials", "--epochs", "1")
    run = typed(*search, "--out", tmp_path / "run", "--results", tmp_path / "nfs", "--keep", "0")
    assert run.status == 0, run.err
    assert f"weights and a copy of the results: {tmp_path}/nfs/run" in run.out.replace("\n", "")
    (tmp_path / "file").write_bytes(b"")
    for given, said in (
        ("ftpx://x", "unknown protocol 'ftpx'"), (tmp_path / "file" / "x", "cannot be written (Not a directory)"),
        (tmp_path / "nfs", "has a run already"),
    ):  # fmt: skip
        run = typed(*search, "--out", tmp_path / "other" / "run", "--results", given)
        assert run.status == 2
        assert said in run.err
        assert not (tmp_path / "other").exists()
    run = typed(*search[:6], "ray", "--out", tmp_path / "ray", "--results", "memory://x")
    assert (run.status, "workers on Ray are others" in run.err) == (2, True)
