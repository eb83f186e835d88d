"""Weights that a search keeps: what is needed, then the best, under a cap; and disks that are full."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

import nas
from nas import places
from nas.engine import Observer
from nas.engine.keeping import Keeping, cap_of, kept, sizes
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity, Store, StoreError, Task, create, run, store
from nas.evaluators.store import of_trial
from nas.strategies import PROMOTION, Proposal
from tests.cli import nas as call

SIZE = 1000


class Files:
    """A store with files of a thousand bytes, and what prunes it."""

    def __init__(self, folder: Path, cap: float, workers: int = 1) -> None:
        self.store = Store.at(folder / "weights")
        self.keeping = Keeping(self.store, cap, workers)

    def finished(self, number: int, worth: float | None, fraction: float = 1 / 3, parent: int | None = None) -> None:
        self.store.write(of_trial(number), b"x" * SIZE)
        how = "sample" if parent is None else PROMOTION
        self.keeping.learn(number, Proposal({}, parent, how, fraction), worth)

    def left(self) -> list[int]:
        return sorted(sizes(self.store.place))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, 5 * SIZE)


# ---- what is pruned ----------------------------------------------------------------------------------------------


def test_the_best_are_kept_under_the_cap(files: Files) -> None:
    for number in range(12):
        files.finished(number, number * 7 % 12 / 12)
        files.keeping.prune((), ())
        assert len(files.left()) <= 5
    assert files.left() == sorted(sorted(range(12), key=lambda number: -(number * 7 % 12))[:5])


def test_a_cap_of_nothing_keeps_what_may_be_promoted(tmp_path: Path) -> None:
    files = Files(tmp_path, 0)
    for number in range(9):
        files.finished(number, number / 9)
    files.finished(9, 0.9, fraction=1.0, parent=8)
    files.keeping.prune((), ())
    assert files.left() == [5, 6, 7]  # a worker and two more; 8 was promoted, and 9 is at the top
    files.keeping.prune((), (), ended=True)
    assert files.left() == []


def test_what_runs_and_its_parents_stay_whatever_the_cap(tmp_path: Path) -> None:
    files = Files(tmp_path, 0)
    for number in range(9):
        files.finished(number, number / 9)
    files.store.write(of_trial(20), b"x")  # written, but not told yet
    files.keeping.prune([20], [0])
    assert files.left() == [0, 6, 7, 8, 20]


def test_failed_and_unknown_trials_go_first(files: Files) -> None:
    files.finished(0, None)
    files.store.write(of_trial(77), b"x")
    files.finished(1, 0.5, fraction=1.0)
    files.keeping.prune((), ())
    assert files.left() == [1]


def test_other_files_are_left_alone(files: Files) -> None:
    folder = files.store.place.path
    files.finished(0, None)
    others = ["bank.pt", "trial-0.pt.bak", "notes.txt", "trial-x.pt", ".hidden", "trial-3.part"]
    for name in others:
        (folder / name).write_bytes(b"mine")
    (folder / "trial-5.pt").mkdir()
    files.keeping.prune((), (), ended=True)
    files.keeping.sweep()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, "trial-5.pt"])


def test_what_a_killed_writer_left_is_removed(files: Files) -> None:
    files.finished(0, 0.5)
    half = files.store.place.path / ".trial-1.pt.4242.part"
    half.write_bytes(b"half")
    files.keeping.sweep()
    assert not half.exists()
    assert files.left() == [0]


def test_without_a_folder_nothing_happens(tmp_path: Path) -> None:
    keeping = Keeping(Store.at(tmp_path / "none"), 0, 1)
    keeping.sweep()
    keeping.prune((), ())
    Keeping(None, 0, 1).prune((), ())
    assert kept(Store.at(tmp_path / "weights")) == (0, 0)
    assert not list(tmp_path.iterdir())


def test_caps_are_read() -> None:
    assert (cap_of(""), cap_of("2GB"), cap_of("500M"), cap_of("0")) == (1e9, 2e9, 5e8, 0)
    with pytest.raises(NasError, match="keep='lots' is not a size of memory; allowed"):
        cap_of("lots")


# ---- searches ----------------------------------------------------------------------------------------------------

ASHA: dict[str, Any] = {
    "strategy": "asha:random", "strategy_options": {"eta": 2, "least": 0.5}, "dataset": "digits", "engine": "local",
    "fidelity": Fidelity(2, samples=0.05), "budget": "6trials", "seed": 2,
}  # fmt: skip


class Most(Observer):
    """The most bytes that were there when a trial had finished; Ctrl-C at the end of one."""

    def __init__(self, folder: Path, stop: int | None = None) -> None:
        self.folder, self.stop, self.most, self.lines = folder, stop, 0, list[str]()

    def note(self, line: str) -> None:
        self.lines.append(line)

    def finished(self, finished: Any) -> None:
        self.most = max(self.most, kept(Store.at(self.folder / "weights"))[1])
        if finished.number == self.stop:
            raise KeyboardInterrupt


def test_a_search_keeps_no_more_than_it_may_and_says_how_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        nas.search("tiny", **ASHA, keep="900KB", out=folder, observer=Most(folder, stop=3))
    half = folder / "weights" / ".trial-9.pt.1.part"
    half.write_bytes(b"half")
    most = Most(folder)
    study = nas.resume(folder, observer=most)
    assert study.settings.keep == "900KB"
    assert 0 < most.most <= 9e5
    assert not half.exists()
    count, size = kept(Store.at(folder / "weights"))
    assert f"weights of {count} trial" in call(capsys, monkeypatch, "status", folder).out
    plain = json.loads(call(capsys, monkeypatch, "status", folder, "--json").out)
    assert plain["kept"] == {"trials": count, "bytes": size}


def test_nothing_is_kept_where_nothing_can_be_promoted(tmp_path: Path) -> None:
    study = nas.search("tiny", **(ASHA | {"strategy": "random", "strategy_options": {}, "budget": "1trials"}), out=tmp_path / "run")
    assert not (study.directory / "weights").exists()


def test_a_full_disk_takes_the_weights_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes, aside: Path) -> None:
        aside.write_bytes(bytes(data)[:10])
        aside.unlink()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(places, "write_durably", full)
    said = Most(tmp_path / "run")
    study = nas.search("tiny", **ASHA, out=tmp_path / "run", observer=said)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 6
    promoted = [trial for trial in study.trials if trial.how == PROMOTION]
    assert promoted
    assert {trial.metrics["continued"] for trial in promoted} == {0.0}
    lines = [line for line in said.lines if "weights cannot be kept" in line]
    assert len(lines) == 1
    assert "No space left on device" in lines[0]
    assert sum("No space left" in note for trial in study.trials for note in trial.notes) >= 3
    assert not list((tmp_path / "run" / "weights").iterdir())


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up in the middle of a file: the old one stays, and nothing half-written does."""
    import nas.files

    kept_here = Store.at(tmp_path)
    kept_here.write("trial-0", b"first")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nas.files.os, "fsync", full)
    with pytest.raises(StoreError, match=r"trial-0.pt: weights cannot be kept \(No space left on device\)"):
        kept_here.write("trial-0", b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["trial-0.pt"]
    assert kept_here.read("trial-0") == b"first"


def test_the_last_of_a_disk_is_left_to_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RESERVE", 1e18)
    with pytest.raises(StoreError, match=r"weights cannot be kept \(No space left on device, but 1e\+06 TB for the record\)"):
        Store.at(tmp_path).write("trial-0", b"first")
    assert not list(tmp_path.iterdir())


def test_after_a_full_disk_the_cap_is_half_of_what_there_was(tmp_path: Path) -> None:
    files = Files(tmp_path, 1e9)
    for number in range(20):
        files.finished(number, number / 20)
    files.keeping.heed(["started over: its weights are kept no more"])
    files.keeping.prune((), ())
    assert len(files.left()) == 20
    files.keeping.heed(["/run/trial-9.pt: weights cannot be kept (No space left on device)"])
    files.keeping.prune((), ())
    assert files.left() == list(range(10, 20))


def test_a_folder_that_cannot_be_written_takes_nothing_from_a_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    training: Any = create("training")
    network = nas.load("resnet20").with_input(*training.task())
    task = Task(0, store=Store.at(tmp_path / "file" / "weights"), keep=True)
    made = run(training, network, Fidelity(1, samples=0.02), Evaluation(task=task))
    assert (made.state, made.reason) == ("complete", None)
    assert "weights cannot be kept" in made.notes[0]


def test_a_training_that_diverges_is_recorded_with_its_reason_and_keeps_nothing(tmp_path: Path) -> None:
    training: Any = create("training", recipe={"lr": 100.0, "warmup": 0.0, "clip": 0.0})
    network = nas.load("resnet20").with_input(*training.task())
    made = run(training, network, Fidelity(3, samples=0.3), Evaluation(task=Task(0, store=Store.at(tmp_path), keep=True)))
    assert made.state == "fail"
    assert "loss is" in str(made.reason)
    assert not list(tmp_path.iterdir())
