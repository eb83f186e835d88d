"""What strategies are measured on, described so that every process can make it for itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from nas.bench.toys import TOYS, Toy
from nas.errors import DataError
from nas.evaluators.table import Table

if TYPE_CHECKING:
    from nas.bench.run import Problem
    from nas.spaces import Decisions, Space


class TableProblem:
    """Cells of a table. One that the table has not is a failed trial of average cost."""

    full = True

    def __init__(self, table: Table) -> None:
        self._table, self._best = table, table.best()
        self._signal = [each / 100 for each in table.signal]
        self.mean_seconds = sum(table.seconds) / len(table)

    def look(self, decisions: Decisions, fraction: float) -> tuple[float | None, float, float]:
        """Validation accuracy after 12 epochs as a fraction, test accuracy after 200 in percent, simulated seconds."""
        try:
            row = self._table.row(decisions)
        except DataError:
            return None, 0.0, self.mean_seconds
        return self._signal[row], self._table.test[row], self._table.seconds[row]

    def optimum(self) -> float:
        """The best test accuracy in the table, in percent."""
        return self._best


@dataclass(frozen=True)
class Source:
    """A space (its YAML) and where worth comes from: `table` (a path, or `synthetic`) or `toy` (a name).

    features: optional columns of the table that strategies may know of a candidate without training it.
    """

    space_yaml: str
    table: str | None = None
    toy: str | None = None
    features: tuple[str, ...] = ()

    def space(self) -> Space:
        """The space, read once a process."""
        return _space(self.space_yaml)

    def problem(self, seed: int) -> Problem:
        """The problem of a seed: one table for all, an instance of the toy function for each."""
        if self.table is not None:
            return _table(self.table, self.space_yaml).problem
        return _toy(self.toy or "", self.space_yaml, seed)

    def check_features(self) -> None:
        """Raise `DataError` unless the table has the columns."""
        for name in self.features:
            _table(self.table or "", self.space_yaml).column(name)

    def known(self, decisions: Decisions) -> tuple[float, ...]:
        """The features of a candidate."""
        opened = _table(self.table or "", self.space_yaml)
        row = opened.table.row(decisions)
        return tuple([opened.column(name)[row] for name in self.features])


class _Opened:
    """A table that fits the space."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._columns: dict[str, list[float]] = {}

    @cached_property
    def problem(self) -> TableProblem:
        return TableProblem(self.table)

    def column(self, name: str) -> list[float]:
        if name not in self._columns:
            self._columns[name] = self.table.column(name)
        return self._columns[name]


@cache
def _space(text: str) -> Space:
    from nas.arch.text import parse
    from nas.spaces import Space

    return Space(parse(text, "the space"))


@cache
def _table(path: str, space_yaml: str) -> _Opened:
    table = Table.load(path)
    table.check(_space(space_yaml))
    return _Opened(table)


@cache
def _toy(name: str, space_yaml: str, seed: int) -> Toy:
    return TOYS.get(name)(_space(space_yaml), seed)
