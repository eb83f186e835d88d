"""The line of a candidate, from its first ancestor, as a table and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from nas.report.tables import COST_NAMES, fraction_text, short_path, value_text
from nas.units import format_count, format_seconds

if TYPE_CHECKING:
    from nas.study import Change, Step, Study, Trial

INDENTS = 12  # levels that are shown by their indent; a long line stays at the last


def lineage_table(study: Study, steps: list[Step]) -> Group:
    """A row a trial: what made it, its values and cost, and each decision that it changed."""
    last, names = steps[-1].trial, [goal.name for goal in study.goals]
    goals = [name for name in names if name == names[0] or name not in COST_NAMES]  # costs have columns of their own
    table = Table(box=None)
    for name in ("trial", "made by", *goals, "parameters", "MACs", "device time", "changed"):
        table.add_column(name, justify="left" if name in ("trial", "made by", "changed") else "right", no_wrap=name != "changed")
    for level, step in enumerate(steps):
        trial = step.trial
        cost = trial.architecture.cost(aux=False)
        changed = "\n".join(map(change_text, step.changes)) or ("-" if level == 0 else "nothing")
        table.add_row(
            _branch(level) + str(trial.number), _how(trial), *_values(goals, names, trial),
            format_count(cost.params), format_count(cost.macs), format_seconds(trial.device_seconds), Text(changed),
        )  # fmt: skip
    seconds = format_seconds(sum(step.trial.device_seconds for step in steps))
    title = f"{short_path(study.directory)}: trial {last.number}"
    title += f" and its {len(steps) - 1} ancestors" if len(steps) > 2 else " and its parent" if len(steps) == 2 else ", which has no parent"
    return Group(Text(f"{title}; {seconds} of device time together"), table)


def _branch(level: int) -> str:
    return "" if level == 0 else " " * (min(level, INDENTS) - 1) + "└"


def _how(trial: Trial) -> str:
    part = "" if trial.fraction == 1.0 else f" at {fraction_text(trial.fraction)} of the fidelity"
    return (trial.how or "?") + part


def _values(goals: list[str], names: list[str], trial: Trial) -> list[str]:
    """A text for each goal; of a trial that is not complete the first says why. `names` are those of the trial's values."""
    state = {"FAIL": "failed", "RUNNING": "running"}.get(trial.state)
    if state is not None:
        return [state, *[""] * (len(goals) - 1)]
    values = dict(zip(names, trial.values or (trial.value,), strict=False))
    return [value_text(name, values.get(name)) for name in goals]


def change_text(change: Change) -> str:
    """`depth: 2 -> 3`; a decision that one of both never came to has no value there."""
    old, new = ("not made" if value is None else value for value in (change.old, change.new))
    return f"{change.decision}: {old} -> {new}"


def to_dict(steps: list[Step]) -> list[dict[str, Any]]:
    """An entry a trial, the first ancestor first."""
    entries = []
    for step in steps:
        trial, cost = step.trial, step.trial.architecture.cost(aux=False)
        entries.append({
            "number": trial.number, "state": trial.state, "value": trial.value, "values": list(trial.values),
            "parent": trial.parent, "how": trial.how, "fraction": trial.fraction, "digest": trial.digest,
            "params": cost.params, "macs": cost.macs,
            "device_seconds": trial.device_seconds,
            "changes": [{"decision": change.decision, "old": change.old, "new": change.new} for change in step.changes],
        })  # fmt: skip
    return entries
