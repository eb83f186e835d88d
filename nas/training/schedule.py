"""What changes over a training run: the learning rate, the drop-path rates, and how fast batch norm forgets.

All are functions of the step alone, but for a rate that drops on plateaus.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from nas.training.recipe import Recipe

Fall = Callable[[int, int, int], float]


def learning_rate(step: int, steps: int, peak: float, warmup: float, fall: Fall | None = None) -> float:
    """The rate of 0-based `step` of `steps`: a linear rise over the `warmup` fraction, then `fall`, by default a cosine.

    `fall` gives the fraction of the peak for (step, first step after the rise, steps).
    """
    rise = round(warmup * steps)
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    return peak * (fall or cosine)(step, rise, steps)


def cosine(step: int, rise: int, steps: int) -> float:
    """Half a cosine from the end of the rise towards 0 (Loshchilov & Hutter, arXiv 1608.03983, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class Rate:
    """The learning rate of a recipe at every step of a run of `epochs` epochs, with batches of `batch` images.

    Steps drop at their fractions of the run. Exponential drops come every so many epochs, counted from the first step,
    all at once at these (as in EfficientNet's released code). A plateau drops when the validation accuracy has not
    risen for `patience` epochs, as AlexNet and ResNet were trained; `plateau` is told it.

    `begin` is the step at which a run that goes on with a shorter one's training begins: all of the above is then of the
    steps that are left, a warm restart (Loshchilov & Hutter, arXiv 1608.03983).
    """

    begin = 0

    def __init__(self, recipe: Recipe, steps: int, epochs: int, batch: int) -> None:
        self.recipe, self._steps, self.epochs = recipe, steps, epochs
        self.peak = recipe.lr if recipe.lr_batch is None else recipe.lr * batch / recipe.lr_batch
        self.plateau = Plateau(recipe.patience if recipe.schedule == "plateau" else 0)
        self._fall: Fall | None = None if recipe.schedule == "cosine" else self._factor

    def at(self, step: int) -> float:
        """The rate of 0-based `step`."""
        return learning_rate(step - self.begin, self.steps, self.peak, self.recipe.warmup, self._fall)

    @property
    def steps(self) -> int:
        """From its beginning to its end."""
        return self._steps - self.begin

    def _factor(self, step: int, rise: int, steps: int) -> float:
        return float(self.recipe.drop ** self._drops(step))

    def _drops(self, step: int) -> int:
        """How often the rate has dropped."""
        if self.recipe.schedule == "steps":
            return sum(step >= each * self.steps for each in self.recipe.milestones)
        if self.recipe.schedule == "exponential":
            return int(step * self.epochs / (self._steps * self.recipe.every))
        return self.plateau.drops


class Plateau:
    """Counts epochs without a better validation accuracy, and drops: one at each `patience` of them (0: never)."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = -math.inf
        self.stale = 0  # epochs since the best
        self.waited = 0  # epochs since the best or the last drop
        self.drops = 0

    def tell(self, accuracy: float) -> None:
        """Take in the accuracy of the next epoch."""
        better = accuracy > self.best
        self.best = max(self.best, accuracy)
        self.stale = 0 if better else self.stale + 1
        self.waited = 0 if better else self.waited + 1
        if self.patience and self.waited >= self.patience:
            self.waited, self.drops = 0, self.drops + 1

    def state(self) -> dict[str, float]:
        """What `restore` needs to go on."""
        return {"best": self.best, "stale": self.stale, "waited": self.waited, "drops": self.drops}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.best, self.stale, self.waited, self.drops = (state[name] for name in ("best", "stale", "waited", "drops"))


class DropPathSchedule:
    """Raises every drop-path rate linearly from 0 to its built value (ScheduledDropPath, arXiv 1707.07012)."""

    def __init__(self, module: nn.Module) -> None:
        from nas.ops.modules import DropPathModule

        paths = [path for path in module.modules() if isinstance(path, DropPathModule) and path.rate > 0]
        self._paths = [(path, path.rate) for path in paths]

    @property
    def still(self) -> bool:
        """Whether no rate ever changes."""
        return not self._paths

    def set(self, progress: float) -> None:
        """Set the rates for `progress` in [0, 1] of the run."""
        for path, rate in self._paths:
            path.rate = rate * progress


class NormWarmUp:
    """Makes batch-norm statistics the plain mean of the batches seen, until that is slower than their own momentum.

    They start at mean 0 and variance 1, and at the usual momentum of 0.1 a third of that start is left after ten
    steps: a candidate that is judged after a part of an epoch would be judged by statistics that it never had.
    """

    def __init__(self, module: nn.Module) -> None:
        from torch.nn.modules.batchnorm import _BatchNorm

        norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.momentum]
        self._norms = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]

    @property
    def settled(self) -> bool:
        """Whether `set` changes nothing any more."""
        return not self._norms

    def set(self, step: int) -> None:
        """Call before 0-based `step`."""
        for norm, momentum in self._norms:
            norm.momentum = max(momentum, 1 / (step + 1))
        self._norms = [(norm, momentum) for norm, momentum in self._norms if norm.momentum != momentum]
