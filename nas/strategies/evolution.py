"""Regularised evolution (Real et al., arXiv 1802.01548): the best of a sample is mutated, the oldest dies."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.strategies.base import Context, Proposal, Record, Trial, generator
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


class Evolution:
    """Random until the population is full, then mutations of tournament winners.

    A failed trial joins no population; it only counts as known. A child that was evaluated before is drawn again, up
    to `tries` times (not in the paper, whose space is too large for it to matter); candidates in flight are not known
    here. Asynchronous as in the paper: whoever finishes joins, whenever it was asked for.
    """

    def __init__(self, space: Space, seed: int, options: EvolutionOptions, context: Context) -> None:
        self._space, self._seed, self._options = space, seed, options
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._record = Record()
        self._alive: deque[Trial] = deque(maxlen=options.population)  # the oldest drops out as the next joins

    def ask(self, number: int) -> Proposal:
        """A random sample while fewer than `population` trials have succeeded, then a child."""
        rng, space = generator(self._seed, number), self._space.at(number)
        if len(self._alive) < self._options.population:
            return Proposal(space.sample(rng))
        parent = tournament(self._alive, self._options.sample, rng)
        if rng.random() < self._options.identity or self._fixed:
            return Proposal(dict(parent.decisions), parent.number, "copy")
        child = self._record.fresh(lambda: space.mutate(parent.decisions, rng), self._options.tries)
        return Proposal(child, parent.number, "mutation")

    def tell(self, trial: Trial) -> None:
        """The trial joins the population if it succeeded. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if self._record.add(trial) and trial.value is not None:
            # In the space's order, on which the choice of what to mutate depends.
            same = list(decisions) == list(trial.decisions)
            self._alive.append(trial if same else Trial(trial.number, decisions, trial.value))


def tournament(alive: Sequence[Trial], size: int, rng: random.Random) -> Trial:
    """The best of `size` trials drawn with replacement (Algorithm 1: the candidate stays in the population)."""
    return max(rng.choices(alive, k=size), key=_rank)


def _rank(trial: Trial) -> float:
    return -inf if trial.value is None else trial.value
