"""Evolution by age (Real et al., arXiv 1802.01548): whoever wins a tournament is mutated, the oldest dies."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from nas.strategies.base import Proposal, Record, Trial, generator

if TYPE_CHECKING:
    from nas.spaces import Space


class Ageing(ABC):
    """Random until the population is full, then mutations of tournament winners.

    A failed trial joins no population; it only counts as known. A child that was evaluated before is drawn again, up
    to `tries` times (not in the paper, whose space is too large for it to matter); candidates in flight are not known
    here. Asynchronous as in the paper: whoever finishes joins, whenever it was asked for.
    """

    breeds = True

    def __init__(self, space: Space, seed: int, population: int, tries: int) -> None:
        self._space, self._seed, self._population, self._tries = space, seed, population, tries
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._record = Record()
        self._alive: deque[Trial] = deque(maxlen=population)  # the oldest drops out as the next joins

    @abstractmethod
    def winner(self, rng: random.Random) -> Trial:
        """The parent of the next child, of those alive."""

    def copies(self, rng: random.Random) -> bool:
        """Whether a child is to equal its parent."""
        return False

    def ask(self, number: int) -> Proposal:
        """A random sample while fewer than `population` trials have succeeded, then a child."""
        rng, space = generator(self._seed, number), self._space.at(number)
        if len(self._alive) < self._population:
            return Proposal(space.sample(rng))
        parent = self.winner(rng)
        if self.copies(rng) or self._fixed:
            return Proposal(dict(parent.decisions), parent.number, "copy")
        child = self._record.fresh(lambda: space.mutate(parent.decisions, rng), self._tries)
        return Proposal(child, parent.number, "mutation")

    def tell(self, trial: Trial) -> None:
        """The trial joins the population if it succeeded. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if self._record.add(trial) and trial.value is not None:
            # In the space's order, on which the choice of what to mutate depends.
            same = list(decisions) == list(trial.decisions)
            self._alive.append(trial if same else Trial(trial.number, decisions, trial.value, trial.values))
