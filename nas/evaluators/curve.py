"""Learning curves: what a candidate reached after each epoch, and when one is stopped because of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.objectives import Objective

Point = tuple[float, float, float]  # epochs done, the objective as it is, seconds since the evaluation began
Curve = tuple[Point, ...]
MOST = 1000  # points of a curve that are kept: every other one is left out where there are more


class Stopped(Exception):
    """The candidate's curve is below the bar: `epoch` epochs are enough to see that. Raised by `Evaluation.report`."""

    def __init__(self, epoch: float) -> None:
        super().__init__(f"stopped after {epoch:g} epochs")
        self.epoch = epoch


@dataclass(frozen=True)
class Bar:
    """What the curve of a candidate is held against.

    objective: the metric that makes the curve; levels: by epochs done, the least that the best value so far must have
    reached, larger for better; spared: it is let finish though it may be below, to see what would have been lost.
    """

    objective: Objective = field(default_factory=lambda: Objective("accuracy"))
    levels: Mapping[float, float] = field(default_factory=dict)
    spared: bool = False

    def fails(self, curve: Curve) -> bool:
        """Whether the best value so far is below what is asked of it after its last epoch."""
        level = self.levels.get(curve[-1][0]) if curve else None
        return level is not None and best(curve, self.objective) < level


def best(curve: Curve, objective: Objective) -> float:
    """The best value of a curve, larger for better."""
    return max((objective.oriented(value) for _, value, _ in curve), default=-math.inf)


def point(metrics: Mapping[str, float], objective: Objective, seconds: float) -> Point | None:
    """What a report adds to the curve; None where it says no epochs, or the objective is missing or not finite.

    Rounded as in the record, so that a search that goes on sees what it saw.
    """
    try:
        epoch, value = float(metrics["epochs"]), float(metrics[objective.name])
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):  # torch raises RuntimeError on many elements
        return None
    if not math.isfinite(epoch) or not math.isfinite(value):
        return None
    return float(f"{epoch:.6g}"), float(f"{value:.6g}"), round(seconds, 3)


def thinned(curve: list[Point]) -> Curve:
    """At most `MOST` points, the last one among them."""
    while len(curve) > MOST:
        curve = curve[len(curve) % 2 == 0 :: 2]
    return tuple(curve)
