"""The evaluator that looks up: what training a cell of NAS-Bench-201 gave, and how long that took."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ArchitectureError, NasError, SpaceError
from nas.evaluators.base import Evaluation, Metrics
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.table import EPOCHS, SPACE, SYNTHETIC, Table
from nas.memory import Memory

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.spaces import Space

REMEMBERED = 20_000  # networks whose row is kept


class TabularEvaluator:
    """Metrics of a table: `accuracy`, the signal, as a fraction; `train_seconds`, simulated; `test_accuracy`, only recorded.

    table: the path of an .npz archive, or `synthetic`. Nobody waits: the evaluation's clock is told the simulated
    seconds, so that budgets in seconds end a search as they would have in reality. Raises `DataError` for a bad table.
    """

    objective = "accuracy"
    simulated = True

    def __init__(self, table: str | Path | None = None) -> None:
        if table is None:
            raise NasError(f"the tabular evaluator needs a table; allowed: --table FILE, or --table {SYNTHETIC}")
        self.table = SYNTHETIC if str(table) == SYNTHETIC else os.path.abspath(os.path.expanduser(table))
        self._read()

    def settings(self) -> dict[str, Any]:
        """Plain data for the record; `TabularEvaluator(**settings)` is the same evaluator."""
        return {"table": self.table}

    def check(self, space: Space) -> None:
        """Raise `NasError` unless the networks of `space` are those of the table."""
        self._table.check(space)
        try:
            self._decisions(space.decode(space.sample(random.Random(0))))
        except (ArchitectureError, SpaceError) as error:
            raise SpaceError(f"{self.table}: has the cells of {SPACE}; space {space.name!r} has others: {error}") from None

    def prepare(self, space: Space, seconds_per_worker: float, seed: int) -> Fidelity:
        """The fidelity of the table: 12 epochs of the whole network."""
        return Fidelity(epochs=EPOCHS)

    def seconds_of(
        self, candidates: Sequence[Architecture], fidelity: Fidelity, seed: int, device: str, allowed: float
    ) -> list[float]:
        """Simulated seconds of each, as the table has them."""
        return [float(self._table.seconds[self._row(candidate)]) for candidate in candidates]

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """The metrics of the cell. Raises `NasError` for another fidelity, a network or cell that is not in the table."""
        if replace(fidelity, test=False) != Fidelity(epochs=EPOCHS):  # the test accuracy is there in any case
            raise NasError(f"fidelity {fidelity.to_dict()} is not in the table; allowed: {EPOCHS} epochs of the whole network")
        row = self._row(architecture)
        seconds = self._table.seconds[row]
        evaluation.clock.skip(seconds)
        return {
            "accuracy": self._table.signal[row] / 100,
            "train_seconds": seconds,
            "test_accuracy": self._table.test[row] / 100,
        }

    def _row(self, architecture: Architecture) -> int:
        return self._rows.get(architecture.digest, lambda: self._table.row(self._decisions(architecture)))

    def _decisions(self, architecture: Architecture) -> Mapping[str, Any]:
        return self._space.recognise(architecture)

    def _read(self) -> None:
        from nas import spaces

        self._table, self._space = Table.load(self.table), spaces.load(SPACE)
        self._rows: Memory[str, int] = Memory(REMEMBERED)

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: a worker reads the table for itself."""
        return self.settings()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._read()
