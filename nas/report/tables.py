"""Tables for the terminal; plain and untruncated where the output is a file or a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from nas.report.network import Level, inference_cost, rows
from nas.units import format_count

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.cost import Cost
    from nas.ensembles import Ensemble, EnsembleCost
    from nas.study import Study, Trial

TOP = 5
COST_NAMES = {"params": "parameters", "macs": "MACs"}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the caller know that the reader has gone; rich would end the process with status 1."""
        raise BrokenPipeError


def console(stderr: bool = False) -> Console:
    """A console that cuts nothing off where nobody looks at a screen. Rich minds NO_COLOR, FORCE_COLOR and TERM=dumb.

    FORCE_COLOR gives a pipe colours, not what is only for a screen: a display that moves, or lines as short as a terminal's.
    """
    made = _Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not made.file.isatty():
        made.width, made.is_interactive = 200, False
    return made


def network_table(
    network: Architecture | Ensemble, cost: Cost | EnsembleCost, level: Level | None = None
) -> Group:
    """Layer, output shape, receptive field, parameters, multiply-adds and activations, with totals."""
    level, made = rows(network, cost, level)
    shape = "x".join(map(str, network.input))
    table = Table(box=None, show_footer=True)
    inference = inference_cost(network, cost)
    split = inference.params != cost.params
    note = ["total", *(["  without auxiliary heads"] if split else [])]
    table.add_column("place", footer="\n".join(note), no_wrap=True)
    table.add_column("operation", max_width=60)
    table.add_column("output", justify="right")
    table.add_column("field", justify="right", no_wrap=True)
    for name, total, bare in (
        ("parameters", cost.params, inference.params),
        ("MACs", cost.macs, inference.macs),
        ("activations", cost.activations, inference.activations),
    ):
        table.add_column(name, footer=f"{total:,}" + (f"\n{bare:,}" if split else ""), justify="right", no_wrap=True)
    for row in made:
        field = "all" if row.field is None else f"{row.field[0]}x{row.field[1]}"
        numbers = (f"{row.params:,}", f"{row.macs:,}", f"{row.activations:,}")
        table.add_row(row.place, Text(row.text), str(row.shape), field, *numbers)
    counted = "" if cost.biases else ", without biases"
    return Group(Text(f"{network.name}: input {shape}, {network.classes} classes, by {level}{counted}"), table)


def short_path(path: Path) -> str:
    """Relative to where the person stands, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)


def top_table(study: Study, count: int = TOP) -> Table:
    """The best trials: accuracy, parameters and multiply-adds of the whole network, not of the proxy that was trained.

    Where trials ran at parts of the fidelity, at which; those that were looked at most closely come first.
    """
    table, ranked = Table(box=None), study.ranked()
    parts = any(trial.fraction != 1.0 for trial in ranked)
    for name in ("trial", study.settings.objective, *(["fidelity"] if parts else []), "parameters", "MACs", "digest"):
        table.add_column(name, justify="left" if name == "digest" else "right", no_wrap=True)
    for trial in ranked[:count]:
        cost = trial.architecture.cost(aux=False)
        table.add_row(
            str(trial.number), value_text(study.settings.objective, trial.value), *([fraction_text(trial.fraction)] if parts else []),
            format_count(cost.params), format_count(cost.macs), trial.digest[:12],
        )  # fmt: skip
    return table


def front_table(study: Study, front: Sequence[Trial]) -> Table:
    """Networks of the front with a column an objective, and what the whole network costs where that is none."""
    table = Table(box=None)
    costs = [name for name in ("params", "macs") if name not in {goal.name for goal in study.goals}]
    for name in ("trial", *(goal.name for goal in study.goals), *costs, "digest"):
        table.add_column(COST_NAMES.get(name, name), justify="left" if name == "digest" else "right", no_wrap=True)
    for trial in front:
        cost = trial.architecture.cost(aux=False)
        values = [value_text(goal.name, value) for goal, value in zip(study.goals, trial.values, strict=True)]
        table.add_row(str(trial.number), *values, *(format_count(getattr(cost, name)) for name in costs), trial.digest[:12])
    return table


def value_text(objective: str, value: float | None) -> str:
    """An accuracy as a percentage, a cost as a count, any other objective as a number."""
    if value is None:
        return "-"
    if objective in COST_NAMES:
        return format_count(value)
    return f"{100 * value:.2f}%" if objective.endswith("accuracy") else f"{value:.5g}"


def fraction_text(fraction: float) -> str:
    """A part of the fidelity: `1`, `1/3`, or as a percentage."""
    near = round(1 / fraction)
    return "1" if near == fraction == 1 else f"1/{near}" if near > 1 and abs(near * fraction - 1) < 1e-6 else f"{100 * fraction:.3g}%"
