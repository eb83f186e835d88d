"""Our strategies in a user's own Optuna study. Imported only when used: it needs Optuna.

    def objective(trial):
        return train(nas.suggest(trial, space))

    optuna.create_study(direction="maximize", sampler=nas.optuna_sampler("evolution", space)).optimize(objective, 100)
"""

from __future__ import annotations

import datetime
import random
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas import spaces, strategies
from nas.errors import ArchitectureError, NasError, SpaceError
from nas.strategies import Context, Strategy, Trial

if TYPE_CHECKING:
    from pathlib import Path

    from nas.arch import Architecture
    from nas.spaces import Option, Space

NEVER = datetime.datetime.max
DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def optuna_sampler(strategy: str, space: str | Path | Space, *, seed: int = 0, **options: object) -> BaseSampler:
    """A sampler for `optuna.create_study(sampler=...)` that proposes as `strategy` does over `space`.

    Raises `NasError` for an unknown strategy or option, and for asha and hyperband: an objective of Optuna's is told no
    fidelity, and has Optuna's pruners instead.
    """
    if strategy.partition(":")[0] in strategies.WRAPPERS:
        raise NasError(f"strategy {strategy} as an Optuna sampler; allowed: {', '.join(_able())}; Optuna's pruners halve there")
    if strategies.find(strategy).phase:
        raise NasError(f"strategy {strategy} as an Optuna sampler: it trains candidates together; allowed: {', '.join(_able())}")
    loaded = spaces.load(space)
    strategies.check(strategy, **options)
    return StrategySampler(strategy, loaded, seed, options)


def _able() -> list[str]:
    return [name for name in strategies.names() if not strategies.find(name).phase]


def suggest(trial: optuna.Trial | optuna.trial.FixedTrial, space: str | Path | Space) -> Architecture:
    """The architecture that a trial's categorical parameters, one for each decision, lead to in `space`.

    Under any sampler: raises `optuna.TrialPruned` where its decisions fit no network or are beyond the limits of the
    space, of which only our samplers know.
    """
    space = spaces.load(space)
    decisions = space.record(_Suggest(trial))
    try:
        architecture = space.decode(decisions)
        architecture.cost()
    except (ArchitectureError, SpaceError) as error:
        raise optuna.TrialPruned(str(error)) from None
    if not space.fits(decisions):
        raise optuna.TrialPruned(f"beyond the limits of space {space.name!r}")
    return architecture


class _Suggest:
    def __init__(self, trial: optuna.Trial | optuna.trial.FixedTrial) -> None:
        self._trial = trial

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        option: Option = self._trial.suggest_categorical(name, options)
        return option


class StrategySampler(BaseSampler):
    """Asks a strategy for the decisions of a trial; it is told what has finished by then, whichever process ran it.

    The study is the only state: the sampler can be copied, pickled and made anew. What a trial asks for besides the
    decisions of the space is uniformly random. Failed and pruned trials are told as failed, as a pruned one's last
    value is of another fidelity; a trial whose parameters are no decisions of the space is left out. Larger is made
    better for the strategy, whatever the directions of the study are.
    """

    def __init__(self, name: str, space: Space, seed: int, options: Mapping[str, object]) -> None:
        self._name, self._space, self._seed, self._options = name, space, seed, dict(options)
        self._distributions = {each: CategoricalDistribution(choices) for each, choices in space.choices.items()}
        self._lock = threading.RLock()
        self._strategy: Strategy | None = None
        self._study = ""  # of which the strategy was told
        self._seen: set[int] = set()  # numbers

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All decisions; a proposal makes some of them."""
        return {name: each for name, each in self._distributions.items() if not each.single()}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The decisions that the strategy proposes. Raises `NasError` where it cannot take the objectives of the study."""
        with self._lock:
            decisions = self._told(study).ask(trial.number).decisions
        return {name: option for name, option in decisions.items() if name in search_space}

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """Uniform, keyed by the trial's number and the parameter's name."""
        seed = random.Random(f"{self._seed}:{trial.number}:{param_name}").getrandbits(32)
        return RandomSampler(seed=seed).sample_independent(study, trial, param_name, param_distribution)

    def _told(self, study: optuna.Study) -> Strategy:
        """The strategy, told all that has finished, in that order as far as it is known."""
        if self._strategy is None or self._study != study.study_name:
            context = Context(objectives=len(study.directions))
            self._strategy = strategies.create(self._name, self._space, self._seed, context, **self._options)
            self._study, self._seen = study.study_name, set()
        new = [each for each in study.get_trials(deepcopy=False, states=DONE) if each.number not in self._seen]
        for each in sorted(new, key=lambda each: (each.datetime_complete or NEVER, each.number)):
            self._seen.add(each.number)
            self._tell(self._strategy, each, study.directions)
        return self._strategy

    def _tell(self, strategy: Strategy, trial: FrozenTrial, directions: list[StudyDirection]) -> None:
        signs = [-1.0 if each == StudyDirection.MINIMIZE else 1.0 for each in directions]
        complete = trial.state == TrialState.COMPLETE
        values = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True)) if complete else ()
        try:
            decisions = self._space.ordered(trial.params)
        except SpaceError:
            return
        strategy.tell(Trial(trial.number, decisions, values[0] if values else None, values))

    def __reduce__(self) -> tuple[Any, ...]:
        """Settings only: a copy is told the study anew."""
        return type(self), (self._name, self._space, self._seed, self._options)
