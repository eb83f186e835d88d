"""What a training tells whoever looks on. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.trainer.folder import Row


@dataclass(frozen=True)
class Begin:
    """A training begins, or goes on after `rows`."""

    directory: Path
    network: str
    params: int
    dataset: str
    images: int  # trained on
    validated: int  # images held out to validate on
    recipe: str
    epochs: int
    device: str
    workers: int
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Tick:
    """Where a training is: `epoch` from 1, `part` of its steps done; all seconds and rates are of this process."""

    epoch: int
    part: float
    images_per_second: float
    seconds_left: float


class Watcher:
    """Looks on and does nothing; override what is wanted."""

    def begin(self, begin: Begin) -> None:
        """Before the first step."""

    def tick(self, tick: Tick) -> None:
        """A few times a second, between steps."""

    def epoch(self, row: Row) -> None:
        """An epoch was trained and validated."""

    def note(self, line: str) -> None:
        """Something that a person should know."""

    def close(self) -> None:
        """The training ended, or was broken off."""
