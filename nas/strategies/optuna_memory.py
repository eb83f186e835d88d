"""A study in memory that Optuna's samplers look at but cannot change. Imported only when used: it needs Optuna."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, QMCSampler
from optuna.samplers._ga import BaseGASampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space
    from nas.strategies.optuna_samplers import Make

NAME = "told"
NOWHERE = -1  # the trial that is being sampled is in no storage
HUGE = 1e100  # larger values are cut off here: their squares stay floats


class Index(CategoricalDistribution):
    """Which of some options: never a copy, and told from others by identity first, for samplers compare all of them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Index:
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    __hash__ = CategoricalDistribution.__hash__


class _Storage(InMemoryStorage):
    """Forgets what samplers note about a trial that it does not have."""

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if trial_id != NOWHERE:
            super().set_trial_system_attr(trial_id, key, value)


class Sobol(QMCSampler):
    """A Sobol sequence whose place is the number of the trial, where Optuna counts how often it was asked."""

    def __init__(self, seed: int) -> None:
        super().__init__(qmc_type="sobol", scramble=True, seed=seed, warn_independent_sampling=False)
        self.place = 0

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> int:
        return self.place


class Memory:
    """Finished trials, by order of telling. A decision is a parameter whose value is the index of the option.

    (Optuna cannot tell the options 1, 1.0 and True apart.)
    """

    def __init__(self, choices: Mapping[str, tuple[Option, ...]], objectives: int) -> None:
        self._choices = choices
        self._distributions = {name: Index(range(len(options))) for name, options in choices.items()}
        self._indices = {name: {(type(o), o): i for i, o in enumerate(options)} for name, options in choices.items()}
        self._storage = _Storage()
        self._count = 0
        with quiet():
            directions = [optuna.study.StudyDirection.MAXIMIZE] * objectives
            self._study_id = self._storage.create_new_study(directions, NAME)

    def add(self, decisions: Decisions, values: Sequence[float], make: Make, seed: int) -> None:
        """Add a finished trial. A genetic sampler puts it into a generation, and chooses parents once that is full.

        Values beyond 1e100 are cut off there.
        """
        params = {name: self._indices[name][type(option), option] for name, option in decisions.items()}
        with quiet():
            trial_id = self._storage.create_new_trial(self._study_id, self._frozen(NOWHERE, params))
            sampler = make(seed)
            if isinstance(sampler, BaseGASampler):
                sampler.get_trial_generation(self._study(sampler), self._storage.get_trial(trial_id))
            limited = [max(-HUGE, min(HUGE, value)) for value in values]
            self._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, limited)
            self._count += 1
            if isinstance(sampler, BaseGASampler) and sampler.population_size and self._count % sampler.population_size == 0:
                # Chosen here and kept, so that it does not depend on which ask comes first.
                sampler.get_parent_population(self._study(sampler), self._count // sampler.population_size)

    def sample(self, space: Space, make: Make, seed: int, number: int) -> Decisions:
        """Decisions as a sampler makes them for trial `number`; those not sampled together are sampled one by one."""
        with quiet():
            sampler, trial = make(seed), self._frozen(self._count, {})
            study = self._study(sampler)
            sampler.before_trial(study, trial)
            if isinstance(sampler, Sobol):
                sampler.place = number
                wanted: dict[str, BaseDistribution] = {n: each for n, each in self._distributions.items() if not each.single()}
            else:
                wanted = sampler.infer_relative_search_space(study, trial)
            relative = sampler.sample_relative(study, trial, wanted)
            return space.record(_Sampling(study, trial, relative, self._distributions, self._choices))

    def _study(self, sampler: BaseSampler) -> optuna.Study:
        """The study, freshly opened: an open one may go on seeing the trials that it saw first."""
        return optuna.Study(study_name=NAME, storage=self._storage, sampler=sampler)

    def _frozen(self, number: int, params: dict[str, Any]) -> FrozenTrial:
        return FrozenTrial(
            number=number, trial_id=NOWHERE, state=TrialState.RUNNING, value=None, datetime_start=datetime.datetime.now(),
            datetime_complete=None, params=params, distributions={name: self._distributions[name] for name in params},
            user_attrs={}, system_attrs={}, intermediate_values={},
        )  # fmt: skip


class _Sampling:
    """The chooser of `Memory.sample`."""

    def __init__(
        self, study: optuna.Study, trial: FrozenTrial, relative: Mapping[str, Any], distributions: Mapping[str, Index],
        choices: Mapping[str, tuple[Option, ...]],
    ) -> None:  # fmt: skip
        self._study, self._trial, self._relative = study, trial, relative
        self._distributions, self._choices = distributions, choices

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        params, distribution = self._trial.params, self._distributions[name]
        if name not in params:
            params[name] = self._sample(name, distribution)
            self._trial.distributions[name] = distribution
        option: Option = self._choices[name][params[name]]
        fewer: Option = options[params[name] % len(options)]  # a space may offer fewer at first
        return option if option in options else fewer

    def _sample(self, name: str, distribution: Index) -> int:
        if distribution.single():
            return 0
        if name in self._relative:
            return int(self._relative[name])
        return int(self._study.sampler.sample_independent(self._study, self._trial, name, distribution))


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's notes on the terminal and its warnings that an argument is new or old."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
