"""Paired tests over seeds, and their correction for how many are made."""

from __future__ import annotations

import math
from collections.abc import Sequence

EXACT = 60  # differences up to which every sign pattern is counted


def wilcoxon(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test of paired values; 1 where none differ.

    Pairs that are equal are left out (Wilcoxon 1945); equal differences share their mean rank. Up to 60 differences the
    distribution is exact, given the ranks; beyond, the normal approximation with the variance of those ranks.
    """
    differences = [x - y for x, y in zip(a, b, strict=True) if x != y]
    if not differences:
        return 1.0
    ranks = _doubled_ranks([abs(each) for each in differences])
    plus = sum(rank for rank, each in zip(ranks, differences, strict=True) if each > 0)
    if len(ranks) <= EXACT:
        return _exact(ranks, plus)
    deviation = math.sqrt(sum(rank * rank for rank in ranks)) / 2  # each rank is added or not, at even odds
    return math.erfc(abs(plus - sum(ranks) / 2) / deviation / math.sqrt(2))


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the rank of each size, so that means of ranks are whole numbers. Sizes equal to 9 digits tie."""
    rounded = [float(f"{size:.9g}") for size in sizes]
    order = sorted(range(len(sizes)), key=rounded.__getitem__)
    ranks = [0] * len(sizes)
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and rounded[order[last + 1]] == rounded[order[first]]:
            last += 1
        for index in order[first : last + 1]:
            ranks[index] = first + last + 2
        first = last + 1
    return ranks


def _exact(ranks: Sequence[int], plus: int) -> float:
    """Probability of a sum of positive ranks at least as far from the middle, when every sign is a fair coin."""
    ways = [1]
    for rank in ranks:
        longer = ways + [0] * rank
        for index, count in enumerate(ways):
            longer[index + rank] += count
        ways = longer
    far = abs(2 * plus - sum(ranks))
    return sum(count for index, count in enumerate(ways) if abs(2 * index - sum(ranks)) >= far) / (1 << len(ranks))


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the given order (Holm 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, largest = [0.0] * len(values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - place) * values[index]))
        corrected[index] = largest
    return corrected
