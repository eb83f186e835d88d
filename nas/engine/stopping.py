"""Which level a candidate's curve must reach to be let go on: a quantile of those before it, at the same epoch and fidelity."""

from __future__ import annotations

import bisect
import math
import random
from collections import defaultdict

from nas.errors import NasError
from nas.evaluators import Bar
from nas.evaluators.curve import Curve, best
from nas.objectives import Objective

MEDIAN = 0.5
LEAST = 5  # curves at an epoch before anything is judged by them
SPARED = 0.05  # of the candidates are let finish, whatever their curves
GRACE = 0.25  # of the epochs are no ground to stop anything: curves still cross


class Stopping:
    """The bars of one run, from the curves of its finished trials, in the order in which they finished.

    The rule is the median rule of Vizier (Golovin et al., KDD 2017, section 3.2.2) with three changes: any quantile in place
    of the median; the best value so far in place of the running average, so that trainings that were gone on with count
    like others; and the curve of a stopped trial is taken to stay where it was, or the bar would rise with every trial
    that it stopped. Values are compared at equal epochs of equal fractions of the fidelity only: a schedule of 9 epochs is
    elsewhere after 3 than one of 3. With a quantile of 0 nothing is stopped.
    """

    def __init__(self, objective: Objective, quantile: float, seed: int) -> None:
        """seed: of the run; with a trial's number it says which ones are let finish."""
        self.objective, self.quantile, self.seed = objective, quantile, seed
        self._values: dict[float, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))  # sorted; by fraction, epoch
        self._stopped: dict[float, list[tuple[float, float]]] = defaultdict(list)  # (last epoch, best value), by fraction

    def learn(self, fraction: float, curve: Curve, stopped: bool) -> None:
        """Take in the curve of a finished trial that is complete."""
        if not self.quantile or not curve:
            return
        values = self._values[fraction]
        for index, (epoch, _, _) in enumerate(curve):
            if epoch not in values:  # those that were stopped before it
                values[epoch] = sorted(value for last, value in self._stopped[fraction] if last < epoch)
            bisect.insort(values[epoch], best(curve[: index + 1], self.objective))
        if stopped:
            reached = (curve[-1][0], best(curve, self.objective))
            self._stopped[fraction].append(reached)
            for epoch in values:
                if epoch > reached[0]:
                    bisect.insort(values[epoch], reached[1])

    def bar(self, number: int, fraction: float, epochs: int) -> Bar:
        """What trial `number` is held against, which trains for `epochs` at that fraction."""
        values = self._values.get(fraction, {}) if self.quantile else {}
        asked = {
            epoch: level(found, self.quantile)
            for epoch, found in values.items()
            if GRACE * epochs < epoch < epochs and len(found) >= LEAST
        }  # fmt: skip
        return Bar(self.objective, asked, spared(self.seed, number))


def level(values: list[float], quantile: float) -> float:
    """The value below which a fraction `quantile` of the sorted values lies at most: one of them, or the mean of two."""
    place = quantile * len(values)
    low = values[max(0, math.ceil(place) - 1)]
    high = values[min(len(values) - 1, math.floor(place))]
    return (low + high) / 2


def spared(seed: int, number: int) -> bool:
    """Whether a trial is one of those that are let finish: by its own number, the same after every restart."""
    return random.Random(f"{seed}:{number}:spared").random() < SPARED


def check(value: object, goals: int) -> float:
    """The quantile of a rule: `median`, True, or a number in (0, 1); 0 without one. Raises `NasError`."""
    if value is None or value is False:
        return 0.0
    text = MEDIAN if value is True or value == "median" else value
    try:
        number = float(str(text))
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        raise NasError(f"stop_early={value!r:.40}; allowed: median, or a quantile above 0 and below 1, such as 0.25")
    if goals > 1:
        raise NasError(f"stop_early={value!r:.40} with {goals} objectives: a curve is of one; allowed: one objective")
    return number
