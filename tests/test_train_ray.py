"""`nas train --workers`: several processes by Ray Train train as one does, and go on when one of them is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

import nas
from nas.trainer import checkpoint
from nas.trainer.folder import Row
from nas.trainer.watcher import Watcher
from nas.training.recipe import Recipe
from nas.weights import read_weights

pytestmark = pytest.mark.slow

# No batch norm, which would normalise each share of a batch by itself, and nothing that draws.
NETWORK = """
name: plain-net
input: [1, 8, 8]
classes: 10
stem: [{block: {conv: {norm: false, activation: tanh}}, width: 8}]
stages: [{block: max_pool, stride: 2}]
head: [flatten, {block: linear, width: classes}]
"""
RECIPE = Recipe(epochs=3, batch=64, lr=0.05, flip=False, translate=0.0, ema=0.99)


class Killing(Watcher):
    """Kills a worker process after the first epoch, and takes down what it is told."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.notes: list[str] = []

    def epoch(self, row: Row) -> None:
        self.epochs.append(row.epoch)
        if self.epochs == [1]:
            os.kill(worker(), signal.SIGKILL)

    def note(self, line: str) -> None:
        self.notes.append(line)


def worker() -> int:
    """The process of the last worker of Ray Train below this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                name = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if b"RayTrainWorker" in name and ours(int(entry.name)):
                found.append(int(entry.name))
    assert found, "no worker of Ray Train"
    return max(found)


def ours(process: int) -> bool:
    """Whether it descends from this process."""
    while process > 1:
        if process == os.getpid():
            return True
        process = int((Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_two_workers_train_as_one_does_though_one_is_killed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    network, watcher = nas.Architecture.from_yaml(NETWORK), Killing()
    alone = nas.train(network, dataset="digits", recipe=RECIPE, threads=1, out=tmp_path / "alone")
    capfd.readouterr()
    shared = nas.train(network, dataset="digits", recipe=RECIPE, threads=1, workers=2, out=tmp_path / "shared", watcher=watcher)
    assert capfd.readouterr() == ("", "")
    assert watcher.epochs[0] == 1
    assert watcher.epochs[-1] == 3
    assert any("a worker died; all go on from the checkpoint" in line for line in watcher.notes)
    mine, theirs = read_weights(alone.directory), read_weights(shared.directory)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():  # sums in another order
        assert torch.allclose(tensor, theirs[name], rtol=1e-3, atol=1e-4), name
    for row, other in zip(alone.history, shared.history, strict=True):
        assert row.train_loss == pytest.approx(other.train_loss, rel=1e-3)
        assert row.accuracy == pytest.approx(other.accuracy, abs=0.01)
    assert {entry.name for entry in shared.directory.iterdir()} == {entry.name for entry in alone.directory.iterdir()} | {"writer.lock"}
    kept = checkpoint.load(shared.directory / "checkpoint.pt", shared.settings.digest, torch.device("cpu"))
    assert len(kept["rows"]) == 3
