"""Means over seeds and how sure they are: Student's t-intervals, by arithmetic alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import fmean, variance

LEVEL = 0.95
Interval = tuple[float, float]
_PANELS = 400  # of Simpson's rule; an error below 1e-9


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The interval that holds the mean of all seeds with probability `level`; None for fewer than two values.

    mean +- t(level, n - 1) * s / sqrt(n), for values that are about normally distributed.
    """
    if len(values) < 2:
        return None
    half = t_quantile(level, len(values) - 1) * math.sqrt(variance(values) / len(values))
    return fmean(values) - half, fmean(values) + half


def difference(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> tuple[float, Interval | None]:
    """mean(first) - mean(second) with its interval (Welch, Biometrika 1947: unequal variances, unpaired).

    The interval is None when either has fewer than two values.
    """
    made = fmean(first) - fmean(second)
    if len(first) < 2 or len(second) < 2:
        return made, None
    a, b = variance(first) / len(first), variance(second) / len(second)
    if a + b == 0.0:
        return made, (made, made)
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))  # Welch and Satterthwaite
    half = t_quantile(level, freedom) * math.sqrt(a + b)
    return made, (made - half, made + half)


@functools.lru_cache(maxsize=256)
def t_quantile(level: float, freedom: float) -> float:
    """The t with P(|T| <= t) = `level` for Student's T with `freedom` >= 1 degrees: 12.706 at 0.95 and 1, 4.303 at 2."""
    low, high = 0.0, 1.0
    while _within(high, freedom) < level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: float) -> float:
    """P(|T| <= t): with t = sqrt(freedom) tan(angle) the density is a power of the cosine."""
    end = math.atan(t / math.sqrt(freedom))
    step = end / _PANELS
    weights = (1.0 if i in (0, _PANELS) else 4.0 if i % 2 else 2.0 for i in range(_PANELS + 1))
    area = math.fsum(weight * math.cos(i * step) ** (freedom - 1) for i, weight in enumerate(weights)) * step / 3
    return 2 * area * math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
