"""How closely an evaluation looks, and what is shrunk where it is to look less closely: the ladder of a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from nas.errors import NasError, unknown

LEAST_SAMPLES = 0.1  # where something follows that can take the rest
FRACTIONS = ("width", "depth", "samples", "resolution")
_SELDOM = {"test": False, "resolution": 1.0}  # not in the record where they are so


@dataclass(frozen=True)
class Fidelity:
    """How closely an evaluation looks: epochs, and the fractions of width, depth, training samples and image sides.

    resolution: of the rows and columns that an image has in full; test: whether it is also to measure `test_accuracy`
    on the test images, which no search may see.
    """

    epochs: int = 1
    width: float = 1.0
    depth: float = 1.0
    samples: float = 1.0
    test: bool = False
    resolution: float = 1.0

    def __post_init__(self) -> None:
        if not _is(self.epochs, int) or self.epochs < 1:
            raise NasError(f"fidelity.epochs={self.epochs!r}; allowed: a whole number from 1")
        for name in FRACTIONS:
            value = getattr(self, name)
            if not _is(value, int, float) or not 0 < value <= 1:
                raise NasError(f"fidelity.{name}={value!r}; allowed: a fraction in (0, 1]")
        if not isinstance(self.test, bool):
            raise NasError(f"fidelity.test={self.test!r}; allowed: true or false")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the record."""
        return {name: value for name, value in asdict(self).items() if _SELDOM.get(name) != value}

    def part(self, fraction: float, ladder: Sequence[str] = ()) -> Fidelity:
        """The fidelity whose cost is about a `fraction` of this one's: what the ladder names is shrunk, one after another.

        Each as far as it goes, the next by what is left (see `STEPS`); without a ladder epochs, then samples. A fraction
        of 1 is this fidelity itself.
        """
        if fraction == 1.0:
            return self
        made, left = self, fraction
        names = tuple(ladder) or DEFAULT
        for name in names:
            made, left = STEPS[name].shrink(made, left, name == names[-1])
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fidelity:
        """The inverse of `to_dict`. Raises `NasError` on an unknown key or a value that is not allowed."""
        known = [item.name for item in fields(cls)]
        for key in data:
            if key not in known:
                raise NasError(f"fidelity.{key} is unknown; allowed: {', '.join(known)}")
        return cls(**data)


@dataclass(frozen=True)
class Step:
    """One thing that a ladder may shrink: `shrink(fidelity, fraction, last)` gives the smaller one and the fraction left.

    `last`: nothing follows that could take what is left.
    """

    shrink: Callable[[Fidelity, float, bool], tuple[Fidelity, float]]
    about: str


def _epochs(fidelity: Fidelity, fraction: float, last: bool) -> tuple[Fidelity, float]:
    """Rounded, and at least one; what a single epoch is too long or too short by is left to what follows."""
    wished = fidelity.epochs * fraction
    epochs = max(1, round(wished))
    return replace(fidelity, epochs=epochs), wished / epochs if epochs == 1 else 1.0


def _samples(fidelity: Fidelity, fraction: float, last: bool) -> tuple[Fidelity, float]:
    """More than all where a single epoch was too short, as far as there are more."""
    factor = fraction if last else max(fraction, LEAST_SAMPLES)
    return replace(fidelity, samples=min(1.0, fidelity.samples * factor)), fraction / factor


def _scaled(name: str, power: float, least: float) -> Callable[[Fidelity, float, bool], tuple[Fidelity, float]]:
    """Of what costs go with the `power`-th power of; not below `least` where something follows that can take the rest."""

    def shrink(fidelity: Fidelity, fraction: float, last: bool) -> tuple[Fidelity, float]:
        wished = min(1.0, fraction ** (1 / power))
        factor = wished if last else max(wished, least)
        return replace(fidelity, **{name: getattr(fidelity, name) * factor}), min(1.0, fraction / factor**power)

    return shrink


STEPS: dict[str, Step] = {
    "epochs": Step(_epochs, "epochs, rounded and at least one"),
    "samples": Step(_samples, "training images"),
    "resolution": Step(_scaled("resolution", 2, 0.5), "rows and columns of the images, by the square root"),
    "cells": Step(_scaled("depth", 1, 0.25), "repeats of blocks and cells"),
    "channels": Step(_scaled("width", 2, 0.5), "channels, by the square root"),
}
DEFAULT = ("epochs", "samples")


def parse_ladder(text: str | Iterable[str] | None) -> tuple[str, ...]:
    """`epochs,resolution` as its names; nothing for the default. Raises `NasError` for what cannot be shrunk, or twice."""
    parts = text.split(",") if isinstance(text, str) else list(text or ())
    names = tuple(str(part).strip() for part in parts)
    if text is not None and not any(names):
        raise NasError(f"ladder={text!r:.60} names nothing; allowed: {', '.join(STEPS)}")
    for name in names:
        if name not in STEPS:
            raise unknown("ladder", name, STEPS)
    if len(set(names)) < len(names):
        raise NasError(f"ladder={','.join(names)}; allowed: each of its steps once")
    return names


def check_rungs(full: Fidelity, fractions: Sequence[float], ladder: Sequence[str]) -> None:
    """Raise `NasError` where two rungs of a ladder, the lowest first, would be one fidelity: nothing is gained between them."""
    made = [full.part(fraction, ladder) for fraction in fractions]
    for below, above, low, high in zip(fractions, fractions[1:], made, made[1:], strict=False):
        if low == high:
            both = f"{_part(below)} and {_part(above)} of the fidelity are both {low.epochs} epoch{'s' if low.epochs > 1 else ''}"
            allowed = "another step after it, such as epochs,samples" if tuple(ladder) == ("epochs",) else "more epochs, or other steps"
            raise NasError(f"ladder={','.join(ladder)}: {both}; allowed: {allowed}")


def _part(fraction: float) -> str:
    near = round(1 / fraction)
    return f"1/{near}" if near > 1 and math.isclose(near * fraction, 1.0) else f"{fraction:g}"


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)
