"""Which proxy of the candidates a search can afford: arithmetic on measured seconds, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nas.evaluators.fidelity import Fidelity
from nas.units import format_seconds

Size = tuple[float, float]  # fractions of width and of depth
SIZES: tuple[Size, ...] = (  # from the smallest; 6 cells of 32 filters become 1 of 8, 1 of 16, 2 of 16, 2 of 32
    (0.25, 0.17), (0.5, 0.17), (0.5, 0.34), (1.0, 0.34), (1.0, 1.0),
)  # fmt: skip
EFFORTS: tuple[tuple[float, int], ...] = (  # fraction of the images, epochs; from the least
    (0.05, 1), (0.1, 1), (0.2, 1), (0.35, 1), (0.5, 1), (0.7, 1),
    (1.0, 1), (1.0, 2), (1.0, 3), (1.0, 4), (1.0, 5), (1.0, 6), (1.0, 8), (1.0, 10), (1.0, 12), (1.0, 15), (1.0, 20),
)  # fmt: skip
LONGER = ((1.0, 30), (1.0, 45), (1.0, 60), (1.0, 90))  # where it is known how many candidates there are
ENOUGH = (1.0, 6)  # what a size must afford before it is taken instead of a smaller one
LEAST = 5  # candidates that every worker must finish
BRIEF = 4000.0  # images seen, too few to rank by: on digits 55% after 1,100, 90% after 2,300, 95% after 3,400
SLOWER = 1.5  # workers side by side share cores, caches and memory, and a search drifts to larger candidates
WITHOUT_LIMIT = 900.0  # seconds a worker that a search without a time limit is fitted to


@dataclass(frozen=True)
class Seconds:
    """What one candidate takes at one size: once (building, first step), and for each image trained or validated on."""

    once: float
    train: float
    validate: float

    def of(self, fidelity: Fidelity, images: int, validated: int) -> float:
        """Seconds of a whole evaluation with `images` to train on (before `samples`) and `validated` to judge by."""
        return self.once + fidelity.epochs * (images * fidelity.samples * self.train + validated * self.validate)

    def times(self, factor: float) -> Seconds:
        """The same, slower by `factor`."""
        return Seconds(self.once * factor, self.train * factor, self.validate * factor)


@dataclass(frozen=True)
class Plan:
    """The fitted fidelity, and what it rests on."""

    fidelity: Fidelity
    candidate_seconds: float  # expected for an average candidate, workers side by side
    candidates: int  # expected a worker
    fits: bool  # whether every worker can be expected to finish LEAST candidates
    measured: int = 0  # measurements, a candidate at a size each
    spent: float = 0.0  # seconds that fitting took

    def line(self) -> str:
        """What a person reads before the launch."""
        f = self.fidelity
        size = f"width x{f.width:g}, depth x{f.depth:g}, " if (f.width, f.depth) != (1.0, 1.0) else ""
        part = f" on {f.samples:.0%} of the images" if f.samples < 1 else ""
        text = f"proxy: {size}{f.epochs} epoch{'s' if f.epochs > 1 else ''}{part}; about"
        text += f" {format_seconds(self.candidate_seconds)} a candidate, {self.candidates} a worker"
        text += f" ({self.measured} measured in {format_seconds(self.spent)})"
        return text if self.fits else f"{text}; the budget is too small for {LEAST} candidates a worker"


def wanted(seconds: float, seen: float = math.inf) -> int:
    """How many candidates a worker should finish in `seconds`: 10 in 30 s, 34 in 5 min, 120 in 1 h, 1,200 in 100 h.

    Time is shared evenly between more candidates and a better look at each: both grow with its square root. As long
    as a candidate has `seen` too few images to be ranked by, the look comes first, and half as many will do.
    """
    return max(LEAST, int((1.0 if seen <= BRIEF else 2.0) * math.sqrt(max(seconds, 0.0))))


def affords(costs: Sequence[Seconds], images: int, validated: int, seconds: float, most: float = math.inf) -> bool:
    """Whether candidates of a size, no more than `most`, can be trained for `ENOUGH` within a worker's `seconds`."""
    fidelity = Fidelity(epochs=ENOUGH[1], samples=ENOUGH[0])
    return _fits([cost.of(fidelity, images, validated) for cost in costs], min(most, wanted(_limit(seconds))), _limit(seconds))


def plan(
    costs: Mapping[Size, Sequence[Seconds]], images: int, validated: int, seconds: float, most: float = math.inf
) -> Plan:
    """The largest proxy with which a worker finishes what it should in `seconds`, start-up already taken off.

    `costs` has, from the smallest size, what candidates take. A larger size is taken only where it can be trained for
    `ENOUGH`; otherwise the smaller one trains longer. Where nothing fits, the smallest size and the least effort.
    A worker needs to finish no more than `most` candidates: fewer than usual are trained for longer.
    """
    limit = _limit(seconds)
    size, *larger = costs or {SIZES[-1]: ()}
    size = next((other for other in reversed(larger) if affords(costs[other], images, validated, limit, most)), size)
    efforts = [Fidelity(epochs, size[0], size[1], samples) for samples, epochs in (*EFFORTS, *(LONGER if math.isfinite(most) else ()))]
    taken = [[cost.of(effort, images, validated) for cost in costs.get(size, ())] for effort in efforts]
    counts = [min(most, wanted(limit, images * effort.samples * effort.epochs)) for effort in efforts]
    fitting = [index for index, each in enumerate(taken) if each and _fits(each, counts[index], limit)]
    best = max(fitting, default=0)
    mean = sum(taken[best]) / len(taken[best]) if taken[best] else math.inf
    count = int(max(limit, 0.0) / mean / SLOWER)
    return Plan(efforts[best], mean * SLOWER, count, bool(fitting))


def _limit(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else WITHOUT_LIMIT


def _fits(costs: Sequence[float], count: float, seconds: float) -> bool:
    """Whether there is time for `count` average candidates, and for the least number of the worst."""
    mean, worst = sum(costs) / len(costs), max(costs)
    return count * mean * SLOWER <= seconds and min(count, LEAST) * worst * SLOWER <= seconds
