"""Accuracy on shared weights against accuracy of trainings that stand alone, of networks spread over a search's ranking.

The trainings are a run in a folder of the search's, `correlate`, which measures both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev, variance
from typing import TYPE_CHECKING

from nas.strategies.base import Key, key
from nas.study.rank import Interval, bootstrap, kendall, spearman

if TYPE_CHECKING:
    from nas.study.study import Study
    from nas.study.trial import Trial

CORRELATE = "correlate"
SHARED = "shared_accuracy"


@dataclass(frozen=True)
class Correlated:
    """One network: the search's trial, its accuracy on the shared weights, and that of each training with a seed of its own."""

    trial: Trial | None
    digest: str
    shared: float
    alone: tuple[float, ...]


@dataclass(frozen=True)
class Correlation:
    """Rank correlation over `networks`, with 95% bootstrap intervals; NaN where all of one side are equal.

    spread: the standard deviation of the networks' stand-alone accuracies; noise: of those of one network with other seeds,
    pooled; None with one seed each.
    """

    networks: tuple[Correlated, ...]
    spearman: float
    spearman_interval: Interval | None
    kendall: float
    kendall_interval: Interval | None
    spread: float
    noise: float | None


def spread_over(study: Study, count: int) -> list[Trial]:
    """`count` trials with different networks, at even steps of the ranking from the best to the worst."""
    found: dict[str, Trial] = {}
    for trial in sorted(study.ranked(), key=lambda trial: (-trial.fraction, trial.cut)):
        found.setdefault(trial.digest, trial)
    ranked = list(found.values())
    if len(ranked) <= count or count < 2:
        return ranked[:count]
    return [ranked[round(place * (len(ranked) - 1) / (count - 1))] for place in range(count)]


def correlation(study: Study) -> Correlation | None:
    """What the finished trainings say so far; None for fewer than three networks."""
    run = study.nested(CORRELATE)
    if run is None:
        return None
    trials: dict[Key, list[Trial]] = {}
    for training in run.trials:
        if training.value is not None and SHARED in training.metrics:
            trials.setdefault(key(training.decisions), []).append(training)
    known = {key(trial.decisions): trial for trial in study.ranked()}
    networks = tuple(
        Correlated(known.get(each), found[0].digest, found[0].metrics[SHARED], tuple(t.value for t in found if t.value is not None))
        for each, found in trials.items()
    )
    if len(networks) < 3:
        return None
    shared, alone = [each.shared for each in networks], [fmean(each.alone) for each in networks]
    several = [each.alone for each in networks if len(each.alone) > 1]
    freedom = sum(len(values) - 1 for values in several)
    noise = math.sqrt(sum(variance(values) * (len(values) - 1) for values in several) / freedom) if freedom else None
    return Correlation(
        networks, spearman(shared, alone), bootstrap(spearman, shared, alone), kendall(shared, alone), bootstrap(kendall, shared, alone),
        stdev(alone), noise,
    )  # fmt: skip


def to_correlate(study: Study) -> int:
    """Trainings that are still to be done."""
    wish, run = study.settings.correlation_wish, study.nested(CORRELATE)
    if wish is None:
        return 0
    return wish.trainings if run is None else len(run.settings.start) - sum(trial.finished for trial in run.trials)
