"""The best and the front of a study, kept up to date as trials finish, so that showing them does not read all trials anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.objectives import oriented
from nas.strategies.dominance import Front

if TYPE_CHECKING:
    from nas.objectives import Objective
    from nas.study.trial import Trial


def place(trial: Trial, goal: Objective) -> tuple[bool, float, float, int]:
    """The smaller the better: those looked at most closely, by the first objective, of equal ones the first.

    Values at different fractions of the fidelity cannot be compared: whoever was trained for longer stands before, and
    those whose training was stopped stand last.
    """
    return trial.stopped is not None, -trial.fraction, -goal.oriented(trial.value or 0.0), trial.number


def comparable(trials: Iterable[Trial]) -> list[Trial]:
    """Of judged trials that were not stopped those that were looked at most closely: only these are compared with each other."""
    judged = [trial for trial in trials if trial.judged and trial.stopped is None]
    closest = max((trial.fraction for trial in judged), default=1.0)
    return [trial for trial in judged if trial.fraction == closest]


class Leading:
    """What `Study.best` and `Study.front` find, of the finished trials that were taken in, in whatever order."""

    def __init__(self, goals: Sequence[Objective], references: Sequence[Mapping[str, Any]]) -> None:
        self._goals, self._references = goals, references
        self._best: Trial | None = None
        self._reference: Trial | None = None  # the best of those that others are held against
        self._group: tuple[bool, float] | None = None  # of those on the front: whether they were stopped, and less their fraction
        self._front: Front[Trial] = Front()

    def add(self, trial: Trial) -> None:
        """Take in a trial that has finished."""
        if not trial.judged:
            return
        if any(trial.decisions == each for each in self._references):
            self._reference = self._better(trial, self._reference)
        else:
            self._best = self._better(trial, self._best)
        if len(trial.values) == len(self._goals) > 1:
            self._join(trial)

    @property
    def best(self) -> Trial | None:
        """None while no trial is complete; a reference only where there is no other."""
        return self._best or self._reference

    @property
    def front(self) -> list[Trial]:
        """With several objectives those that no other beats, best by the first first; of equal ones the first."""
        values = {trial.number: oriented(self._goals, trial.values) for trial in self._front}
        first = sorted(self._front, key=lambda trial: trial.number)
        return sorted(first, key=lambda trial: values[trial.number], reverse=True)

    def _better(self, trial: Trial, other: Trial | None) -> Trial:
        goal = self._goals[0]
        return trial if other is None or place(trial, goal) < place(other, goal) else other

    def _join(self, trial: Trial) -> None:
        group = (trial.stopped is not None, -trial.fraction)
        if self._group is None or group < self._group:
            self._group, self._front = group, Front()
        if group == self._group:
            self._front.add(oriented(self._goals, trial.values), trial)
