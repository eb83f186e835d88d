"""Phases of a search, which train what its candidates share: where the evaluator states a schedule, the strategy gets them."""

from __future__ import annotations

from collections.abc import Callable

from nas import strategies
from nas.budget import Budget
from nas.engine.lanes import Lanes, expected_of
from nas.errors import NasError
from nas.evaluators import Evaluator, Fidelity
from nas.strategies import Context, Strategy
from nas.strategies.phased import Phased, Policy, Schedule
from nas.strategies.started import Started
from nas.study import Study
from nas.study.wish import Wish

SEARCH = "search"  # the role of a run that has phases
LEAST = 3  # networks whose order can be spoken of


def strategy_of(study: Study, evaluator: Evaluator, context: Context) -> Strategy:
    """The strategy of a run: what it starts with, then what the strategy asks for, with the phases that the evaluator wants."""
    settings = study.settings
    inner = strategies.create(settings.strategy, study.space, settings.seed, context, **settings.strategy_options)
    started, schedule = Started(inner, settings.start), getattr(evaluator, "schedule", None)
    if not schedule or settings.role != SEARCH:
        return started
    return Phased(started, study.space, settings.seed, Schedule.from_dict(schedule), policy=inner)


def default_sampling(strategy: Strategy) -> str:
    """Whom phases train where nobody says: networks of the strategy's policy, where it has one."""
    return "policy" if isinstance(strategy, Policy) else "uniform"


def check_sampling(evaluator: Evaluator, strategy: Strategy, name: str, ladder: bool = False) -> None:
    """Raise `NasError` where phases are to train networks of a policy that the strategy called `name` does not have.

    And for a ladder of fidelities that shared weights do not have.
    """
    if ladder and shares_weights(evaluator):
        raise NasError("ladder with shared weights, which are of one size and trained together; allowed: without ladder")
    if getattr(evaluator, "sampling", None) == "policy" and not isinstance(strategy, Policy):
        raise NasError(f"sampling=policy with strategy {name}, which learns none; allowed: uniform, fair, or a strategy such as rl")


def shares_weights(evaluator: Evaluator) -> bool:
    """Whether the candidates of a search by this evaluator are judged on weights that they share."""
    return hasattr(evaluator, "schedule")


def wish_of(correlate: str | int | None, epochs: int | None, control: bool, confirm: bool, evaluator: Evaluator) -> Wish | None:
    """The networks to be trained alone and held against shared weights, `N` with one seed each, or `NxR`.

    Raises `NasError` on a wish that cannot be read, for fewer than three networks, where nothing is shared, and for a control
    that nothing could be compared with.
    """
    if control and shares_weights(evaluator) and not confirm:
        raise NasError(
            "control=True for a search on shared weights needs confirm, such as 3x3: accuracies on shared weights and of the control's "
            "trainings cannot be compared"
        )
    if correlate is None:
        return None
    text = str(correlate).strip()
    if not shares_weights(evaluator):
        raise NasError(f"correlate={text[:60]!r}: nothing is shared by this evaluator; allowed: with one such as shared")
    if text.isdecimal():
        text += "x1"
    try:
        wish = Wish.parse(text, epochs)
    except NasError:
        wish = None
    if wish is None or wish.networks < LEAST:
        raise NasError(f"correlate={str(correlate)[:60]!r}; allowed: {LEAST} networks or more, such as 10; 10x2 with two seeds each")
    return wish


def alone_by(evaluator: Evaluator, study: Study, lanes: Lanes) -> Callable[[], Fidelity] | None:
    """What fits a control's fidelity, where a search's own says nothing of trainings that stand alone."""
    fitted = getattr(evaluator, "alone", None)
    if fitted is None:
        return None
    seconds = Budget.parse(study.settings.budget).lane_seconds(expected_of(lanes), lanes.share)
    return lambda: fitted(study.space, seconds, study.settings.seed)
