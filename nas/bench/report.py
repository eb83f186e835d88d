"""What many runs say together: mean, spread and regret by evaluations and by simulated seconds, and whether it differs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.bench.run import Run
from nas.bench.significance import holm, wilcoxon

POINTS = 10  # marks in simulated seconds
Values = dict[float, list[float]]  # by mark, a value a seed


@dataclass(frozen=True)
class Curve:
    """By mark: the mean and standard deviation over seeds of the worth of the best so far, and how far the mean is from
    the optimum; against the first strategy the difference of the means, and `p`, two-sided, corrected for the number of
    strategies.

    A mark that not every run came to, or before the first success of one, is left out.
    """

    mean: dict[float, float]
    std: dict[float, float]
    regret: dict[float, float]
    difference: dict[float, float] = field(default_factory=dict)
    p: dict[float, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Plain data; marks as texts."""
        return {name: {f"{mark:.10g}": value for mark, value in part.items()} for name, part in vars(self).items()}


@dataclass(frozen=True)
class Result:
    """One strategy over all seeds. `end` has one mark, the mean number of evaluations; `cost` is CPU seconds an ask and tell."""

    strategy: str
    evaluations: Curve
    seconds: Curve
    end: Curve
    cost: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data; mean and std are by evaluations."""
        (reached,) = self.end.mean or {math.nan: 0}
        end = {name: next(iter(part.values()), None) for name, part in self.end.to_dict().items()}
        return {
            "strategy": self.strategy,
            **self.evaluations.to_dict(),
            "end": {"evaluations": None if math.isnan(reached) else reached, **end},
            "by_seconds": self.seconds.to_dict(),
            "seconds": self.cost,
        }


@dataclass(frozen=True)
class Report:
    """A benchmark: its settings, a result a strategy in the given order, and every run."""

    settings: dict[str, Any]
    results: tuple[Result, ...]
    runs: tuple[Run, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `nas bench --json` prints it."""
        return {"settings": self.settings, "results": [result.to_dict() for result in self.results]}

    def finer(self, points: int) -> Report:
        """The same runs at so many marks, evenly over evaluations and over seconds: for a figure."""
        last = max((mark for result in self.results for mark in result.evaluations.mean), default=0.0)
        marks = sorted({float(math.ceil(last * (i + 1) / points)) for i in range(points)})
        names = [result.strategy for result in self.results]
        return summarise(self.runs, names, marks, self.settings["seconds"] or math.inf, self.settings, points)


def summarise(
    runs: Sequence[Run], names: Sequence[str], marks: Sequence[float], seconds: float, settings: dict[str, Any], points: int = POINTS
) -> Report:
    """The report of all runs. seconds: the budget of each, of which `points` equal parts end at a mark in simulated
    seconds; where it is infinite, what every run came to.
    """
    groups = [[run for run in runs if run.strategy == name] for name in names]
    best = _best(runs)
    limit = seconds if math.isfinite(seconds) else min((run.seconds for run in runs), default=0.0)
    times = [limit * (i + 1) / points for i in range(points)]
    by_evaluations = [_values(group, marks, _after) for group in groups]
    by_seconds = [_values(group, times, Run.at) for group in groups]
    at_end = [_at_end(group) for group in groups]
    optima = [[best[run.seed] for run in group] for group in groups]
    curves = [_curves(values, optima) for values in (by_evaluations, by_seconds)]
    ends = _ends(at_end, optima)
    costs = [sum(run.cost for run in group) / max(1, sum(run.asks for run in group)) for group in groups]
    results = tuple(Result(*parts) for parts in zip(names, *curves, ends, costs, strict=True))
    known = all(run.optimum is not None for run in runs)
    return Report({**settings, "optimum": "known" if known else "best of all runs"}, results, tuple(runs))


def _after(run: Run, mark: float) -> float:
    return run.after(mark) if run.evaluations >= mark - 1e-6 else math.nan


def _best(runs: Sequence[Run]) -> dict[int, float]:
    """By seed the optimum, or where it is not known the best that any run came to."""
    best: dict[int, float] = {}
    for run in runs:
        reached = max((step[2] for step in run.steps), default=-math.inf)
        best[run.seed] = max(best.get(run.seed, -math.inf), reached if run.optimum is None else run.optimum)
    return best


def _values(group: Sequence[Run], marks: Sequence[float], at: Callable[[Run, float], float]) -> Values:
    found = {mark: [at(run, mark) for run in group] for mark in marks}
    return {mark: values for mark, values in found.items() if values and not any(map(math.isnan, values))}


def _at_end(group: Sequence[Run]) -> Values:
    values = [run.steps[-1][2] if run.steps else math.nan for run in group]
    count = statistics.fmean(run.evaluations for run in group) if group else 0.0
    return {} if any(map(math.isnan, values)) else {count: values}


def _curves(values: Sequence[Values], optima: Sequence[Sequence[float]]) -> list[Curve]:
    """Curves of all strategies, each mark tested against the first strategy that there is one."""
    p: list[dict[float, float]] = [{} for _ in values]
    for mark in values[0] if values else ():
        others = [index for index in range(1, len(values)) if mark in values[index]]
        corrected = holm([wilcoxon(values[0][mark], values[index][mark]) for index in others])
        for index, value in zip(others, corrected, strict=True):
            p[index][mark] = value
    return [_curve(own, values[0], best, each) for own, best, each in zip(values, optima, p, strict=True)]


def _ends(values: Sequence[Values], optima: Sequence[Sequence[float]]) -> list[Curve]:
    """The same at the end of the runs, whose number of evaluations may differ."""
    curves = _curves([{0.0: next(iter(each.values()))} if each else {} for each in values], optima)
    counts = [next(iter(each), math.nan) for each in values]
    moved = [[{count: part[0.0]} if part else {} for part in vars(curve).values()] for count, curve in zip(counts, curves, strict=True)]
    return [Curve(*parts) for parts in moved]


def _curve(values: Values, first: Values, optima: Sequence[float], p: dict[float, float]) -> Curve:
    mean = {mark: statistics.fmean(each) for mark, each in values.items()}
    std = {mark: statistics.stdev(each) if len(each) > 1 else 0.0 for mark, each in values.items()}
    best = statistics.fmean(optima) if optima else math.nan
    regret = {mark: max(0.0, best - value) for mark, value in mean.items()}
    difference = {mark: mean[mark] - statistics.fmean(first[mark]) for mark in p}
    return Curve(mean, std, regret, difference, p)
