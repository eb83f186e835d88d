"""The training loop: one network, data set and recipe; validated after every epoch, stoppable before every step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import nn

from nas.training.dataset import TrainingData
from nas.training.execution import Execution, usual
from nas.training.inputs import plain, size_of
from nas.training.layout import Layout
from nas.training.loss import losses
from nas.training.recipe import Recipe
from nas.training.run import Metrics, Run, Size, TrainingFailure
from nas.training.stream import Reader

__all__ = ["Metrics", "Run", "TrainingFailure", "judge", "losses", "train"]


def train(
    module: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    epochs: int,
    *,
    seed: int,
    check: Callable[[], None] = lambda: None,
    report: Callable[[Metrics], None] = lambda metrics: None,
    size: Size | None = None,
    begin: Callable[[Run], None] = lambda run: None,
    end: Callable[[Run], None] = lambda run: None,
    execution: Execution | None = None,
    built: float = 0.0,
) -> Metrics:
    """Train `module` (in place) for `epochs` on `data`, on the device that holds `data`, and return its last metrics.

    Fewer epochs, where the recipe has an early stop. `check` is called before every step, of training and of validation
    alike, and stops the run by raising. `report` gets the metrics after every validation: `accuracy` and `val_loss` on
    the validation part, `train_loss` (mean of the epoch, main head, smoothed labels), `epochs` done, `train_seconds` in
    training steps, `images_per_second` in training, `first_validation_seconds` from the call to the end of the first
    validation, `once_seconds` of building and of what slow steps (the first, a recorded, a compiled one) took more than
    others, and on a GPU `peak_memory_bytes`. `size`, `execution` and `built` are as in `Run`. On a CPU the same arguments and number of
    threads give the same bits. With an average of the weights in the recipe, `module` ends as that average.
    `begin` and `end` are handed the run before its first epoch, as to go on with another's state, and after its last.

    Raises `TrainingFailure` when the loss is no longer a finite number.
    """
    run = Run(module, data, recipe, epochs, seed, check, size=size, execution=execution, built=built)
    begin(run)
    metrics: Metrics = {}
    while run.epochs < epochs and not run.stopped:
        metrics = run.epoch()
        report(metrics)
    end(run)
    if run.judged is not run.module:
        run.module.load_state_dict(run.judged.state_dict())
    return metrics


@torch.no_grad()
def judge(
    module: nn.Module, data: TrainingData, recipe: Recipe, *, check: Callable[[], None] = lambda: None,
    size: Size | None = None, execution: Execution | None = None,
) -> float:  # fmt: skip
    """Accuracy of a trained `module`, which lies where `data` does, on the validation rows of `data`.

    `check` is called before every batch and stops it by raising. `size` and `execution` are as in `Run`.
    """
    execution = execution or usual(data.images.device, recipe.precision)
    precision, layout = getattr(torch, execution.precision), Layout(module, execution.layout)
    right = torch.zeros((), dtype=torch.int64, device=data.images.device)
    module.eval()
    parts = torch.split(data.validation, 2 * recipe.batch)
    with contextlib.closing(Reader(data.images)) as reader:
        reader.expect(parts)
        for rows in parts:
            check()
            with torch.autocast(data.images.device.type, precision, enabled=precision is not torch.float32):
                logits = module(layout.put(plain(data, rows, size_of(data, recipe, size), reader)))
            right += (logits.argmax(1) == data.labels[rows]).sum()
    return float(right) / len(data.validation)
