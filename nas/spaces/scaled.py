"""The word `scale` of a space: what its decisions lead to, made deeper, wider and higher in resolution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas.arch import Architecture
from nas.errors import NasError, SpaceError
from nas.ops import Frozen
from nas.ops.base import frozen, require_range
from nas.scale import Coefficients, compound
from nas.spaces.choosers import Chooser, Decisions, Once, Option
from nas.spaces.template import Open

FIELDS = Coefficients._fields


@frozen
class Scale(Frozen):
    """Factors on repeats, on widths, and on the side of the image; in YAML also a list of the three."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def check(self) -> None:
        for name in FIELDS:
            require_range(getattr(self, name), name, 0.01, 100.0)

    @staticmethod
    def from_short(data: Any) -> Any:
        """`[1.2, 1.1, 1.15]` as a mapping."""
        return dict(zip(FIELDS, data, strict=True)) if isinstance(data, list) and len(data) == len(FIELDS) else data

    @property
    def coefficients(self) -> Coefficients:
        """As `nas.scale` takes them."""
        return Coefficients(self.depth, self.width, self.resolution)


class Scaled(Open):
    """What `base` becomes, by `scale`; either of them is open, or both."""

    def __init__(self, base: Open | Architecture, scale: Open | Scale) -> None:
        self.base, self.scale = base, scale

    def resolve(self, chooser: Chooser) -> Architecture:
        """Raises `ArchitectureError` where the network becomes larger than is allowed."""
        base = resolved(self.base, chooser)
        return compound(base, self.coefficients(chooser))

    def coefficients(self, chooser: Chooser) -> Coefficients:
        """Those that the decisions lead to."""
        made = resolved(self.scale, chooser)
        assert isinstance(made, Scale)
        return made.coefficients

    def children(self) -> Iterator[Open]:
        return (part for part in (self.base, self.scale) if isinstance(part, Open))


def resolved(part: Any, chooser: Chooser) -> Any:
    """The value of a part that may be open."""
    return part.resolve(chooser) if isinstance(part, Open) else part


def every(part: Any) -> Iterator[tuple[Decisions, Any]]:
    """All values that a part can have, with the decisions that lead to each; those that fit no network are left out."""
    path: list[list[int]] | None = []  # of every decision its option and how many there are
    while path is not None:
        turns = _Turns(path)
        try:
            value = resolved(part, Once(turns))
        except NasError:
            pass
        else:
            yield turns.made, value
        path = turns.next()


class _Turns:
    """An odometer: takes the options at given places, and the first of every decision after them."""

    def __init__(self, path: list[list[int]]) -> None:
        self._path: list[list[int]] = []
        self._given = path
        self.made: Decisions = {}

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """The option whose turn it is."""
        place = self._given[len(self._path)][0] if len(self._path) < len(self._given) else 0
        self._path.append([place, len(options)])
        self.made[name] = options[place]
        return options[place]

    def next(self) -> list[list[int]] | None:
        """The places after these; None after the last."""
        path = self._path
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        return [*path[:-1], [path[-1][0] + 1, path[-1][1]]] if path else None


def read_scale(data: Any, decoder: Any) -> Open | Scale:
    """The value of the word `scale`. Raises `SpaceError` that names the place, the value and what is allowed."""
    try:
        made = decoder.decode(data, Scale, "scale")
    except NasError as error:
        raise SpaceError(str(error)) from None
    assert isinstance(made, Open | Scale)
    return made
