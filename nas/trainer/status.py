"""How far a training is. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas.trainer.folder import Row, at_work, best_of, opened, read_history, read_result
from nas.trainer.result import TrainResult
from nas.trainer.settings import Settings
from nas.training.recipe import Recipe


@dataclass(frozen=True)
class Status:
    """A training, whatever state it is in. `state` is running, broken off or finished; then `result` is there."""

    directory: Path
    settings: Settings
    recipe: Recipe
    state: str
    rows: tuple[Row, ...]
    result: TrainResult | None

    @staticmethod
    def read(directory: str | Path) -> Status:
        """From a training's folder, which is left as it is. Raises `TrainingError` where it is none or damaged."""
        path, settings = opened(directory)
        running = at_work(path)  # looked at first: one that ends meanwhile is finished, not broken off
        result = None if read_result(path) is None else TrainResult.read(path)
        state = "finished" if result is not None else "running" if running else "broken off"
        return Status(path, settings, Recipe.from_dict(settings.recipe), state, read_history(path), result)

    @property
    def best(self) -> Row | None:
        """The epoch whose weights are kept."""
        return best_of(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, all epochs included."""
        best, result = self.best, self.result
        return {
            "directory": str(self.directory), "state": self.state, "network": self.settings.network,
            "dataset": self.settings.dataset, "recipe": self.settings.recipe_name or None, "epochs": len(self.rows),
            "epochs_planned": self.recipe.epochs, "best_epoch": None if best is None else best.epoch,
            "test_accuracy": None if result is None else result.test_accuracy,
            "test_interval": None if result is None or result.test_interval is None else list(result.test_interval),
            "history": [{**asdict(row), **({} if row.judged else {"accuracy": None, "val_loss": None})} for row in self.rows],
        }  # fmt: skip
