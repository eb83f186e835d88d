"""The size that comes nearest to a target."""

from __future__ import annotations

from collections.abc import Callable

from nas.errors import NasError
from nas.units import format_count

# How near to a target counts as met.
TOLERANCE = 0.03
Pair = tuple[int, int]


def nearest(amount: Callable[[int], int], target: float, most: int, name: str) -> tuple[Pair, ...]:
    """The whole numbers on both sides of where the growing `amount` reaches `target`, each with its amount, the nearer first.

    One alone where it is the smallest. Numbers are 1 to `most`; `amount` raises `NasError` for those at its beginning or its
    end that are no size. Raises `NasError`, which calls the target `name`, where no size has so much.
    """
    below = _least(amount, most)
    if below[1] >= target:
        return (below,)
    above = below
    while above[1] < target:
        below = above
        above = (2 * below[0], _grown(amount, 2 * below[0], below, target, name))
    while above[0] - below[0] > 1:
        number = (below[0] + above[0]) // 2
        middle = (number, amount(number))
        below, above = (middle, above) if middle[1] < target else (below, middle)
    return tuple(sorted((below, above), key=lambda pair: abs(pair[1] - target)))


def _least(amount: Callable[[int], int], most: int) -> Pair:
    """The smallest number that is a size. Raises what `amount` does where none is: an operation may want some channels."""
    bad, number = 0, 1
    while True:
        try:
            good = (number, amount(number))
            break
        except NasError:
            if 2 * number > most:
                raise
            bad, number = number, 2 * number
    while good[0] - bad > 1:
        number = (bad + good[0]) // 2
        try:
            good = (number, amount(number))
        except NasError:
            bad = number
    return good


def _grown(amount: Callable[[int], int], number: int, last: Pair, target: float, name: str) -> int:
    """The amount at a number; where that is larger than the language allows, the target is out of reach."""
    try:
        return amount(number)
    except NasError:
        what = f"{name}={format_count(target)} is beyond every width that is allowed"
        raise NasError(f"{what}; allowed: up to some {format_count(last[1])}") from None
