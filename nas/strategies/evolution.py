"""Regularised evolution (Real et al., arXiv 1802.01548): the best of a sample is mutated, the oldest dies."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.strategies.ageing import Ageing
from nas.strategies.base import Context, Trial
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Space


@dataclass(frozen=True, kw_only=True)
class EvolutionOptions:
    """The paper's large run had P = 100 and S = 25 for 20,000 models.

    The defaults did best overall at 50 to 300 trials, on NAS-Bench-201 and on a noisy made-up space of 40 decisions,
    among P in {10, 20, 50} and S in {3, 5, 10}.
    """

    population: int = option(20, 1, inf, "P, how many of the latest finished candidates are alive")
    sample: int = option(10, 1, inf, "S, how many of them compete to be the parent")
    identity: float = option(0.0, 0.0, 1.0, "probability that a child equals its parent (0.05 in the paper)")
    tries: int = option(10, 1, inf, "mutations tried to find a child that was not evaluated before")


class Evolution(Ageing):
    """The winner is the best of `sample` that are drawn with replacement (Algorithm 1: it stays in the population)."""

    def __init__(self, space: Space, seed: int, options: EvolutionOptions, context: Context) -> None:
        super().__init__(space, seed, options.population, options.tries)
        self._options = options

    def winner(self, rng: random.Random) -> Trial:
        """By value."""
        return max(rng.choices(self._alive, k=self._options.sample), key=_value)

    def copies(self, rng: random.Random) -> bool:
        """With the probability that the options give."""
        return rng.random() < self._options.identity


def _value(trial: Trial) -> float:
    return -inf if trial.value is None else trial.value
