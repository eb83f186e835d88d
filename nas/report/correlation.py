"""How well accuracies on shared weights rank networks, for a person and as plain data."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nas.report.tables import short_path, value_text
from nas.strategies.phased import PHASE
from nas.study.correlation import CORRELATE, correlation, to_correlate
from nas.units import format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.study import Study
    from nas.study.correlation import Correlation
    from nas.study.rank import Interval


def shown(study: Study) -> list[RenderableType]:
    """What was measured; where nothing was, that nothing is known; nothing for a search without shared weights."""
    wish, run = study.settings.correlation_wish, study.nested(CORRELATE)
    if wish is None:
        if study.settings.role != "search" or not any(trial.phase == PHASE for trial in study.trials):
            return []
        where = short_path(study.directory)
        return [Text(f"how well accuracies on shared weights rank networks is not known; nas resume {where} --correlate 10 measures it")]
    if run is None:
        return [Text(f"rank correlation ({wish}): not begun")]
    epochs, used = f"{wish.epochs} epoch{'s' if wish.epochs > 1 else ''}", format_seconds(run.ledger().device_seconds)
    title = f"networks spread over the ranking, trained alone for {epochs} at full size; {used} of device time apart from the budget"
    lines: list[RenderableType] = [Text(title)]
    made = correlation(study)
    if made is not None:
        lines += [_table(made), Text(verdict(made), style="bold")]
    if left := to_correlate(study):
        lines.append(Text(f"{left} of {len(run.settings.start)} trainings are still to be done"))
    elif made is None:
        lines.append(Text("too few trainings finished for a rank correlation; allowed: three networks or more"))
    return lines


def verdict(made: Correlation) -> str:
    """One line: both coefficients with their intervals, over how many networks, and what seeds alone do."""
    text = f"rank correlation of shared weights with training alone over {len(made.networks)} networks: "
    if math.isnan(made.spearman):
        return text + "none to be had, for all networks have one accuracy"
    text += f"Spearman {made.spearman:.2f}{_interval(made.spearman_interval)}, Kendall {made.kendall:.2f}{_interval(made.kendall_interval)}"
    text += f"; accuracies of networks differ by {100 * made.spread:.2f} points (standard deviation)"
    return text + (f", of seeds of one network by {100 * made.noise:.2f}" if made.noise is not None else "")


def plain(study: Study) -> dict[str, Any] | None:
    """The same as plain data; None where it was not asked for."""
    if study.settings.correlation_wish is None:
        return None
    made = correlation(study)
    return {
        "asked": study.settings.correlate,
        "pending": to_correlate(study),
        **({} if made is None else {
            "spearman": _number(made.spearman), "spearman_interval": made.spearman_interval,
            "kendall": _number(made.kendall), "kendall_interval": made.kendall_interval,
            "spread": made.spread, "noise": made.noise,
            "networks": [
                {"trial": each.trial and each.trial.number, "digest": each.digest, "shared": each.shared, "alone": each.alone}
                for each in made.networks
            ],
        }),
    }  # fmt: skip


def _table(made: Correlation) -> Table:
    table = Table(box=None)
    for name in ("trial", "on shared weights", "alone"):
        table.add_column(name, justify="right")
    for each in sorted(made.networks, key=lambda each: -each.shared):
        number = "-" if each.trial is None else str(each.trial.number)
        table.add_row(number, value_text("accuracy", each.shared), value_text("accuracy", fmean(each.alone)))
    return table


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" (95% {interval[0]:.2f} to {interval[1]:.2f})"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
