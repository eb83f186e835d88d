"""Which trials are probably under way: numbers before that of an ask that were not told yet."""

from __future__ import annotations

from nas.strategies.base import Trial

WINDOW = 256  # numbers looked back: more workers than that are told apart by chance alone


class Flights:
    """Numbers that were told. What is under way can be known from them alone, so it survives a restart."""

    def __init__(self) -> None:
        self._told: set[int] = set()

    @property
    def told(self) -> int:
        """How many trials were told."""
        return len(self._told)

    def land(self, trial: Trial) -> bool:
        """Note that a trial is told. False when its number was told before: a duplicate must not count twice."""
        new = trial.number not in self._told
        self._told.add(trial.number)
        return new

    def ahead(self, number: int) -> int:
        """How many of the latest numbers before `number` were asked and not told yet."""
        return sum(other not in self._told for other in range(max(0, number - WINDOW), number))
