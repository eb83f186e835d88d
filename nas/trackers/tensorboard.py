"""Curves of trials for TensorBoard, in the folder `tensorboard` of the run: `tensorboard --logdir RUN/tensorboard`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from nas.trackers.base import TRACKERS, Entry, Run

FOLDER = "tensorboard"
ALL = "trials"  # the folder of what is drawn over the numbers of trials


@TRACKERS.register("tensorboard")
class TensorBoard:
    """A folder a trial, with its curve by epoch, its seconds by epoch, and its decisions as text; and one of all trials."""

    name: ClassVar[str] = "tensorboard"
    package: ClassVar[str] = "tensorboardX"
    install: ClassVar[str] = "tensorboardX"
    metavar: ClassVar[str] = ""
    help: ClassVar[str] = "Write the curves of trials for TensorBoard, into RUN/tensorboard."

    def __init__(self, target: str) -> None:
        self.target = target
        self._folder: Path | None = None
        self._all: Any = None

    def check(self) -> None:
        """It comes with this package."""

    def told(self, directory: Path) -> Path:
        """Beside the curves: whoever removes the folder gets them anew."""
        return directory / FOLDER / "trials.txt"

    def open(self, run: Run) -> None:
        """Raises `OSError` where the folder cannot be made."""
        self._folder = run.directory / FOLDER
        self._folder.mkdir(exist_ok=True)

    def add(self, entry: Entry) -> None:
        """On the disk when this returns."""
        assert self._folder is not None
        path = self._folder / f"trial-{entry.number:05d}-{entry.digest[:12]}"
        shutil.rmtree(path, ignore_errors=True)  # what a kill left of it
        writer = _writer(path)
        try:
            for epoch, value, seconds in entry.curve:
                writer.add_scalar(entry.objective, value, round(epoch))
                writer.add_scalar("seconds", seconds, round(epoch))
            writer.add_text("trial", _text(entry), 0)
        finally:
            writer.close()
        self._all = self._all or _writer(self._folder / ALL)  # not before: each makes a file
        for name, value in entry.values.items():
            self._all.add_scalar(name, value, entry.number)
        self._all.add_scalar("device_seconds", entry.device_seconds, entry.number)
        self._all.flush()

    def close(self) -> None:
        """Nothing more comes."""
        if self._all is not None:
            self._all.close()


def _writer(path: Path) -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(path))


def _text(entry: Entry) -> str:
    """A table in Markdown, which TensorBoard draws."""
    rows = {"digest": entry.digest, **entry.facts, **entry.numbers(), **entry.decisions}
    return "\n".join(("| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())))
