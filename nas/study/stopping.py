"""What stopping hopeless candidates has saved in a run, and what it has cost, as those show that were let finish."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from nas.study.interval import LEVEL, Interval

if TYPE_CHECKING:
    from nas.study.study import Study
    from nas.study.trial import Trial

GOOD = 0.25  # the best quarter of the candidates of a fidelity


@dataclass(frozen=True)
class StoppedEarly:
    """Of a run that stops hopeless candidates.

    stopped: how many were; saved_seconds: device seconds that they would have taken on, by the seconds of an epoch of each;
    used_seconds: of the whole run; spared: candidates that were as hopeless and let finish, and good: how many of these then were
    in the best quarter of their fidelity; interval: of that share (Wilson's, 95%); None without any.
    """

    quantile: float
    stopped: int
    saved_seconds: float
    used_seconds: float
    spared: int
    good: int
    interval: Interval | None
    curves: int  # trials that have a curve


def stopped_early(study: Study) -> StoppedEarly | None:
    """What early stopping has done in this run; None where it was not asked for."""
    settings = study.settings
    if not settings.stop_early:
        return None
    trials = [trial for trial in study.trials if trial.judged]
    stopped = [trial for trial in trials if trial.stopped is not None]
    share = settings.gpus_per_trial if settings.device != "cpu" else 1.0
    spared, good = _spared(study, trials)
    return StoppedEarly(
        settings.stop_early, len(stopped), sum(saved(trial) for trial in stopped) * share, study.ledger().device_seconds,
        spared, good, wilson(good, spared), sum(bool(trial.curve) for trial in trials),
    )  # fmt: skip


def saved(trial: Trial) -> float:
    """Seconds that the rest of its epochs would have taken a stopped trial, at the pace of those behind it."""
    if trial.stopped is None or not trial.curve:
        return 0.0
    (first, _, begun), (last, _, ended) = trial.curve[0], trial.curve[-1]
    pace = (ended - begun) / (last - first) if last > first else ended / max(1.0, last)
    return pace * max(0.0, float(trial.fidelity.get("epochs", last)) - last)


def _spared(study: Study, trials: list[Trial]) -> tuple[int, int]:
    """How many were let finish though they were below, and how many of these were in the best quarter of their fidelity."""
    groups: dict[float, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.fraction].append(trial)
    spared = good = 0
    for group in groups.values():
        worth = study.goals[0].oriented
        ended = sorted((trial for trial in group if trial.stopped is None), key=lambda trial: -worth(trial.value or 0.0))
        best = {trial.number for trial in ended[: math.ceil(GOOD * len(group))]}
        below = [trial for trial in ended if trial.below is not None]
        spared += len(below)
        good += sum(trial.number in best for trial in below)
    return spared, good


def wilson(hits: int, count: int, level: float = LEVEL) -> Interval | None:
    """The interval of a share of which `hits` in `count` were seen (Wilson, JASA 1927): 0 of 5 is 0 to 0.43; None of none."""
    if count == 0:
        return None
    z, share = NormalDist().inv_cdf(0.5 + level / 2), hits / count
    middle, spread = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    ends = [(middle + sign * spread) / (1 + z * z / count) for sign in (-1, 1)]
    return (0.0 if hits == 0 else ends[0]), (1.0 if hits == count else ends[1])
