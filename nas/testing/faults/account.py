"""The evaluator's own account of what it did when: beside the record, and by no code that the record is kept by.

An evaluation is a file: one line of JSON, written over in place. It is begun and ended durably; in between it is touched at
every step, which survives the end of the process, however that comes. All processes of a machine share the monotonic clock.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

WIDTH = 512  # bytes of a line: it is always written as a whole
_COUNT = itertools.count()


@dataclass(frozen=True)
class Entry:
    """One evaluation of trial `number` of the run folder `run`, by process `pid`, from `began` to `seen` (s); `end` is how it ended.

    `end` is "" while it goes on, or where its process was killed.
    """

    run: str
    number: int
    pid: int
    began: float
    seen: float
    end: str = ""


class Writer:
    """Writes the entry of one evaluation into a folder."""

    def __init__(self, folder: Path, run: str, number: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._run, self._number, self._began = run, number, time.monotonic()
        self._file = os.open(folder / f"{os.getpid()}-{next(_COUNT)}.json", os.O_CREAT | os.O_WRONLY, 0o666)
        self.alive()
        os.fsync(self._file)

    def alive(self, end: str = "") -> None:
        """It has come so far."""
        entry = {
            "run": self._run, "number": self._number, "pid": os.getpid(), "began": self._began, "seen": time.monotonic(), "end": end,
        }  # fmt: skip
        os.pwrite(self._file, json.dumps(entry).encode().ljust(WIDTH - 1) + b"\n", 0)

    def close(self, end: str) -> None:
        """It has ended."""
        self.alive(end)
        os.fsync(self._file)
        os.close(self._file)


def read(folder: Path) -> list[Entry]:
    """All entries, in the order in which they began."""
    texts = [path.read_text() for path in folder.glob("*.json")] if folder.exists() else []
    return sorted((Entry(**json.loads(text)) for text in texts if text), key=lambda entry: entry.began)


def seconds(entries: list[Entry], lives: list[tuple[float, float]]) -> float:
    """What was worked within the lives of drivers (from, to): a worker that outlives its driver works for nobody."""
    return sum(max(0.0, min(entry.seen, end) - max(entry.began, begin)) for entry in entries for begin, end in lives)
