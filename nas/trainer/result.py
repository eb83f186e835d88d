"""What came of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.trainer.folder import Row, opened, read_history, read_network, read_result
from nas.trainer.settings import Settings, TrainingError

if TYPE_CHECKING:
    from torch import nn

    from nas.arch import Architecture
    from nas.ensembles import Ensemble

NORMAL_95 = 1.959963984540054  # the normal deviate that 95% lie within


@dataclass(frozen=True)
class TrainResult:
    """A finished training. Accuracies are of the weights that are kept: those of `best_epoch`, which validated best.

    `accuracy` is on the images held out; None where none were, and then the last epoch counts as the best.
    `test_accuracy` was measured once, at the end, on images that nothing was chosen by; None where there are none.
    `test_interval` holds the accuracy on all such images with probability 95%. `seconds` are of training and validating.
    """

    directory: Path
    accuracy: float | None
    test_accuracy: float | None
    test_interval: tuple[float, float] | None
    best_epoch: int
    epochs: int
    seconds: float
    params: int
    macs: int

    @staticmethod
    def read(directory: str | Path) -> TrainResult:
        """From a training's folder. Raises `TrainingError` where it is none, or not finished."""
        path, _ = opened(directory)
        data = read_result(path)
        if data is None:
            raise TrainingError(f"{path}: this training is not finished; `nas resume {path}` goes on with it")
        try:
            interval = data["test_interval"]
            return TrainResult(
                path, data["accuracy"], data["test_accuracy"], None if interval is None else (interval[0], interval[1]),
                data["best_epoch"], data["epochs"], data["seconds"], data["params"], data["macs"],
            )  # fmt: skip
        except (KeyError, TypeError, IndexError) as error:
            raise TrainingError(f"{path / 'result.json'}: damaged ({error}); allowed: what `nas train` wrote") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the folder as text."""
        return {
            "directory": str(self.directory), "accuracy": self.accuracy, "test_accuracy": self.test_accuracy,
            "test_interval": None if self.test_interval is None else list(self.test_interval), "best_epoch": self.best_epoch,
            "epochs": self.epochs, "seconds": self.seconds, "params": self.params, "macs": self.macs,
        }  # fmt: skip

    @property
    def settings(self) -> Settings:
        """What it was started with."""
        return opened(self.directory)[1]

    @property
    def network(self) -> Architecture | Ensemble:
        """The network at the input and the classes that it was trained with."""
        return read_network(self.directory, self.settings)

    @property
    def history(self) -> tuple[Row, ...]:
        """Its epochs."""
        return read_history(self.directory)

    def load(self) -> nn.Module:
        """The trained module, on the CPU and in evaluation mode."""
        from nas.weights import load_weights, read_weights

        module: nn.Module = self.network.build()
        load_weights(module, read_weights(self.directory), str(self.directory))
        return module.eval()


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95% interval of a probability of which `share` of `count` draws were hits (Wilson, JASA 1927, equation 1)."""
    z2 = NORMAL_95**2 / count
    middle, half = share + z2 / 2, NORMAL_95 * math.sqrt(share * (1 - share) / count + z2 / (4 * count))
    return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))
