"""What is known of candidates before they are trained: limits on a space from the quantiles of a proxy, and features."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from nas import measures
from nas.errors import ArchitectureError, NasError
from nas.memory import Memory
from nas.strategies.base import Key, key
from nas.units import format_seconds

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.spaces import Decisions, Option, Space

DRAWN = 64  # random candidates whose quantile a filter is
REMEMBERED = 100_000


def parse_filter(text: str) -> dict[str, float]:
    """`naswot:0.5` (several joined by commas) as proxies to quantiles in (0, 1). Raises `NasError`."""
    found = {}
    for item in str(text).split(","):
        name, _, quantile = item.strip().partition(":")
        (proxy,) = measures.find_proxies([name], where="filter")
        try:
            value = float(quantile)
        except ValueError:
            value = math.nan
        if not 0.0 < value < 1.0:
            raise NasError(f"filter={item.strip()!r}; allowed: PROXY:QUANTILE, the quantile between 0 and 1, such as {proxy}:0.5")
        if proxy in found:
            raise NasError(f"filter={text!r} names {proxy} twice; allowed: each proxy once")
        found[proxy] = value
    return found


def screened(space: Space, filters: Mapping[str, float], seed: int, note: Callable[[str], None]) -> Space:
    """The space with, for each proxy, its quantile over random candidates of the space as a lower limit.

    Drawn from `seed`, and a limit like any other from then on: written down with the space, so that a search that is resumed
    has the same. Raises `NasError` where no candidate can be measured.
    """
    for proxy, quantile in filters.items():
        begun = time.monotonic()
        values = sorted(_values(space, proxy, seed))
        own = [limit.bound for limit in space.limits if limit.measure == proxy and limit.least]
        least = max([values[int(quantile * len(values))], *own])
        space = space.within({proxy: {"min": least}})
        took = format_seconds(time.monotonic() - begun)
        note(f"filter: {proxy} >= {least:.6g}, quantile {quantile:g} of {len(values)} random candidates ({took})")
    return space


def _values(space: Space, proxy: str, seed: int) -> list[float]:
    rng, known, error = random.Random(f"{seed}:filter"), dict[str, float | None](), None
    values = []
    for _ in range(DRAWN):
        candidate = space.decode(space.sample(rng))
        if candidate.digest not in known:
            try:
                known[candidate.digest] = measures.measure(candidate, proxy)
            except ArchitectureError as misfit:  # it would be a failed trial
                known[candidate.digest], error = None, misfit
        if (value := known[candidate.digest]) is not None:
            values.append(value)
    if not values:
        raise NasError(f"filter: no candidate of space {space.name!r} can be measured, such as: {error}")
    return values


class Features:
    """Measures of candidates as a tuple of floats in the order of `names`, for strategies that learn to predict.

    A number that cannot be worked out is 0.0, as is every number of a candidate whose shapes do not fit. What was worked
    out is kept: a strategy asks for the same candidates again and again.
    """

    def __init__(self, space: Space, names: Iterable[str]) -> None:
        self.names = measures.find_proxies(names, where="features")
        self._space = space
        self._known: Memory[Key, tuple[float, ...]] = Memory(REMEMBERED)

    def __call__(self, decisions: Decisions) -> tuple[float, ...]:
        """The features of the candidate that these decisions lead to."""
        return self._known.get(key(decisions), lambda: self._measured(decisions))

    def _measured(self, decisions: Mapping[str, Option]) -> tuple[float, ...]:
        try:
            candidate = self._space.decode(decisions)
        except NasError:
            return (0.0,) * len(self.names)
        return tuple(_or_zero(candidate, name) for name in self.names)


def features(space: Space, names: Iterable[str]) -> Features | None:
    """The features of these names, or None where there are none. Raises `UnknownNameError`."""
    wanted = list(names)
    return Features(space, wanted) if wanted else None


def _or_zero(candidate: Architecture, name: str) -> float:
    try:
        return measures.measure(candidate, name)
    except NasError:
        return 0.0


