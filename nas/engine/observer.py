"""What a search tells whoever watches it, a screen for example. The engine itself prints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas.budget import Budget, Ledger
from nas.engine.lanes import Dashboard
from nas.objectives import Objective

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.evaluators import Fidelity, Outcome


@dataclass(frozen=True)
class Start:
    """A search is about to run (again). `device` is `cpu` or `cuda`; `share` the devices that a worker holds."""

    directory: Path
    budget: Budget
    ledger: Ledger
    workers: int
    device: str
    share: float
    fidelity: Fidelity
    dashboard: Dashboard | None
    unfinished: int  # trials of a driver that is no more, to be run again first
    role: str = "search"  # or `control`, `confirm`: a run that belongs to a search, in a folder of it
    objectives: tuple[Objective, ...] = (Objective("accuracy"),)


@dataclass(frozen=True)
class Finished:
    """A trial has ended; `value` is the first objective's, None when it failed. Those of the others are in the metrics.

    `fraction` is of the run's fidelity. Of a `phase` the architecture only stands for all that it trained.
    """

    number: int
    value: float | None
    architecture: Architecture
    outcome: Outcome
    device_seconds: float
    fraction: float = 1.0
    phase: str | None = None

    def better(self, other: Finished | None, objective: Objective | None = None) -> bool:
        """Whether it is the better of two, of which values count only at equal fractions; a failed one never is."""
        if self.value is None or other is None or other.value is None:
            return self.value is not None
        worth = (objective or Objective("accuracy")).oriented
        return (self.fraction, worth(self.value)) > (other.fraction, worth(other.value))


@dataclass(frozen=True)
class Progress:
    """How far a search is. `seconds_left` is an estimate of the wall time to its end, None while there is none.

    `front` is how many networks no other beats; `best` is the best by the first objective.
    """

    budget: Budget
    ledger: Ledger
    running: int
    workers: int
    best: Finished | None
    seconds_left: float | None
    front: int = 0


class Observer:
    """Does nothing; override what is of interest. All calls come from the driver's thread, and must be quick."""

    def note(self, line: str) -> None:
        """Something that the person should know before the search begins."""

    def begin(self, start: Start) -> None:
        """The lanes are being started."""

    def launched(self, number: int, architecture: Architecture) -> None:
        """A trial was launched."""

    def finished(self, finished: Finished) -> None:
        """A trial has ended."""

    def lost(self, number: int, times: int) -> None:
        """A worker died with a trial, for the `times`-th time; the trial will be run again."""

    def tick(self, progress: Progress) -> None:
        """Several times a second."""

    def end(self, reason: str) -> None:
        """No trial runs any more. `reason` is the limit that was reached, `interrupted`, or `failed`."""
