"""What a search was and has come to, in words: its state, its summary, its settings, and the ledger of its budget."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nas.report.budget import LIMITS, amount, outlook_line
from nas.report.compare import fidelity_text
from nas.report.page.columns import number, short_ids
from nas.report.tables import COST_NAMES, short_path, value_text
from nas.study.settings import settings_text
from nas.units import format_seconds

if TYPE_CHECKING:
    from nas.objectives import Objective
    from nas.study import Study, Trial
    from nas.study.spending import Item, Spending

HOUR = 3600.0
UNITS = {"ms": "ms", "seconds": "s", "bytes": "B"}  # by the last word of a metric's name
# Settings that are told apart from the others: in places of their own, or too long for a table.
ELSEWHERE = ("space", "versions", "command", "study", "role", "created", "references", "start")


def goal_data(goal: Objective) -> dict[str, Any]:
    """An objective as the page shows it."""
    fraction = goal.name.endswith("accuracy")
    unit = "%" if fraction else "count" if goal.name in COST_NAMES else UNITS.get(goal.name.rsplit("_", 1)[-1], "")
    label = COST_NAMES.get(goal.name, goal.name.replace("_", " "))
    return {"name": goal.name, "label": label, "maximise": goal.maximise, "unit": unit, "fraction": fraction}


def state(study: Study, made: Spending, running: bool) -> tuple[str, str]:
    """`running`, `ended` or `stopped`, and a line about it."""
    reached = made.budget.reached(made.ledger)
    if running:
        return "running", outlook_line(made.outlook) if made.outlook is not None else "running"
    if reached is not None:
        return "ended", f"the budget is spent: {reached}"
    return "stopped", f"it was interrupted: nas resume {short_path(study.directory)} goes on with it"


def summary(study: Study, made: Spending, best: Trial | None) -> list[list[str]]:
    """Labels and values for the head of the page."""
    ledger, settings = made.ledger, study.settings
    found = "none yet" if best is None else f"{value_text(settings.objective, best.value)} (trial {best.number})"
    rows = [
        ["best" if len(study.goals) == 1 else f"best {goal_data(study.goals[0])['label']}", found],
        ["trials", f"{ledger.finished} finished" + (f", {ledger.failed} failed" if ledger.failed else "")],
        ["used", f"{ledger.device_seconds / HOUR:.3g} device-hours, {format_seconds(ledger.seconds)} of wall time"],
        ["budget", made.budget.describe()],
        ["space", f"{study.space.name}"],
        ["strategy", settings.strategy],
    ]
    return rows + ([["data", settings.dataset]] if settings.dataset else [])


def notes(study: Study, trials: Sequence[Trial], made: Spending) -> list[str]:
    """What a reader has to know to read the numbers."""
    said = []
    if study.settings.dataset:
        said.append("Values are those of short trainings of small proxies, on images held out of the training images.")
    if any(trial.fraction != 1.0 for trial in trials):
        said.append("Trials differ in how long they were trained: only those that were for longest are compared.")
    if any(trial.stopped is not None for trial in trials):
        said.append("Trainings that were stopped early are not compared with those that were not.")
    if made.simulated:
        said.append("Time is simulated: results were looked up, and seconds are those that trainings would have taken.")
    return said


def proxy(study: Study) -> str:
    """At what candidates were trained."""
    return fidelity_text(study.settings.fidelity) if study.settings.fidelity else ""


def ledger(study: Study, made: Spending) -> dict[str, Any]:
    """The budget's tables, and lines about its pace."""
    spent = {"device_seconds": made.ledger.device_seconds, "seconds": made.ledger.seconds,
             "trials": float(made.ledger.finished + made.ledger.failed)}  # fmt: skip
    running = {"device_seconds": made.in_flight}
    rows = [
        [name, amount(kind, getattr(made.budget, kind)), amount(kind, spent[kind]),
         amount(kind, running[kind]) if kind in running else "", amount(kind, getattr(made.left, kind))]
        for kind, name in LIMITS
    ]  # fmt: skip
    total = made.ledger.device_seconds
    lines = [] if made.outlook is None else [outlook_line(made.outlook)]
    if made.pace is not None and made.pace.seconds > 0:
        busy = made.pace.device_seconds / made.pace.seconds
        pace = f"{made.pace.trials * HOUR / made.pace.seconds:.4g} trials an hour, {busy:.3g} devices busy"
        lines.append(f"pace of the last {format_seconds(made.pace.seconds)}: {pace}")
    if made.lost:
        lines.append(f"workers died with a trial {made.lost} time{'s' if made.lost > 1 else ''}")
    return {
        "limits": rows,
        "items": [_item(item, total) for item in made.items],
        "devices": [_item(item, total) for item in made.devices],
        "hours": [[hour.begin.isoformat(), hour.trials, number(hour.device_seconds)] for hour in made.hours],
        "following": [[name, after.finished, after.failed, number(after.device_seconds)] for name, after in made.following],
        "lines": lines,
    }


def _item(item: Item, total: float) -> list[Any]:
    return [short_ids(item.name), item.trials, number(item.device_seconds), number(item.device_seconds / total if total > 0 else 0.0)]


def settings_data(study: Study) -> dict[str, Any]:
    """Settings that are not empty, versions, and the command, so that it can be run again."""
    settings = study.settings
    shown = [[name, _plain(value)] for name, value in asdict(settings).items() if name not in ELSEWHERE and value not in (None, "", [], {})]
    return {
        "settings": [["run", str(study.directory)], ["created", settings.created], *shown],
        "versions": [[str(name), str(value)] for name, value in settings.versions.items()],
        "command": shlex.join(settings.command),
        "run_yaml": settings_text(settings),
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return "yes" if value is True else "no" if value is False else str(value)
