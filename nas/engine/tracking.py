"""Trials into another program's record while a search runs, and what it missed: from a thread of its own, which may be slow."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.engine.observer import Finished, Observer, Progress, Start
from nas.study import Study, open_study
from nas.trackers import Entry, Run, Tracker

if TYPE_CHECKING:
    from nas.study import Settings, Trial

CLOSE_SECONDS, BROKEN_OFF_SECONDS = 30.0, 5.0  # for what waits at the end of a run, or when it is broken off
TRACKED = "tracked"  # the folder of the numbers of trials that a tracker has
SHOWN = ("strategy", "evaluator", "dataset", "budget", "seed", "role", "network")


class Tracking(Observer):
    """Hands finished trials to a tracker. First those of the record that it does not have, as after a kill or an outage.

    What cannot be sent is said once, tried again at the end, and else by the next `nas resume` that is told to track.
    note: where lines for the person go; storage: the study's URL, where it is not the recorded one.
    """

    def __init__(self, tracker: Tracker, note: Callable[[str], None] | None = None, storage: str | None = None) -> None:
        self._tracker, self._storage = tracker, storage
        self._note = note or logging.getLogger("nas").warning
        self._notes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._objectives: tuple[str, ...] = ()
        self._followed: set[Path] = set()

    def begin(self, start: Start) -> None:
        """Begin with what is missing."""
        self._follow(start.directory, tuple(goal.name for goal in start.objectives))

    def complete(self, study: Study) -> None:
        """What is missing of a study that has ended: nothing, unless it had ended before this was there."""
        if study.directory not in self._followed:
            self._follow(study.directory, tuple(goal.name for goal in study.goals))
            self.end("")

    def _follow(self, directory: Path, objectives: tuple[str, ...]) -> None:
        self._objectives = objectives
        self._followed.add(directory)
        self._work = queue.SimpleQueue()
        sender = _Sender(self._tracker, directory, self._storage, self._notes.put)
        self._thread = threading.Thread(target=sender.run, args=(self._work,), name=f"track-{self._tracker.name}", daemon=True)
        self._thread.start()

    def finished(self, finished: Finished) -> None:
        """A trial more."""
        if self._thread is not None:
            self._work.put(_of_finished(finished, self._objectives))

    def tick(self, progress: Progress) -> None:
        """Say what there is to say."""
        while not self._notes.empty():
            self._note(self._notes.get())

    def end(self, reason: str) -> None:
        """Wait for what is under way, but not for long."""
        if self._thread is None:
            return
        self._work.put(None)
        self._thread.join(BROKEN_OFF_SECONDS if reason in ("interrupted", "failed") else CLOSE_SECONDS)
        if self._thread.is_alive():
            self._notes.put(f"{self._tracker.name}: is not done; `nas resume` with --{self._tracker.name} sends what is missing")
        self._thread = None
        while not self._notes.empty():
            self._note(self._notes.get())


def write_all(study: Study, tracker: Tracker) -> int:
    """Hand a tracker all finished trials of a study that it does not have; how many it has then. Raises what it raises."""
    told = _Told(study.directory, tracker)
    tracker.open(run_of(study.directory, study.settings))
    try:
        for trial in study.history():
            if trial.number not in told:
                tracker.add(entry_of(trial, tuple(goal.name for goal in study.goals)))
                told.add(trial.number)
    finally:
        tracker.close()
    return len(told)


class _Sender:
    """What the thread does."""

    def __init__(self, tracker: Tracker, directory: Path, storage: str | None, note: Callable[[str], None]) -> None:
        self._tracker, self._directory, self._storage, self._note = tracker, directory, storage, note
        self._opened = False
        self._failed: dict[int, Entry] = {}
        self._said = False

    def run(self, work: queue.SimpleQueue[Entry | None]) -> None:
        try:
            self._told = _Told(self._directory, self._tracker)
            missed = self._missed()
        except Exception as error:
            self._note(f"{self._tracker.name}: {_line(error)}; nothing is sent")
            return
        for entry in missed:
            self._send(entry)
        while (item := work.get()) is not None:
            self._send(item)
        failed, self._failed = self._failed, {}
        for entry in failed.values():
            if not self._failed:  # else it is still away
                self._send(entry)
        if left := sum(number not in self._told for number in failed):
            self._note(f"{self._tracker.name}: {left} trials were not sent; `nas resume` with --{self._tracker.name} sends them")
        with suppress(Exception):
            self._tracker.close()

    def _missed(self) -> list[Entry]:
        study = open_study(self._directory, storage=self._storage)
        self._run = run_of(self._directory, study.settings)
        names = tuple(goal.name for goal in study.goals)
        return [entry_of(trial, names) for trial in study.history() if trial.number not in self._told]

    def _send(self, entry: Entry) -> None:
        if entry.number in self._told:
            return
        try:
            if not self._opened:
                self._tracker.open(self._run)
                self._opened = True
            self._tracker.add(entry)
            self._told.add(entry.number)
        except Exception as error:
            self._failed[entry.number] = entry
            if not self._said:
                self._said = True
                self._note(f"{self._tracker.name}: {_line(error)}; the search goes on, and it is tried again later")


class _Told:
    """Numbers of the trials that a tracker has, one a line of a file in the run folder, a file a target."""

    def __init__(self, directory: Path, tracker: Tracker) -> None:
        place = hashlib.sha256(tracker.target.encode()).hexdigest()[:8]
        usual = directory / TRACKED / f"{tracker.name}-{place}.txt"
        self._path = Path(getattr(tracker, "told", lambda _: usual)(directory))
        self._numbers: set[int] = set()
        with suppress(FileNotFoundError):
            self._numbers = {int(line) for line in self._path.read_text().split() if line.isdecimal()}

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int) -> None:
        self._numbers.add(number)
        self._path.parent.mkdir(exist_ok=True)
        with open(self._path, "a") as file:
            file.write(f"{number}\n")


def run_of(directory: Path, settings: Settings) -> Run:
    """What a tracker is told of a run."""
    key = hashlib.sha256(f"{settings.study} {settings.created} {settings.seed}".encode()).hexdigest()[:12]
    shown = {name: value for name in SHOWN if (value := getattr(settings, name)) is not None}
    return Run(settings.study, key, directory, shown)


def entry_of(trial: Trial, objectives: tuple[str, ...]) -> Entry:
    """What a tracker is told of a trial of the record."""
    facts = _facts(trial.parent, trial.how, trial.fraction, trial.phase, trial.reason)
    values = dict(zip(objectives, trial.values, strict=False))
    return Entry(
        trial.number, trial.digest, trial.decisions, values, trial.metrics, trial.device_seconds, objectives[0], trial.curve, facts
    )


def _of_finished(finished: Finished, objectives: tuple[str, ...]) -> Entry:
    outcome = finished.outcome
    values: dict[str, float] = {}
    if finished.value is not None:
        values = {name: outcome.metrics[name] for name in objectives if name in outcome.metrics} | {objectives[0]: finished.value}
    facts = _facts(finished.parent, finished.how, finished.fraction, finished.phase, outcome.reason)
    return Entry(
        finished.number, finished.architecture.digest, finished.decisions, values, outcome.metrics, finished.device_seconds, objectives[0],
        outcome.curve, facts,
    )  # fmt: skip


def _facts(parent: int | None, how: str, fraction: float, phase: str | None, reason: str | None) -> dict[str, Any]:
    facts = {"parent": parent, "how": how or None, "fraction": fraction, "phase": phase, "reason": reason}
    return {name: value for name, value in facts.items() if value is not None}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
