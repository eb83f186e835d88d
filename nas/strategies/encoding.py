"""What a predictor sees of a candidate: whole numbers, so that distances are exact and a restart computes the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from nas.arch import Architecture
from nas.errors import NasError
from nas.memory import Memory
from nas.spaces.canonical import Form, canonical, has_cells
from nas.strategies.base import key

if TYPE_CHECKING:
    from collections.abc import Hashable

    import numpy

    from nas.spaces import Decisions, Option, Space

    Rows = numpy.ndarray[Any, numpy.dtype[Any]]

REMEMBER = 20_000  # candidates, some kilobytes each
BUCKETS = {"operations": 64, "paths": 256, "shapes": 256}  # counts of texts, by their checksum


class Code(NamedTuple):
    """A candidate's identity, equal for networks that compute the same, and its row of whole numbers (int8)."""

    identity: Hashable
    row: Rows


@dataclass(frozen=True)
class Group:
    """Columns of a row that are compared together."""

    name: str
    columns: slice


class Identities:
    """Which candidates are one network: by canonical form where they decode to an architecture, else by decisions."""

    def __init__(self, space: Space, same: bool = True) -> None:
        self._space, self._same = space, same
        self._known: Memory[Hashable, Hashable] = Memory(REMEMBER)

    def of(self, decisions: Mapping[str, Option]) -> Hashable:
        """Equal for decisions that lead to networks which compute the same, with `same`; else for equal decisions."""
        plain = key(decisions)
        if not self._same:
            return plain
        return self._known.get(plain, lambda: plain if (made := form(self._space, decisions)) is None else made.key)


class Encoder:
    """Codes of candidates of a space, kept for those seen last.

    With `same` networks that compute the same have one identity; otherwise, and where decisions lead to no
    architecture, the decisions are the identity.
    """

    def __init__(self, space: Space, same: bool = True) -> None:
        self._space, self._same = space, same
        self._known: Memory[Hashable, Code] = Memory(REMEMBER)
        self._columns: dict[tuple[str, type, Option], int] = {}
        for name, options in space.choices.items():
            for option in options:
                self._columns[name, type(option), option] = len(self._columns)
        self._numbers = [name for name, options in space.choices.items() if ordered(options)]
        widths = {"options": len(self._columns), "numbers": len(self._numbers), **BUCKETS}
        starts = [0, *accumulate(widths.values())]
        self.groups = tuple(Group(name, slice(starts[i], starts[i + 1])) for i, name in enumerate(widths))
        self._starts = dict(zip(widths, starts, strict=False))
        self._width = starts[-1]

    def of(self, decisions: Decisions) -> Code:
        """The code of a candidate."""
        plain = key(decisions)
        return self._known.get(plain, lambda: self._code(decisions, plain))

    def _code(self, decisions: Decisions, plain: Hashable) -> Code:
        import numpy

        counts: dict[int, int] = {self._columns[name, type(option), option]: 1 for name, option in decisions.items()}
        for offset, name in enumerate(self._numbers):
            if name in decisions:
                counts[self._starts["numbers"] + offset] = 1 + self._space.choices[name].index(decisions[name])
        made = form(self._space, decisions)
        for group, text in _texts(made) if made else ():
            column = self._starts[group] + crc32(text.encode()) % BUCKETS[group]
            counts[column] = counts.get(column, 0) + 1
        row = numpy.zeros(self._width, dtype=numpy.int8)
        row[list(counts)] = [min(count, 100) for count in counts.values()]
        return Code(made.key if made and self._same else plain, row)


def form(space: Space, decisions: Mapping[str, Option]) -> Form | None:
    """The canonical form of what the decisions lead to; None where that is no architecture of cells."""
    try:
        made: Any = space.decode(decisions)
    except NasError:
        return None
    return canonical(made) if isinstance(made, Architecture) and has_cells(made) else None


def ordered(options: tuple[Option, ...]) -> bool:
    """Whether options are three numbers or more that rise or fall, so that near ones are alike."""
    if len(options) < 3 or not all(isinstance(option, int | float) and not isinstance(option, bool) for option in options):
        return False
    numbers = [float(option) for option in options if isinstance(option, int | float)]
    return numbers in (sorted(numbers), sorted(numbers, reverse=True))


def _texts(made: Form) -> list[tuple[str, str]]:
    found = []
    for number, cell in enumerate(made.cells):
        found += [("operations", f"{number} {name}") for name in cell.operations]
        found += [("paths", f"{number} {' '.join(path)}") for path in cell.paths]
        found += [("shapes", f"{number} {shape}") for shape in cell.shapes]
    return found
