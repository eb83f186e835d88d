"""Limits on what a candidate may cost, known before it is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas import measures
from nas.errors import ArchitectureError, NasError, SpaceError
from nas.latency import Setting
from nas.memory import Memory
from nas.units import format_count, parse_count

if TYPE_CHECKING:
    from nas.arch import Architecture

REMEMBERED = 100_000  # candidates


@dataclass(frozen=True)
class Limit:
    """A bound on a measure: at most `bound`, or at least. What is timed is measured under `setting`."""

    measure: str
    bound: float
    least: bool = False
    setting: Setting | None = None

    @property
    def timed(self) -> bool:
        """Whether the measure depends on the machine."""
        return measures.MEASURES.get(self.measure).timed

    def excess(self, value: float) -> float:
        """How far `value` is beyond the bound, as a fraction of it; 0 within."""
        beyond = self.bound - value if self.least else value - self.bound
        return max(0.0, beyond) / max(abs(self.bound), 1e-12)

    def __str__(self) -> str:
        return f"{self.measure} {'>=' if self.least else '<='} {format_count(self.bound)}"


def read(data: Any) -> tuple[Limit, ...]:
    """Limits as YAML holds them: `{params: 5M, macs: {min: 100M, max: 600M}, latency_ms: {max: 20, setting: batch=8}}`.

    Raises `SpaceError` that names the measure, the value and what is allowed.
    """
    if not isinstance(data, Mapping):
        raise SpaceError(f"limits={data!r}; allowed: measures with their bounds, such as {{params: 5M}}")
    limits: list[Limit] = []
    for name, bounds in data.items():
        try:
            name = measures.find(name, where="limits")
        except NasError as error:
            raise SpaceError(str(error)) from None
        bounds = dict(bounds) if isinstance(bounds, Mapping) else {"max": bounds}
        setting = _setting(bounds.pop("setting", None), name)
        extra = set(bounds) - {"min", "max"}
        if extra or not bounds:
            raise SpaceError(f"limits.{name}={dict(bounds)!r}; allowed: a number, or {{min: NUMBER, max: NUMBER}}")
        found = {kind: _number(bound, f"limits.{name}.{kind}") for kind, bound in bounds.items()}
        for kind, value in found.items():
            if value <= 0 and not measures.MEASURES.get(name).larger:
                raise SpaceError(f"limits.{name}.{kind}={bounds[kind]!r}; allowed: a number above 0")
        if found.get("min", -math.inf) > found.get("max", math.inf):
            raise SpaceError(f"limits.{name}: min {found['min']:g} is above max {found['max']:g}; allowed: min <= max")
        limits += [Limit(name, bound, kind == "min", setting) for kind, bound in found.items()]
    return tuple(limits)


def write(limits: Iterable[Limit]) -> dict[str, dict[str, float | str]]:
    """The inverse of `read`."""
    made: dict[str, dict[str, float | str]] = {}
    for limit in limits:
        bounds = made.setdefault(limit.measure, {})
        bounds["min" if limit.least else "max"] = limit.bound
        if limit.setting is not None:
            bounds["setting"] = str(limit.setting)
    return made


def _setting(given: Any, name: str) -> Setting | None:
    if given is None:
        return None
    if not measures.MEASURES.get(name).timed or not isinstance(given, str):
        raise SpaceError(f"limits.{name}.setting={given!r}; allowed: of what is timed only, a text such as {Setting()}")
    try:
        return Setting.parse(given)
    except NasError as error:
        raise SpaceError(f"limits.{name}.setting: {error}") from None


def _number(value: Any, where: str) -> float:
    if isinstance(value, str):
        try:
            value = parse_count(value, where=where)
        except NasError as error:
            raise SpaceError(str(error)) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SpaceError(f"{where}={value!r}; allowed: a number, such as 5M")
    return float(value)


class Judge:
    """Values of the limited measures of architectures, each measured once: a latency must not change between two asks."""

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self.limits = limits
        self._cheap = [limit for limit in limits if measures.MEASURES.get(limit.measure).cheap]
        self._costly = [limit for limit in limits if limit not in self._cheap]
        self._known: Memory[Any, float] = Memory(REMEMBERED)
        self._timed: Memory[tuple[str, Setting, str], float] = Memory(REMEMBERED)  # other decisions may lead to the same network

    def excess(self, key: Any, build: Callable[[], Architecture]) -> float:
        """How far the architecture that `build` makes is beyond the limits, summed; infinite if its shapes do not fit."""
        return self._known.get(key, lambda: self._measured(build))

    def _measured(self, build: Callable[[], Architecture]) -> float:
        try:
            architecture = build()
            if not self.limits:
                architecture.cost()  # whether it fits is all that is asked
            # What takes long is measured only of what is within the other limits; until then it counts as its whole bound.
            total = sum(limit.excess(self.value(limit, architecture)) for limit in self._cheap)
            if total > 0.0:
                return total + len(self._costly)
            return sum(limit.excess(self.value(limit, architecture)) for limit in self._costly)
        except (ArchitectureError, SpaceError):
            return math.inf

    def value(self, limit: Limit, architecture: Architecture) -> float:
        """What the architecture has of the limited measure; timed briefly, and once a network."""
        if not limit.timed:
            return measures.measure(architecture, limit.measure)
        probe = measures.Probe(setting=limit.setting or Setting())
        key = (limit.measure, probe.setting, architecture.digest)
        return self._timed.get(key, lambda: measures.measure(architecture, limit.measure, probe))

    def nearest(self, architecture: Architecture) -> str:
        """The limits that an architecture breaks, with its values. Raises `ArchitectureError` where its shapes do not fit."""
        architecture.cost()
        found = [(limit, self.value(limit, architecture)) for limit in self.limits]
        return ", ".join(f"{limit.measure} {format_count(value)} where {limit} is asked" for limit, value in found if limit.excess(value))
