"""How finished trials stand: the best, those that no other beats, and what is to be shown of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from nas.engine.observer import Finished
from nas.errors import StudyError
from nas.evaluators import Outcome
from nas.strategies.dominance import Front

if TYPE_CHECKING:
    from nas.strategies import Proposal
    from nas.study import Recorder, Trial

SHOWN_SECONDS = 5.0  # from one showing to the next: a person may look at the files, and the driver may be killed


class Standing:
    """The best and the front of a study, kept up to date; `show` is called when either has changed."""

    def __init__(self, study: Recorder, show: Callable[[], None]) -> None:
        self._study, self._show = study, show
        self.best: Finished | None = None
        self._front: Front[int] = Front()  # numbers of the trials that no other beats
        self._closest = 0.0  # the fraction of the fidelity of those on it
        self._news, self._shown = False, -math.inf

    def __len__(self) -> int:
        """How many networks no other beats."""
        return len(self._front)

    def restore(self) -> None:
        """The best by the record."""
        best = self._study.best
        if best is not None:
            self.best = self._finished(best)

    def heard(self, trial: Trial) -> None:
        """A trial that another driver has finished may be the best."""
        if trial.value is not None:
            self.finished(self._finished(trial), trial.proposal)

    def _finished(self, trial: Trial) -> Finished:
        outcome = Outcome("complete", trial.metrics, cut=trial.cut, first_seconds=trial.first_seconds, stopped=trial.stopped)
        architecture = self._study.space.decode(trial.decisions)
        return Finished(trial.number, trial.value, architecture, outcome, trial.device_seconds, trial.fraction, trial.phase)

    def join(self, number: int, numbers: tuple[float, ...], fraction: float) -> None:
        """A trial with these values, larger for better, joins the front if it belongs there."""
        if fraction > self._closest:
            self._front, self._closest = Front(), fraction
        if fraction == self._closest and self._front.add(numbers, number):
            self._news |= len(self._study.goals) > 1

    def finished(self, trial: Finished, proposal: Proposal) -> None:
        """A trial may be the best, unless it is a phase or a reference."""
        counts = proposal.phase is None and proposal.decisions not in self._study.settings.references
        if counts and trial.better(self.best, self._study.goals[0]):
            self.best, self._news = trial, True

    def show(self) -> None:
        """Show what has changed, at most every few seconds."""
        now = time.monotonic()
        if self._news and now >= self._shown + SHOWN_SECONDS:
            self._shown = now
            with suppress(StudyError):  # a full disk, as it may be: the record waits for room, and so do pictures
                self._show()
                self._news = False
