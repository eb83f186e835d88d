"""What was measured after a search: its best networks trained again with fresh seeds, and a control held against it.

Both are runs in folders of the run: `confirm`, whose first and only trials are the best networks, several times each,
and `control`, a random search under the same budget, with a `confirm` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from nas.strategies.base import Key, key
from nas.study.interval import Interval, difference, t_interval

if TYPE_CHECKING:
    from nas.study.study import Study
    from nas.study.trial import Trial

CONFIRM, CONTROL = "confirm", "control"
TEST = "test_accuracy"


@dataclass(frozen=True)
class Confirmed:
    """A network of the search, trained again.

    trial: the search's; values: the objective of each training that finished; mean over them, and its 95% t-interval,
    None for fewer than two; failed: trainings that did not finish; tests: accuracies on the test images, where the
    evaluator measures them; nothing is chosen by these; reference: one that the others are held against.
    """

    trial: Trial
    values: tuple[float, ...]
    mean: float | None
    interval: Interval | None
    failed: int = 0
    tests: tuple[float, ...] = ()
    reference: bool = False


@dataclass(frozen=True)
class Comparison:
    """The search's best less the control's best, each by its mean over seeds; larger is better for the search.

    confirmed: whether both were trained again; if not, it is the difference of two single trainings, and no interval.
    """

    difference: float
    interval: Interval | None
    confirmed: bool
    same: bool  # both chose the same network

    @property
    def better(self) -> bool | None:
        """Whether the search is better than the control, beyond what seeds explain; None where that is not known."""
        if self.same:
            return False
        return None if self.interval is None else self.interval[0] > 0.0


def finalists(study: Study, count: int) -> list[Trial]:
    """The `count` best complete trials with different networks, the best first; then those of the references.

    Those that were cut off by the budget, evaluated at a fraction of the fidelity, or stopped, only where there are too
    few others.
    """
    found: dict[str, Trial] = {}
    for trial in sorted(study.ranked(), key=lambda trial: (trial.stopped is not None, -trial.fraction, trial.cut)):
        found.setdefault(trial.digest, trial)
    compared = [trial for trial in found.values() if study.is_reference(trial)]
    return [trial for trial in found.values() if trial not in compared][:count] + compared


def confirmation(study: Study) -> list[Confirmed]:
    """The networks of the search that are trained again, the best mean first; those that failed at times come later."""
    run = study.nested(CONFIRM)
    if run is None:
        return []
    trainings: dict[Key, list[Trial]] = {key(decisions): [] for decisions in run.settings.start}
    for training in run.trials:
        trainings.setdefault(key(training.decisions), []).append(training)
    found = _by_key(study, trainings)
    made = [_confirmed(study, found[each], trainings[each]) for each in trainings if each in found]
    worth = study.goals[0].oriented
    return sorted(made, key=lambda item: (item.mean is None, item.failed > 0, -worth(item.mean or 0.0), item.trial.number))


def _by_key(study: Study, wanted: Iterable[Key]) -> dict[Key, Trial]:
    """The best trial of the search of each of these decisions."""
    wanted = set(wanted)
    found: dict[Key, Trial] = {}
    for trial in study.ranked():
        each = key(trial.decisions)
        if each in wanted:
            found.setdefault(each, trial)
    return found


def _confirmed(study: Study, trial: Trial, trainings: list[Trial]) -> Confirmed:
    values = tuple(training.value for training in trainings if training.value is not None)
    failed = sum(training.state == "FAIL" for training in trainings)
    tests = tuple(training.metrics[TEST] for training in trainings if TEST in training.metrics)
    return Confirmed(trial, values, fmean(values) if values else None, t_interval(values), failed, tests, study.is_reference(trial))


def pending(study: Study) -> int:
    """Trainings of the confirmation that was asked for that are still to be done."""
    wish = study.settings.wish
    if wish is None:
        return 0
    run = study.nested(CONFIRM)
    if run is None:
        return wish.trainings + len(study.settings.references) * wish.seeds
    return len(run.settings.start) - sum(trial.finished for trial in run.trials)


def comparison(study: Study) -> Comparison | None:
    """The search held against its control; None while either is unfinished, or where nothing can be compared."""
    control = study.control
    if control is None or pending(study) or pending(control):
        return None
    worth = study.goals[0].oriented
    if not study.settings.confirm:
        ours, theirs = study.best, control.best
        if ours is None or theirs is None or ours.value is None or theirs.value is None:
            return None
        return Comparison(worth(ours.value) - worth(theirs.value), None, False, ours.digest == theirs.digest)
    first, second = best(confirmation(study)), best(confirmation(control))
    if first is None or second is None:
        return None
    made, interval = difference([*map(worth, first.values)], [*map(worth, second.values)])
    return Comparison(made, interval, True, first.trial.digest == second.trial.digest)


def best(confirmed: list[Confirmed]) -> Confirmed | None:
    """The best by its mean that is no reference, None where no training finished."""
    return next((item for item in confirmed if item.mean is not None and not item.reference), None)
