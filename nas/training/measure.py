"""How long a network takes, from a few steps on the real data."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from nas.training.dataset import TrainingData
from nas.training.execution import Execution
from nas.training.loop import Run
from nas.training.recipe import Recipe
from nas.training.run import Size

STEPS = 2


def measure(
    build: Callable[[], nn.Module], data: TrainingData, recipe: Recipe, seed: int, size: Size | None = None,
    execution: Execution | None = None, seconds: float = 0.0,
) -> tuple[float, float, float]:
    """Seconds: once (building, the first step's excess), a training image, a validation image.

    The network is thrown away. `size` and `execution` are as in `Run`. seconds: steps are taken for so long, and their mean
    counts, with all that goes on beside them; without it the least disturbed of a few does.
    """
    start = time.perf_counter()
    run = Run(build(), data, recipe, 1, seed, lambda: None, size=size, execution=execution)
    run.module.train()
    order = torch.randperm(len(data.train), generator=run.generator, device=run.device)
    rows = data.train[order[: run.batch]]
    with run.noise, run.layout:
        first = _timed(run, lambda: run.train_step(rows))
        once = time.perf_counter() - start
        taken = [_timed(run, lambda: run.train_step(rows)) for _ in range(STEPS)]
        while sum(taken) < seconds:
            taken.append(_timed(run, lambda: run.train_step(rows)))
        train = sum(taken) / len(taken) if seconds else min(taken)
    run.module.eval()
    shown = data.validation[: 2 * recipe.batch]
    validate = _timed(run, lambda: run.validation_step(shown))
    return max(once - min(train, first), 0.0), train / len(rows), validate / len(shown)


def _timed(run: Run, action: Callable[[], object]) -> float:
    """Seconds until `action` is done on the device."""
    start = time.perf_counter()
    action()
    if run.cuda_devices:
        torch.cuda.synchronize(run.device)
    return time.perf_counter() - start
