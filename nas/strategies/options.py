"""Typed options of a strategy: a frozen dataclass whose fields know their bounds."""

from __future__ import annotations

import math
from dataclasses import Field, field, fields
from typing import Any, TypeVar, get_type_hints

from nas.errors import NasError

T = TypeVar("T")


def option(default: float, low: float, high: float, about: str) -> Any:
    """A dataclass field with a default, inclusive bounds, and a line that says what it is."""
    return field(default=default, metadata={"low": low, "high": high, "about": about})


MOST = 2**31 - 1  # of what is counted: no search has more of anything, and lists of that length can be stated


def build(kind: type[T], given: dict[str, object], *, where: str) -> T:
    """An options object of dataclass `kind` from keyword arguments.

    Raises `NasError` naming `where`, the option, its value and what is allowed.
    """
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise NasError(f"{where}: unknown option {name!r}; allowed: {', '.join(sorted(known)) or 'none'}")
    types = get_type_hints(kind)
    return kind(**{name: _checked(known[name], types[name], value, where) for name, value in given.items()})


def _checked(known: Field[Any], kind: type, value: object, where: str) -> float:
    low, high = known.metadata["low"], known.metadata["high"]
    accepted = int if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted) or not low <= value <= high or (kind is int and value > MOST):
        noun = "a whole number" if kind is int else "a number"
        bound = f">= {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        bound += f", and at most {MOST}" if isinstance(value, int) and value > MOST else ""
        raise NasError(f"{where}: {known.name}={value!r:.40}; allowed: {noun} {bound}")
    return kind(value)  # type: ignore[no-any-return]
