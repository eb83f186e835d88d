"""What each decision was worth: Optuna's importances, over the trials of a run that can be compared with each other."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna

from nas.errors import StudyError
from nas.study.storage import quiet

if TYPE_CHECKING:
    from nas.objectives import Objective
    from nas.study.trial import Trial

LEAST = 20  # judged trials, below which nothing can be said
BEST, TENTH = 5, 0.1  # importances are read from the best tenth; Optuna advises that these be five trials or more
METHOD = "PED-ANOVA"  # Watanabe et al., arXiv 2304.10255; of decisions that depend on others by its conditional form


def importances(trials: Sequence[Trial], goal: Objective, options: dict[str, tuple[object, ...]], place: int = 0) -> dict[str, float]:
    """Of each decision its share of what tells the best of the trials (`best_of`) from the rest, largest first; they sum up to 1.

    trials: judged, at one fidelity; options: all those of each decision; place: of the goal among their values.
    Raises `StudyError` where there are too few of them, or where all have one value.
    """
    if len(trials) < LEAST:
        raise StudyError(f"{len(trials)} comparable trials are too few; allowed: {LEAST} or more")
    if len({trial.values[place] for trial in trials}) == 1:
        raise StudyError("all trials came to the same value")
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kinds = {name: optuna.distributions.CategoricalDistribution(each) for name, each in options.items()}  # type: ignore[arg-type]
        study = optuna.create_study(direction="minimize")
        study.add_trials([_frozen(trial, -goal.oriented(trial.values[place]), kinds) for trial in trials])
        met = {name for trial in trials for name in trial.decisions}
        several = [name for name in options if name in met and len(options[name]) > 1]
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best_of(len(trials)) / len(trials))
        return optuna.importance.get_param_importances(study, evaluator=evaluator, params=several)


def best_of(count: int) -> int:
    """How many of so many trials are the best."""
    return max(BEST, math.ceil(TENTH * count))


def _frozen(trial: Trial, value: float, kinds: dict[str, optuna.distributions.CategoricalDistribution]) -> optuna.trial.FrozenTrial:
    known = {name: option for name, option in trial.decisions.items() if name in kinds}
    return optuna.trial.create_trial(value=value, params=known, distributions={name: kinds[name] for name in known})
