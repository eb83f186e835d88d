"""The size that comes nearest to a target."""

from __future__ import annotations

from collections.abc import Callable

from nas.errors import NasError
from nas.units import format_count

# How near to a target counts as met.
TOLERANCE = 0.03
Pair = tuple[int, int]


def nearest(amount: Callable[[int], int], target: float, start: int, name: str) -> tuple[Pair, ...]:
    """The whole numbers on both sides of where the growing `amount` reaches `target`, each with its amount, the nearer first.

    One alone where it is the smallest or meets the target to the digit. `start` is where to begin to look. Raises
    `NasError`, which calls the target `name`, where no size that is allowed has so much.
    """
    low, high = 1, max(1, start)
    least = (low, amount(low))
    if least[1] >= target:
        return (least,)
    while (most := _amount(amount, high, least, target, name)) < target:
        low, least, high = high, (high, most), 2 * high
    found = (high, most)
    while found[0] - least[0] > 1:
        middle = (least[0] + found[0]) // 2
        value = (middle, amount(middle))
        least, found = (value, found) if value[1] < target else (least, value)
    return tuple(sorted((least, found), key=lambda pair: abs(pair[1] - target)))


def _amount(amount: Callable[[int], int], number: int, last: Pair, target: float, name: str) -> int:
    """The amount at a number; where that is larger than the language allows, the target is out of reach."""
    try:
        return amount(number)
    except NasError:
        what = f"{name}={format_count(target)} is beyond every width that is allowed"
        raise NasError(f"{what}; allowed: up to some {format_count(last[1])}") from None
