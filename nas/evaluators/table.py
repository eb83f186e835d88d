"""Tables of measured cells: what training each network of NAS-Bench-201 gave (Dong & Yang, arXiv 2001.00326)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import DataError

if TYPE_CHECKING:
    from nas.spaces import Space

SPACE = "nas-bench-201"
EDGES = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")  # decisions of the space, and the columns of `ops` in this order
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
REQUIRED = ("ops", "op_names", "val12", "test200", "train_s_per_epoch")
EPOCHS = 12  # of the signal
SEARCH_SHARE = 0.5  # searches train on 25,000 of the 50,000 images that `train_s_per_epoch` is for
SYNTHETIC = "synthetic"
Columns = Mapping[str, Any]


class Table:
    """The signal, the test accuracy and the cost of cells, a row each.

    signal: validation accuracy after 12 epochs, in percent; test: test accuracy after 200 epochs, the mean of its seeds,
    in percent; seconds: what the 12 epochs of a search take. All three are lists over the rows.
    """

    def __init__(self, columns: Columns, name: str) -> None:
        """From columns as the archive holds them. Raises `DataError` that names `name`, the column and the row."""
        self.name = name
        self.op_names, codes = _operations(columns, name)
        self.signal = _percents(columns, "val12", len(codes), name)
        self.test = _percents(columns, "test200", len(codes), name)
        per_epoch = _numbers(columns, "train_s_per_epoch", len(codes), name, lambda each: each > 0, "seconds above 0")
        self.seconds = [EPOCHS * SEARCH_SHARE * each for each in per_epoch]
        self._columns = columns
        size = len(self.op_names)
        self._place = {
            (edge, option): size**place * code for place, edge in enumerate(EDGES) for code, option in enumerate(self.op_names)
        }
        places = [sum(size**place * code for place, code in enumerate(row)) for row in codes]
        self._rows: dict[int, int] = {}
        for row, place in enumerate(places):
            if self._rows.setdefault(place, row) != row:
                raise DataError(f"{name}: rows {self._rows[place]} and {row} are one architecture; allowed: each once")

    @classmethod
    def load(cls, path: str | Path) -> Table:
        """The table in an .npz archive, or the made-up one called `synthetic`. Raises `DataError` in one line."""
        if str(path) == SYNTHETIC:
            from nas.evaluators.synthetic import columns

            return cls(columns(), SYNTHETIC)
        return cls(_read(Path(path).expanduser()), str(path))

    def __len__(self) -> int:
        return len(self.signal)

    def row(self, decisions: Mapping[str, Any]) -> int:
        """The row of a cell. Raises `DataError` for a cell that is not in the table."""
        place = self._place
        try:
            return self._rows[sum([place[item] for item in decisions.items()])]
        except KeyError:
            cell = ", ".join(f"{name}={option}" for name, option in decisions.items())
            raise DataError(f"{self.name}: has no cell {cell}") from None

    def decisions(self, row: int) -> dict[str, str]:
        """The cell of a row: the inverse of `row`."""
        return {edge: self.op_names[int(code)] for edge, code in zip(EDGES, self._columns["ops"][row], strict=True)}

    def column(self, name: str) -> list[float]:
        """An optional column of one number a row, such as a zero-cost score. Raises `DataError`."""
        return _numbers(self._columns, name, len(self), self.name, math.isfinite, "finite numbers")

    def best(self) -> float:
        """The largest test accuracy, in percent."""
        return max(self.test)

    def check(self, space: Space) -> None:
        """Raise `DataError` unless the decisions of `space` are those of the table."""
        if set(space.choices) != set(EDGES):
            raise DataError(f"{self.name}: has the cells of {SPACE}, not of space {space.name!r}; allowed: decisions {', '.join(EDGES)}")
        for edge in EDGES:
            for option in self.op_names:
                if option not in space.choices[edge]:
                    known = ", ".join(map(str, space.choices[edge]))
                    raise DataError(f"{self.name}: op_names has {option!r}, which space {space.name!r} has not; allowed: {known}")


def _read(path: Path) -> dict[str, Any]:
    """All columns of an archive, which may hold plain arrays only: an unpickled one could run anything."""
    from nas.data.npz import read_arrays

    if not path.exists():
        raise DataError(f"{path}: no such file; allowed: the .npz archive of a table, or {SYNTHETIC}")
    return dict(read_arrays(path))


def _require(names: Any, where: str) -> None:
    for name in REQUIRED:
        if name not in names:
            raise DataError(f"{where}: has no column {name}; required: {', '.join(REQUIRED)}")


def _operations(columns: Columns, where: str) -> tuple[tuple[str, ...], list[tuple[int, ...]]]:
    """Names of the operations, and the code of the operation on every edge, a row a cell."""
    _require(columns, where)
    names, ops = columns["op_names"], columns["ops"]
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise DataError(f"{where}: op_names has shape {names.shape} and type {names.dtype}; allowed: a list of texts")
    texts = tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in names)
    for text in texts:
        if text not in OPERATIONS or texts.count(text) > 1:
            raise DataError(f"{where}: op_names has {text!r}; allowed: {', '.join(OPERATIONS)}, each at most once")
    if ops.ndim != 2 or ops.shape[1] != len(EDGES) or not len(ops) or ops.dtype.kind not in "iu":
        wanted = f"whole numbers, a row a cell, {len(EDGES)} edges"
        raise DataError(f"{where}: ops has shape {ops.shape} and type {ops.dtype}; allowed: {wanted}")
    wrong = (ops < 0) | (ops >= len(texts))
    if wrong.any():
        row = int(wrong.any(axis=1).argmax())
        code = int(ops[row][wrong[row]][0])
        raise DataError(f"{where}: ops has {code} in row {row}; allowed: 0 to {len(texts) - 1}, codes into op_names")
    return texts, [tuple(row) for row in ops.tolist()]


def _percents(columns: Columns, name: str, rows: int, where: str) -> list[float]:
    return _numbers(columns, name, rows, where, lambda each: 0 <= each <= 100, "percent, 0 to 100")


def _numbers(columns: Columns, name: str, rows: int, where: str, valid: Callable[[float], bool], allowed: str) -> list[float]:
    """A column of one number a row."""
    if name not in columns:
        raise DataError(f"{where}: has no column {name}; it has: {', '.join(columns)}")
    column = columns[name]
    if column.ndim != 1 or column.dtype.kind not in "iuf":
        raise DataError(f"{where}: {name} has shape {column.shape} and type {column.dtype}; allowed: a number a row")
    if len(column) != rows:
        raise DataError(f"{where}: {name} has {len(column)} rows and ops {rows}; allowed: as many")
    # From float32 the shortest decimal: 84.892 must not become 84.89199829.
    numbers = [float(str(each)) for each in column] if column.dtype.kind == "f" and column.dtype.itemsize < 8 else column.tolist()
    for row, number in enumerate(numbers):
        if not (math.isfinite(number) and valid(number)):
            raise DataError(f"{where}: {name} is {number:g} in row {row}; allowed: {allowed}")
    return [float(number) for number in numbers]
