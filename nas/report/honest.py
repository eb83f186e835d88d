"""What was measured after a search, for a person and as plain data: its networks confirmed, and held against others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nas.report import baselines, correlation
from nas.report.tables import short_path, value_text
from nas.study.confirmation import CONFIRM, best, pending
from nas.units import format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.study import Comparison, Confirmed, Study
    from nas.study.interval import Interval


def honest(study: Study) -> list[RenderableType]:
    """Everything to be said about confirmation, rank correlation, baselines and control; nothing where none was asked for."""
    shown: list[RenderableType] = []
    if study.settings.confirm:
        shown += _confirmation(study)
    shown += correlation.shown(study)
    shown += baselines.shown(study)
    if study.settings.control:
        shown += _control(study)
    return shown


def _confirmation(study: Study) -> list[RenderableType]:
    if study.nested(CONFIRM) is None:
        return [confirmation_line(study)]
    confirmed = study.confirmation
    shown: list[RenderableType] = [confirmation_line(study), confirmed_table(study, confirmed)]
    if pending(study):
        return [*shown, pending_line(study)]
    found = best(confirmed)
    if found is None:
        return [*shown, Text("no training finished, so nothing is confirmed")]
    say = f"best by mean: trial {found.trial.number}, in {short_path(study.directory)}/confirmed.yaml"
    if study.best is not None and study.best.digest != found.trial.digest:
        say += f" (best.yaml is trial {study.best.number}, the best in the search)"
    return [*shown, Text(say)]


def confirmation_line(study: Study) -> Text:
    """What was trained again, and what that has cost."""
    run, wish = study.nested(CONFIRM), study.settings.wish
    if run is None or wish is None:
        return Text(f"confirmation ({wish}): not begun")
    used = format_seconds(run.ledger().device_seconds)
    title = f"trained again, {_count(len(study.confirmation), 'network')} with {_count(wish.seeds, 'fresh seed')} each, "
    return Text(f"{title}{_count(wish.epochs, 'epoch')} at full size; {used} of device time apart from the budget")


def pending_line(study: Study) -> Text:
    """How much of a confirmation that has begun is missing."""
    run = study.nested(CONFIRM)
    return Text(f"{pending(study)} of {0 if run is None else len(run.settings.start)} trainings are still to be done")


def confirmed_table(study: Study, confirmed: list[Confirmed]) -> Table:
    """A row a network, the best mean first."""
    objective = study.settings.objective
    table = Table(box=None)
    tested = any(item.tests for item in confirmed)
    for name in ("trial", "in the search", "mean", "95% interval", "each seed", *(["test"] if tested else [])):
        table.add_column(name, justify="left" if name == "each seed" else "right", no_wrap=name != "each seed")
    for item in confirmed:
        seeds = " ".join(value_text(objective, value) for value in item.values) + (f" ({item.failed} failed)" if item.failed else "")
        test = [value_text("accuracy", sum(item.tests) / len(item.tests)) if item.tests else "-"] if tested else []
        table.add_row(
            str(item.trial.number), value_text(objective, item.trial.value), value_text(objective, item.mean),
            interval_text(objective, item.interval), seeds.strip() or "-", *test,
        )  # fmt: skip
    return table


def _control(study: Study) -> list[RenderableType]:
    control = study.control
    if control is None:
        return [Text(f"control, a random search under the same budget ({study.settings.budget}): not begun")]
    ledger, objective = control.ledger(), study.settings.objective
    found = "" if control.best is None else f", best {value_text(objective, control.best.value)}"
    title = f"control, a random search under the same budget: {_count(ledger.finished, 'trial')} finished{found}; used "
    title += f"{ledger.device_seconds / 3600:.3g} device-hours, {format_seconds(ledger.seconds)} of wall time"
    shown: list[RenderableType] = [Text(title)]
    if study.settings.confirm:
        shown += _confirmation(control)
    made = study.comparison
    return [*shown, Text(verdict(made, objective), style="bold")] if made else shown


def verdict(
    made: Comparison, objective: str, ours: str = "the search", theirs: str = "random search", gap: str = "search less control"
) -> str:
    """One line that says whether the search was worth more than chance, or `ours` more than `theirs`."""
    gap = f"{gap}: {difference_text(objective, made.difference)}"
    if made.same:
        return f"{gap}; both chose the same network: {ours} is not better than {theirs} here"
    if made.interval is None:
        why = "one seed each" if made.confirmed else "single trainings of the search; --confirm trains the best again"
        return f"{gap} ({why}): this cannot tell a better {ours.removeprefix('the ')} from a lucky seed"
    low, high = made.interval
    if low == high:
        worth = "better than" if low > 0 else "not better than"
        return f"{gap} (every seed gave the same value): {ours} is {worth} {theirs}"
    gap += f" (95% interval {difference_text(objective, low)} to {difference_text(objective, high)})"
    if low > 0:
        return f"{gap}: {ours} is better than {theirs}"
    return f"{gap}: {ours} is {'worse than' if high < 0 else 'not better than'} {theirs}" + (
        "" if high < 0 else ", as far as these seeds can tell"
    )


def interval_text(objective: str, interval: Interval | None) -> str:
    """`94.10% to 95.20%`, or a dash."""
    ends = bounded(objective, interval)
    return "-" if ends is None else " to ".join(value_text(objective, end) for end in ends)


def bounded(objective: str, interval: Interval | None) -> Interval | None:
    """An accuracy is not above 100%, whatever the arithmetic of few seeds says."""
    if interval is None or not objective.endswith("accuracy"):
        return interval
    low, high = (min(max(end, 0.0), 1.0) for end in interval)
    return low, high


def difference_text(objective: str, value: float) -> str:
    """Accuracies differ by points, other objectives by a number."""
    return f"{100 * value:+.2f} points" if objective.endswith("accuracy") else f"{value:+.5g}"


def plain(study: Study) -> dict[str, Any]:
    """`confirmation`, `correlation`, `baselines`, `control`, `comparison` as plain data; None where not asked for, or not begun."""
    made, control = study.comparison, study.control
    return {
        "confirmation": _plain(study) if study.settings.confirm else None,
        "correlation": correlation.plain(study),
        "baselines": baselines.plain(study),
        "control": None if control is None else {
            "run": str(control.directory),
            "finished": control.ledger().finished,
            "best": None if control.best is None else control.best.value,
            "confirmation": _plain(control) if control.settings.confirm else None,
        },
        "comparison": None if made is None else {
            "difference": made.difference, "interval": made.interval, "confirmed": made.confirmed, "same": made.same, "better": made.better,
        },
    }  # fmt: skip


def _plain(study: Study) -> dict[str, Any]:
    found = study.confirmation
    winner = best(found)
    return {
        "asked": study.settings.confirm,
        "pending": pending(study),
        "best": None if winner is None else winner.trial.number,
        "networks": [
            {
                "trial": item.trial.number, "digest": item.trial.digest, "values": item.values, "mean": item.mean,
                "interval": item.interval, "failed": item.failed, "test_accuracy": item.tests,
            }
            for item in found
        ],
    }  # fmt: skip


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
