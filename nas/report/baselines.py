"""Hand-designed networks beside what a search found, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nas.report.tables import COST_NAMES, value_text
from nas.study.baselines import BASELINES, baselines, beaten_by, comparable, failed, untrained
from nas.units import format_count, format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.study import Study


def shown(study: Study) -> list[RenderableType]:
    """What was trained, and how it stands beside the candidates; nothing where there are no baselines."""
    if not study.settings.baselines:
        return []
    run = study.nested(BASELINES)
    if run is None:
        return [Text(f"baselines, {untrained(study)} to be trained as the candidates were: not begun")]
    used = format_seconds(run.ledger().device_seconds)
    title = f"baselines, trained once each as the candidates were; {used} of device time apart from the budget"
    lines: list[RenderableType] = [Text(title)]
    if baselines(study):
        lines.append(_table(study))
        if not comparable(study):
            lines.append(Text("no trial of the search was trained in full, so that none can be held against these"))
    lines += [Text(f"{trial.architecture.name} failed: {trial.reason}") for trial in failed(study)]
    if left := untrained(study):
        lines.append(Text(f"{left} of {len(run.settings.start)} trainings are still to be done"))
    return lines


def _table(study: Study) -> Table:
    """A row a network: what it reached, what it costs in full, and how many candidates are better."""
    table, goals, candidates = Table(box=None), study.goals, comparable(study)
    costs = [name for name in COST_NAMES if name not in {goal.name for goal in goals}]
    for name in ("network", *(COST_NAMES.get(each, each) for each in (*(goal.name for goal in goals), *costs)), "beaten by"):
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    for trial in baselines(study):
        network = trial.architecture
        cost = network.cost(aux=False)
        values = [value_text(goal.name, value) for goal, value in zip(goals, trial.values, strict=True)]
        beaten = f"{len(beaten_by(study, trial, candidates))} of {len(candidates)} trials" if candidates else "-"
        table.add_row(network.name, *values, *(format_count(getattr(cost, name)) for name in costs), beaten)
    return table


def plain(study: Study) -> dict[str, Any] | None:
    """The same as plain data; None where there are none.

    `beaten_by` has the numbers of the trials that are better, of `compared` that were looked at as closely.
    """
    if not study.settings.baselines:
        return None
    run, candidates = study.nested(BASELINES), comparable(study)
    return {
        "run": None if run is None else str(run.directory),
        "pending": untrained(study),
        "compared": len(candidates),
        "networks": [_row(study, trial, candidates) for trial in baselines(study)],
        "failed": [{"network": trial.architecture.name, "reason": trial.reason} for trial in failed(study)],
    }  # fmt: skip


def _row(study: Study, trial: Any, candidates: list[Any]) -> dict[str, Any]:
    network = trial.architecture
    cost = network.cost(aux=False)
    return {
        "network": network.name, "trial": trial.number, "digest": trial.digest, "value": trial.value, "values": list(trial.values),
        "params": cost.params, "macs": cost.macs, "beaten_by": [each.number for each in beaten_by(study, trial, candidates)],
    }  # fmt: skip
