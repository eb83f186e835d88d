"""Regularised evolution (Real et al., arXiv 1802.01548) for several objectives: the winner of a tournament is not dominated.

The oldest dies, however good: a candidate that was lucky once does not stay, as it does in NSGA-II.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.strategies.base import Context, Proposal, Record, Trial, generator
from nas.strategies.dominance import standing
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Space


@dataclass(frozen=True, kw_only=True)
class ParetoEvolutionOptions:
    """The defaults had the largest hypervolume at 100 to 300 trials on three made-up spaces of two objectives.

    They were measured among P in {10, 20, 30, 40, 80} and S in {3, 10, 20, 40}.
    """

    population: int = option(30, 1, inf, "P, how many of the latest finished candidates are alive")
    sample: int = option(20, 1, inf, "S, how many of them compete to be the parent")
    tries: int = option(10, 1, inf, "mutations tried to find a child that was not evaluated before")


class ParetoEvolution:
    """Random until the population is full, then mutations of tournament winners by rank and then by room (Deb et al. 2002).

    Rank and room are those among all that are alive. A failed trial joins no population; it only counts as known.
    """

    def __init__(self, space: Space, seed: int, options: ParetoEvolutionOptions, context: Context) -> None:
        self._space, self._seed, self._options = space, seed, options
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._record = Record()
        self._alive: deque[Trial] = deque(maxlen=options.population)  # the oldest drops out as the next joins
        self._standing: list[tuple[int, float]] | None = None  # of each, smaller for better; None until it is needed

    def ask(self, number: int) -> Proposal:
        """A random sample while fewer than `population` trials have succeeded, then a child."""
        rng, space = generator(self._seed, number), self._space.at(number)
        if len(self._alive) < self._options.population:
            return Proposal(space.sample(rng))
        parent = self._winner(rng)
        if self._fixed:
            return Proposal(dict(parent.decisions), parent.number, "copy")
        child = self._record.fresh(lambda: space.mutate(parent.decisions, rng), self._options.tries)
        return Proposal(child, parent.number, "mutation")

    def tell(self, trial: Trial) -> None:
        """The trial joins the population if it succeeded. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if self._record.add(trial) and trial.value is not None:
            self._alive.append(Trial(trial.number, decisions, trial.value, trial.values))
            self._standing = None

    def _winner(self, rng: random.Random) -> Trial:
        if self._standing is None:
            self._standing = standing([trial.values for trial in self._alive])
        drawn = rng.choices(range(len(self._alive)), k=self._options.sample)
        return self._alive[min(drawn, key=self._standing.__getitem__)]
