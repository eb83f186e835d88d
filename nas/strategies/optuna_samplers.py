"""Optuna's samplers as strategies: each decision is a categorical parameter, and a later one may depend on an earlier one.

Optuna's grid sampler wants a fixed grid and its CMA-ES has no categorical parameters, so neither is here. Optuna itself
is imported when a strategy is made, not before.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.errors import NasError
from nas.strategies.base import Context, Proposal, Record, Trial, generator
from nas.strategies.options import option

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.spaces import Decisions, Space

Make = Callable[[int], "BaseSampler"]  # from the seed of one ask


@dataclass(frozen=True, kw_only=True)
class SamplerOptions:
    """What all have: Optuna's own samplers propose the same network again and again once they have settled."""

    tries: int = option(10, 1, inf, "1: as Optuna samples; more: mutations of a sample that was evaluated before, to find a new one")


@dataclass(frozen=True, kw_only=True)
class ModelOptions(SamplerOptions):
    """The Gaussian process."""

    startup: int = option(10, 1, inf, "finished trials before the model is used")


@dataclass(frozen=True, kw_only=True)
class TPEOptions(ModelOptions):
    """The tree-structured Parzen estimator."""

    candidates: int = option(24, 1, 10**6, "samples of the better density, of which the most promising is taken")


@dataclass(frozen=True, kw_only=True)
class GeneticOptions(SamplerOptions):
    """NSGA-II and NSGA-III."""

    population: int = option(50, 2, 10**6, "trials a generation")
    crossover: float = option(0.9, 0.0, 1.0, "probability that a child has two parents")


class OptunaSampler:
    """A sampler, made anew for every ask from the seed and the number, over a study in memory of what was told.

    So an ask is pure and a restart is a replay, although the samplers have state. What is in flight is not known to
    them. Failed trials are known, but no sampler of Optuna's learns from them.
    """

    def __init__(self, space: Space, seed: int, options: SamplerOptions, context: Context, make: Make, name: str) -> None:
        from nas.strategies.optuna_memory import Memory

        self._space, self._seed, self._tries, self._make, self._name = space, seed, options.tries, make, name
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._record = Record()
        self._memory = Memory(space.choices, context.objectives)

    def ask(self, number: int) -> Proposal:
        """What the sampler samples, within the limits of the space; a mutation of it where it was told before."""
        rng, space = generator(self._seed, number), self._space.at(number)
        sample = space.fitted(self._memory.sample(space, self._make, rng.getrandbits(32), number), rng)
        if self._fixed or self._tries == 1 or not self._record.known(sample):
            return Proposal(sample, how=self._name)
        return Proposal(self._record.fresh(lambda: space.mutate(sample, rng), self._tries), how=f"{self._name}, mutation")

    def tell(self, trial: Trial) -> None:
        """The trial joins the study. Raises `SpaceError` for decisions of another space."""
        decisions: Decisions = self._space.ordered(trial.decisions)
        if self._record.add(trial) and trial.value is not None:
            self._memory.add(decisions, trial.values, self._make, generator(self._seed, trial.number).getrandbits(32))


def tpe(space: Space, seed: int, options: TPEOptions, context: Context) -> OptunaSampler:
    """Multivariate TPE, decisions that are made together in one group (Bergstra et al. 2011; Watanabe, arXiv 2304.11127)."""
    from optuna.samplers import TPESampler

    def make(number: int) -> BaseSampler:
        return TPESampler(
            seed=number, n_startup_trials=options.startup, n_ei_candidates=options.candidates,
            multivariate=True, group=True, constant_liar=False,
        )  # fmt: skip

    return OptunaSampler(space, seed, options, context, make, "tpe")


def gp(space: Space, seed: int, options: ModelOptions, context: Context) -> OptunaSampler:
    """A Gaussian process over the decisions that every network makes; the others are random. Needs torch and scipy."""
    _need_scipy("optuna:gp")
    from optuna.samplers import GPSampler

    def make(number: int) -> BaseSampler:
        return GPSampler(seed=number, n_startup_trials=options.startup, warn_independent_sampling=False)

    return OptunaSampler(space, seed, options, context, make, "gp")


def random(space: Space, seed: int, options: SamplerOptions, context: Context) -> OptunaSampler:
    """Independent uniform decisions."""
    from optuna.samplers import RandomSampler

    return OptunaSampler(space, seed, options, context, RandomSampler, "sample")


def qmc(space: Space, seed: int, options: SamplerOptions, context: Context) -> OptunaSampler:
    """A scrambled Sobol sequence with one coordinate for each decision of the space, met or not. Needs scipy."""
    _need_scipy("optuna:qmc")
    from nas.strategies.optuna_memory import Sobol

    return OptunaSampler(space, seed, options, context, lambda number: Sobol(seed % 2**32), "qmc")


def nsgaii(space: Space, seed: int, options: GeneticOptions, context: Context) -> OptunaSampler:
    """NSGA-II (Deb et al. 2002); crosses the decisions that every network makes, the others are random."""
    from optuna.samplers import NSGAIISampler

    def make(number: int) -> BaseSampler:
        return NSGAIISampler(seed=number, population_size=options.population, crossover_prob=options.crossover)

    return OptunaSampler(space, seed, options, context, make, "nsgaii")


def nsgaiii(space: Space, seed: int, options: GeneticOptions, context: Context) -> OptunaSampler:
    """NSGA-III (Deb & Jain 2014), for many objectives; otherwise as NSGA-II."""
    from optuna.samplers import NSGAIIISampler

    def make(number: int) -> BaseSampler:
        return NSGAIIISampler(seed=number, population_size=options.population, crossover_prob=options.crossover)

    return OptunaSampler(space, seed, options, context, make, "nsgaiii")


def _need_scipy(name: str) -> None:
    """Optuna does not install it."""
    if importlib.util.find_spec("scipy") is None:
        raise NasError(f"strategy {name} needs scipy, which is not installed; allowed: after `pip install scipy`, or optuna:tpe")
