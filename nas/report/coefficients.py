"""What a search for scaling coefficients found, for a person and as plain data: the best triple, and single dimensions beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nas.engine.coefficients import DECISION
from nas.report.honest import confirmation_line, interval_text, pending_line, verdict
from nas.report.tables import TOP, short_path, value_text
from nas.scale import Coefficients
from nas.study import Comparison
from nas.study.confirmation import CONFIRM, pending
from nas.study.interval import difference
from nas.units import format_count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.study import Confirmed, Study, Trial

COLUMNS = ("scaling", "trial", "depth", "width", "resolution", "growth", "input", "parameters", "MACs", "x base", "in the search")
UNLIKE = 1.15  # a ratio of multiply-adds from which two networks are not compared at one cost


@dataclass(frozen=True)
class Row:
    """A way of scaling that was tried: its best trial in the search, and the same trained again, if it was."""

    name: str
    by: Coefficients
    trial: Trial
    params: int
    macs: int
    growth: float | None  # multiply-adds over those of the base, both as built
    reference: bool
    again: Confirmed | None

    @property
    def value(self) -> float | None:
        """The mean over fresh seeds; of what was not trained again the value in the search."""
        return self.trial.value if self.again is None else self.again.mean

    @property
    def control(self) -> bool:
        """Whether it scales one dimension alone."""
        return self.reference and self.by != Coefficients()


def rows(study: Study) -> list[Row]:
    """Every way of scaling that has a value, what was trained again first, the best first."""
    again = {item.trial.number: item for item in study.confirmation if item.values or item.failed}
    found: dict[str, Trial] = {}
    for trial in sorted(study.ranked(), key=lambda trial: trial.number not in again):
        found.setdefault(str(trial.decisions[DECISION]), trial)
    costs = {name: trial.architecture.cost(aux=False) for name, trial in found.items()}
    plain = next((costs[name].macs for name, trial in found.items() if _by(study, trial) == Coefficients()), None)
    made = [
        Row(
            name, _by(study, trial), trial, costs[name].params, costs[name].macs,
            costs[name].macs / plain if plain else None, study.is_reference(trial), again.get(trial.number),
        )
        for name, trial in found.items()
    ]  # fmt: skip
    worth = study.goals[0].oriented
    return sorted(made, key=lambda row: (row.again is None, row.value is None, -worth(row.value or 0.0), row.trial.number))


def winner(made: list[Row]) -> Row | None:
    """The best triple."""
    return next((row for row in made if not row.reference and row.value is not None), None)


def control(made: list[Row]) -> Row | None:
    """The best of those that scale one dimension."""
    return next((row for row in made if row.control and row.value is not None), None)


def held(study: Study, ours: Row, theirs: Row) -> Comparison | None:
    """The best triple against the best single dimension (Welch's interval); None where only one of them was trained again."""
    worth = study.goals[0].oriented
    if ours.again is not None and theirs.again is not None:
        return Comparison(*difference([*map(worth, ours.again.values)], [*map(worth, theirs.again.values)]), True, False)
    if ours.again is not None or theirs.again is not None or ours.trial.value is None or theirs.trial.value is None:
        return None
    return Comparison(worth(ours.trial.value) - worth(theirs.trial.value), None, False, False)


def coefficients(study: Study) -> list[RenderableType]:
    """The table, which triple is best and whether it is better than a single dimension, and the command that uses it."""
    made = rows(study)
    shown: list[RenderableType] = []
    if made:
        again = [row for row in made if row.again is not None]
        others = [row for row in made if row.again is None]
        kept = [row for row in others if row.reference or row in [each for each in others if not each.reference][:TOP]]
        more = f"; the best {TOP} of those not trained again" if len(kept) < len(others) else ""
        shown += [Text(f"{study.settings.network} scaled, {len(made)} ways tried{more}"), table(study, again + kept)]
    if study.settings.confirm:
        shown.append(confirmation_line(study))
        if pending(study) and study.nested(CONFIRM) is not None:
            shown.append(pending_line(study))
    best = winner(made)
    if best is None:
        return shown
    use = [] if pending(study) else [Text(f"use:   {command(study, best)}")]
    return [*shown, *_verdict(study, made, best), *use]


def _verdict(study: Study, made: list[Row], best: Row) -> list[RenderableType]:
    theirs = control(made)
    alpha, beta, gamma = best.by
    so_far = " so far" if pending(study) else ""
    lines = [Text(f"best triple{so_far}: depth {alpha:g}, width {beta:g}, resolution {gamma:g}: {_value(study, best)}")]
    if theirs is None:
        return [*lines, Text("no single dimension was scaled with a result, so there is nothing to hold it against")]
    lines.append(Text(f"best single dimension{so_far}: {theirs.name}: {_value(study, theirs)}"))
    comparison = held(study, best, theirs)
    if comparison is not None and (comparison.confirmed or not so_far):
        text = verdict(comparison, study.settings.objective, "the triple", theirs.name, "triple less single dimension")
        lines.append(Text(text, style="bold"))
    if max(best.macs, theirs.macs) > UNLIKE * min(best.macs, theirs.macs):
        lines.append(Text("these two do not cost the same: at this size rounding makes more or less of coefficients than they say"))
    return [*lines]


def _value(study: Study, row: Row) -> str:
    objective = study.settings.objective
    text = f"{objective} {value_text(objective, row.value)}"
    if row.again is None:
        text += " in one training of the search"
    elif row.again.interval is not None:
        text += f" (95% interval {interval_text(objective, row.again.interval)}, {len(row.again.values)} seeds)"
    return text + (f", {row.growth:.2f} times the base's MACs" if row.growth else "")


def table(study: Study, made: list[Row]) -> Table:
    """A row a way of scaling."""
    objective, made_table = study.settings.objective, Table(box=None)
    names = (*COLUMNS, *(("mean", "95% interval", "each seed") if any(row.again for row in made) else ()))
    for name in names:
        made_table.add_column(name, justify="left" if name in ("scaling", "each seed") else "right", no_wrap=name != "each seed")
    for row in made:
        made_table.add_row(
            row.name if row.reference else "compound", str(row.trial.number), *(f"{value:.4g}" for value in row.by), f"{row.by.growth:.2f}",
            "x".join(map(str, row.trial.architecture.input[1:])), format_count(row.params), format_count(row.macs),
            f"{row.growth:.2f}" if row.growth else "-", value_text(objective, row.trial.value),
            *(_again(objective, row.again) if len(names) > len(COLUMNS) else ()),
        )  # fmt: skip
    return made_table


def _again(objective: str, again: Confirmed | None) -> tuple[str, str, str]:
    if again is None:
        return "-", "-", "-"
    seeds = " ".join(value_text(objective, value) for value in again.values) + (f" ({again.failed} failed)" if again.failed else "")
    return value_text(objective, again.mean), interval_text(objective, again.interval), seeds.strip() or "-"


def command(study: Study, row: Row) -> str:
    """What to type to scale the network by what was found."""
    name = study.settings.network or ""
    name = short_path(Path(name)) if Path(name).is_absolute() else name
    return f"nas scale {name} --phi 1 --alpha {row.by.depth:g} --beta {row.by.width:g} --gamma {row.by.resolution:g}"


def plain(study: Study) -> dict[str, Any]:
    """All of it as plain data."""
    made = rows(study)
    best, theirs = winner(made), control(made)
    comparison = held(study, best, theirs) if best and theirs else None
    return {
        "network": study.settings.network,
        "best": None if best is None else _plain(best),
        "control": None if theirs is None else _plain(theirs),
        "comparison": None if comparison is None else {
            "difference": comparison.difference, "interval": comparison.interval, "confirmed": comparison.confirmed,
            "better": comparison.better,
        },
        "pending": pending(study),
        "command": None if best is None else command(study, best),
        "tried": [_plain(row) for row in made],
    }  # fmt: skip


def _plain(row: Row) -> dict[str, Any]:
    return {
        "name": row.name, "depth": row.by.depth, "width": row.by.width, "resolution": row.by.resolution, "growth": row.by.growth,
        "reference": row.reference, "trial": row.trial.number, "digest": row.trial.digest, "input": list(row.trial.architecture.input),
        "params": row.params, "macs": row.macs, "macs_growth": row.growth, "value": row.trial.value,
        "mean": None if row.again is None else row.again.mean, "interval": None if row.again is None else row.again.interval,
        "values": [] if row.again is None else list(row.again.values), "failed": 0 if row.again is None else row.again.failed,
    }  # fmt: skip


def _by(study: Study, trial: Trial) -> Coefficients:
    return study.space.coefficients(trial.decisions)
