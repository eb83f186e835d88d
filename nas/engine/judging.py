"""What the candidates of a search are judged by, and the numbers of one that was evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nas.errors import NasError
from nas.evaluators.clock import CutOff
from nas.measures import MEASURES, measure, names
from nas.objectives import Objective, parse

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.evaluators import Evaluator, Outcome

REASON_LENGTH = 200


def read(objective: str | None, objectives: str | Iterable[str] | None) -> tuple[Objective, ...] | None:
    """The objectives that were asked for; None where none was. Raises `NasError`, also where both forms are used."""
    if objective is not None and objectives is not None:
        raise NasError(f"objective={objective!r} and objectives={objectives!r}; allowed: one of them")
    given = objectives if objective is None else (objective,)
    return None if given is None else parse(given, {name: known.larger for name, known in MEASURES.items()})


def own(goals: Sequence[Objective] | None) -> str | None:
    """The objective that an evaluator has to report itself: the first that is no measure, if there is one."""
    return next((goal.name for goal in goals if goal.name not in MEASURES), goals[0].name) if goals else None


def check(goals: tuple[Objective, ...] | None, evaluator: Evaluator) -> tuple[Objective, ...]:
    """The goals; by default the evaluator's own, maximised.

    Raises `NasError` for one that the evaluator, if it says what it reports, does not report and that is no measure.
    """
    if goals is None:
        return (Objective(evaluator.objective),)
    reported = getattr(evaluator, "metrics", None)
    if reported is None:
        return goals
    allowed = dict.fromkeys((*reported, *names()))
    for goal in goals:
        if goal.name not in allowed:
            raise NasError(f"objectives: nobody reports {goal.name!r}; allowed: {', '.join(allowed)}")
    return goals


def measured(goals: Sequence[Objective], outcome: Outcome, architecture: Architecture) -> Outcome:
    """A complete outcome with a metric for every goal: what was not reported is measured. Failed where that fails.

    Measures are of the candidate itself, not of the proxy that was trained, and made here; a timed one only its lane can take.
    """
    return completed(outcome, [goal.name for goal in goals], lambda name: _measured(name, architecture))


def completed(outcome: Outcome, wanted: Iterable[str], one: Callable[[str], float]) -> Outcome:
    """A complete outcome with a metric of every name, those that it lacks from `one`. Failed where that fails.

    Raises `CutOff` as `one` does.
    """
    missing = [name for name in wanted if name not in outcome.metrics]
    if outcome.state != "complete" or not missing:
        return outcome
    try:
        found = {name: one(name) for name in missing}
    except CutOff:
        raise
    except Exception as error:  # a measure may build and run the network
        reason = " ".join(str(error).split())[:REASON_LENGTH]
        return replace(outcome, state="fail", metrics={}, reason=reason or type(error).__name__, cut=False)
    return replace(outcome, metrics={**outcome.metrics, **found})


def values_of(goals: Sequence[Objective], outcome: Outcome) -> tuple[float, ...]:
    """A number for each goal, as it is; none where the outcome is a failure."""
    return tuple(outcome.metrics[goal.name] for goal in goals) if outcome.state == "complete" else ()


def _measured(name: str, architecture: Architecture) -> float:
    if name not in MEASURES:
        raise NasError(f"the evaluator returned no metric {name!r}, and it is no measure; measures: {', '.join(names())}")
    if MEASURES.get(name).timed:
        raise NasError(f"no time was left to measure {name}")
    return measure(architecture, name)
