"""What a differentiable search came to, and whether it collapsed to skip connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nas.spaces.skips import COLLAPSE, Skips, skips
from nas.strategies.darts import PHASE

if TYPE_CHECKING:
    from nas.study import Study, Trial

SOURCE = "Zela et al., arXiv 1909.09656"
SHOWN = 8  # searches, and points of a history


@dataclass
class Searched:
    """One search for scores: its phases, and the trial of the network that it came to, once that is there."""

    number: int
    phases: list[Trial] = field(default_factory=list)
    derived: Trial | None = None
    cells: list[Skips] = field(default_factory=list)  # of that network, or of the one that the last phase would come to

    @property
    def epochs(self) -> float:
        """Of all networks at once, so far."""
        return self.phases[-1].metrics["epochs"]

    @property
    def over(self) -> bool:
        """Whether its last phase has found a network."""
        return bool(self.phases[-1].found)

    def history(self, cell: str) -> list[tuple[float, float]]:
        """After each phase the epochs so far, and the share of skip connections in that cell."""
        known = [each.metrics for each in self.phases if each.metrics.get(f"operations.{cell}")]
        return [(each["epochs"], each.get(f"skips.{cell}", 0.0) / each[f"operations.{cell}"]) for each in known]


def searches(study: Study) -> list[Searched]:
    """All that the record has, in order; without one of which no phase is complete."""
    found: dict[int, Searched] = {}
    trials = study.trials
    derived = {trial.parent: trial for trial in trials if trial.how == "derived"}
    for trial in trials:
        if trial.phase != PHASE or "program" not in trial.metrics:
            continue
        each = found.setdefault(int(trial.metrics["program"]), Searched(int(trial.metrics["program"])))
        each.phases.append(trial)
        each.derived = derived.get(trial.number)
        made = each.derived.decisions if each.derived is not None else trial.found[0] if trial.found else None
        each.cells = _now(trial, study) if made is None else skips(study.space.decode(made))
    return list(found.values())


def _now(trial: Trial, study: Study) -> list[Skips]:
    """What the scores would come to after a phase that is not the last: the cells are those of any network of the space."""
    cells = skips(study.space.decode(trial.decisions))
    return [
        Skips(cell.cell, int(trial.metrics.get(f"skips.{cell.cell}", 0)), int(trial.metrics.get(f"operations.{cell.cell}", 1)), cell.keeps)
        for cell in cells
    ]  # fmt: skip


def lines(study: Study) -> list[str]:
    """A line a search, and one more for each cell that collapsed."""
    made = [line for each in searches(study)[:SHOWN] for line in _lines(each)]
    more = len(searches(study)) - SHOWN
    return [*made, f"darts: {more} more searches"] if more > 0 else made


def _lines(each: Searched) -> list[str]:
    last = each.phases[-1].metrics
    text = f"darts: search {each.number}, {each.epochs:.3g} epochs of all networks at once ({100 * last['accuracy']:.2f}%)"
    if not each.over:
        return [f"{text} of {last['planned_epochs']:.3g} planned; it has found nothing yet"]
    if each.derived is not None:
        value = each.derived.value
        text += f": trial {each.derived.number}" + (f", {100 * value:.2f}%" if value is not None else ", which is not finished")
    text += "; skip connections: " + ", ".join(f"{cell.skips} of {cell.operations} in {cell.cell}" for cell in each.cells)
    text += "; less than an epoch, so hardly better than a random network" if each.epochs < 1 else ""
    return [text, *[_collapse(each, cell) for cell in each.cells if cell.collapsed]]


def _collapse(each: Searched, cell: Skips) -> str:
    where = "operations of the network" if cell.cell == "network" else f"operations of the {cell.cell} cell"
    past = ", ".join(f"{100 * share:.0f}% at {epochs:.3g}" for epochs, share in _few(each.history(cell.cell)))
    return f"darts: {cell.skips} of {cell.operations} {where} are skip connections: collapse ({SOURCE}); by epoch: {past}"


def _few(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Some of the points, evenly, the last among them."""
    if len(points) <= SHOWN:
        return list(points)
    return [points[round(index * (len(points) - 1) / (SHOWN - 1))] for index in range(SHOWN)]


def plain(study: Study) -> list[dict[str, Any]]:
    """The same as plain data, with the whole history of every cell."""
    return [
        {
            "search": each.number, "over": each.over, "epochs": each.epochs, "planned_epochs": each.phases[-1].metrics["planned_epochs"],
            "trial": None if each.derived is None else each.derived.number,
            "cells": [
                {
                    "cell": cell.cell, "skips": cell.skips, "operations": cell.operations, "collapsed": cell.collapsed,
                    "skip_share_by_epoch": each.history(cell.cell),
                }
                for cell in each.cells
            ],
        }
        for each in searches(study)
    ]  # fmt: skip


__all__ = ["COLLAPSE", "Searched", "lines", "plain", "searches"]
