"""What a second on a GPU counts by its kind: `H100=2.5,A100=1,T4=0.3`. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from nas.errors import NasError

ALLOWED = "NAME=NUMBER joined by commas, such as H100=2.5,A100=1,T4=0.3"
MOST = 1000.0  # and its inverse the least: beyond is a slip


@dataclass(frozen=True)
class Weights:
    """Weights by the names of kinds. What is in no table counts 1."""

    table: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str, where: str = "gpu_weights") -> Weights:
        """From `H100=2.5,A100=1`; empty for none. Raises `NasError`, naming the part that is wrong."""
        if not isinstance(text, str):
            raise NasError(f"{where}={text!r:.60}; allowed: {ALLOWED}")
        found: dict[str, tuple[str, float]] = {}
        for part in filter(None, map(str.strip, text.split(","))):
            name, equals, number = (piece.strip() for piece in part.rpartition("="))
            if not equals or not _words(name):
                raise NasError(f"{where}: {part!r:.60}; allowed: {ALLOWED}")
            if _words(name) in found:
                raise NasError(f"{where}: {name!r:.40} is there twice; allowed: each kind once")
            found[_words(name)] = (name, _number(number, f"{where}: {part!r:.60}"))
        if text.strip() and not found:
            raise NasError(f"{where}={text!r:.60}; allowed: {ALLOWED}")
        return cls(tuple(found.values()))

    def of(self, kind: str) -> float | None:
        """The weight of a device that torch or Ray calls so, such as `NVIDIA H100 80GB HBM3`; None where the table has none for it.

        A name fits where its words stand in that of the device, in any case; of several that fit the longest counts.
        """
        there = f" {_words(kind)} "
        fitting = [(len(_words(name)), weight) for name, weight in self.table if f" {_words(name)} " in there]
        return max(fitting)[1] if fitting else None

    def names(self) -> str:
        """For a person."""
        return ", ".join(name for name, _ in self.table)

    def __str__(self) -> str:
        """As `parse` reads it."""
        return ",".join(f"{name}={weight:.10g}" for name, weight in self.table)

    def __bool__(self) -> bool:
        return bool(self.table)


def _words(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _number(text: str, place: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 1 / MOST <= number <= MOST:
        raise NasError(f"{place}; allowed: a number from {1 / MOST:g} to {MOST:g} after the =")
    return number
