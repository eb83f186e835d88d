"""Regularised evolution (Real et al., arXiv 1802.01548) for several objectives: the winner of a tournament is not dominated.

The oldest dies, however good: a candidate that was lucky once does not stay, as it does in NSGA-II.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.strategies.ageing import Ageing
from nas.strategies.base import Context, Trial
from nas.strategies.dominance import contest, standing
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


class ParetoEvolution(Ageing):
    """The winner of those drawn is the first by rank and then by room (Deb et al. 2002) among all that are alive."""

    def __init__(self, space: Space, seed: int, options: ParetoEvolutionOptions, context: Context) -> None:
        super().__init__(space, seed, options.population, options.tries)
        self._sample = options.sample
        self._standing: list[tuple[int, float]] | None = None  # of each, smaller for better; None until it is needed

    def winner(self, rng: random.Random) -> Trial:
        """By standing."""
        if self._standing is None:
            self._standing = standing([trial.values for trial in self._alive])
        return contest(self._alive, self._standing, self._sample, rng)

    def tell(self, trial: Trial) -> None:
        """As for one objective; who stands where is worked out anew."""
        super().tell(trial)
        self._standing = None
