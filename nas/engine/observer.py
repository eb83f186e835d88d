"""What a search tells whoever watches it, a screen for example. The engine itself prints nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.budget import Budget, Ledger
from nas.engine.lanes import Dashboard
from nas.objectives import Objective

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.evaluators import Fidelity, Outcome


@dataclass(frozen=True)
class Start:
    """A search is about to run (again). `device` is `cpu` or `cuda`; `share` the devices that a worker holds.

    `study` is its name in the storage.
    """

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
    study: str = ""


@dataclass(frozen=True)
class Finished:
    """A trial has ended; `value` is the first objective's, None when it failed. Those of the others are in the metrics.

    `fraction` is of the run's fidelity. Of a `phase` the architecture only stands for all that it trained.
    `decisions`, `parent` and `how` are those of its proposal; `worker` is the lane that it ended on.
    """

    number: int
    value: float | None
    architecture: Architecture
    outcome: Outcome
    device_seconds: float
    fraction: float = 1.0
    phase: str | None = None
    decisions: Mapping[str, Any] = field(default_factory=dict)
    parent: int | None = None
    how: str = ""
    worker: int = 0

    def better(self, other: Finished | None, objective: Objective | None = None) -> bool:
        """Whether it is the better of two, of which values count only at equal fractions; a failed one never is.

        One that was stopped is never better than one that was not.
        """
        if self.value is None or other is None or other.value is None:
            return self.value is not None
        worth, ended, there = (objective or Objective("accuracy")).oriented, self.outcome.stopped is None, other.outcome.stopped is None
        return (ended, self.fraction, worth(self.value)) > (there, other.fraction, worth(other.value))


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
        """Something that the person should know, before the search begins or while it runs."""

    def begin(self, start: Start) -> None:
        """The lanes are being started."""

    def launched(self, number: int, architecture: Architecture) -> None:
        """A trial was launched."""

    def finished(self, finished: Finished) -> None:
        """A trial has ended."""

    def lost(self, number: int, times: int) -> None:
        """A worker died with a trial, for the `times`-th time; the trial will be run again."""

    def crowded(self, number: int, reason: str) -> None:
        """A trial failed for want of memory, or by a GPU's fault, beside others; it will be run again alone on its device."""

    def retired(self, worker: int, reason: str, left: int) -> None:
        """A worker does not come back; the search goes on with those that are `left`."""

    def tick(self, progress: Progress) -> None:
        """Several times a second."""

    def end(self, reason: str) -> None:
        """No trial runs any more. `reason` is the limit that was reached, `interrupted`, or `failed`."""


class Observers(Observer):
    """Several as one, each told in their order. One that raises is switched off, with one note to the others.

    Only an `Exception` is held back: a Ctrl-C within an observer ends the search, as it does anywhere.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)

    def note(self, line: str) -> None:
        """To all."""
        self._tell(lambda observer: observer.note(line))

    def begin(self, start: Start) -> None:
        """To all."""
        self._tell(lambda observer: observer.begin(start))

    def launched(self, number: int, architecture: Architecture) -> None:
        """To all."""
        self._tell(lambda observer: observer.launched(number, architecture))

    def finished(self, finished: Finished) -> None:
        """To all."""
        self._tell(lambda observer: observer.finished(finished))

    def lost(self, number: int, times: int) -> None:
        """To all."""
        self._tell(lambda observer: observer.lost(number, times))

    def crowded(self, number: int, reason: str) -> None:
        """To all."""
        self._tell(lambda observer: observer.crowded(number, reason))

    def retired(self, worker: int, reason: str, left: int) -> None:
        """To all."""
        self._tell(lambda observer: observer.retired(worker, reason, left))

    def tick(self, progress: Progress) -> None:
        """To all."""
        self._tell(lambda observer: observer.tick(progress))

    def end(self, reason: str) -> None:
        """To all."""
        self._tell(lambda observer: observer.end(reason))

    def _tell(self, call: Callable[[Observer], None]) -> None:
        for observer in list(self._observers):
            try:
                call(observer)
            except Exception as error:
                self._observers.remove(observer)
                self._switched_off(observer, error)

    def _switched_off(self, observer: Observer, error: Exception) -> None:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        line = f"{type(observer).__name__} is switched off, the search goes on: {what}"
        if any(type(other).note is not Observer.note for other in self._observers):
            self.note(line)
        else:
            logging.getLogger("nas").warning(line, exc_info=error)
