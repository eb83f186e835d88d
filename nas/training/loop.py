"""The training loop: one network, data set and recipe; validated after every epoch, stoppable before every step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.build import resample
from nas.errors import NasError
from nas.training.augment import Augmentation, cut_out, gather, to_input
from nas.training.dataset import TrainingData
from nas.training.noise import seeded
from nas.training.recipe import Recipe
from nas.training.schedule import DropPathSchedule, NormWarmUp, learning_rate
from nas.training.sgd import Sgd

CHECK_STEPS = 50  # steps between two looks at the loss; each look waits for the device
Metrics = dict[str, float]
Size = tuple[int, int]  # rows, columns


class TrainingFailure(NasError):
    """Training that cannot go on: a loss that is NaN or infinite. `epoch` counts from 1."""

    def __init__(self, message: str, epoch: int) -> None:
        super().__init__(message)
        self.epoch = epoch


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
) -> Metrics:
    """Train `module` (in place) for `epochs` on `data`, on the device that holds `data`, and return its last metrics.

    `check` is called before every step, of training and of validation alike, and stops the run by raising. `report`
    gets the metrics after every validation: `accuracy` and `val_loss` on the validation part, `train_loss` (mean of
    the epoch, main head, smoothed labels), `epochs` done, `train_seconds` in training steps, `images_per_second` in
    training, `first_validation_seconds` from the call to the end of the first validation, and on a GPU
    `peak_memory_bytes`. `size` is as in `Run`. On a CPU the same arguments and number of threads give the same bits.

    Raises `TrainingFailure` when the loss is no longer a finite number.
    """
    run = Run(module, data, recipe, epochs, seed, check, size=size)
    metrics: Metrics = {}
    with seeded(run.module, run.generator):
        for _ in range(epochs):
            metrics = run.epoch()
            report(metrics)
    return metrics


@torch.no_grad()
def judge(
    module: nn.Module, data: TrainingData, recipe: Recipe, *, check: Callable[[], None] = lambda: None,
    size: Size | None = None,
) -> float:  # fmt: skip
    """Accuracy of a trained `module`, which lies where `data` does, on the validation rows of `data`.

    `check` is called before every batch and stops it by raising. `size` is as in `Run`.
    """
    precision = _precision(recipe.precision, data.images.device)
    right = torch.zeros((), dtype=torch.int64, device=data.images.device)
    module.eval()
    for rows in torch.split(data.validation, 2 * recipe.batch):
        check()
        with torch.autocast(data.images.device.type, precision, enabled=precision is not torch.float32):
            logits = module(resized(to_input(data.normalisation(data.images[rows])), size))
        right += (logits.argmax(1) == data.labels[rows]).sum()
    return float(right) / len(data.validation)


class Run:
    """One training run: the network, its optimiser, its own generator, and the step that it has reached.

    size: (rows, columns) that images are brought to, last of all; None: the data set's own.
    """

    def __init__(
        self, module: nn.Module, data: TrainingData, recipe: Recipe, epochs: int, seed: int, check: Callable[[], None],
        *, size: Size | None = None,
    ) -> None:  # fmt: skip
        self.started = time.monotonic()
        self.device = data.images.device
        self.module = module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data, self.recipe, self.check, self.size = data, recipe, check, size
        self.batch = min(recipe.batch, len(data.train))
        self.steps = epochs * (len(data.train) // self.batch)  # of all epochs
        self.step = self.epochs = 0
        self.seconds, self.first_validation = 0.0, math.nan
        _, height, width = data.shape
        self.augmentation = Augmentation.of(recipe.flip and data.flip, recipe.translate, recipe.cutout, height, width)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.optimiser = Sgd(self.module, recipe.momentum, recipe.nesterov, recipe.weight_decay)
        auxiliary = [recipe.auxiliary * weight for weight in getattr(module, "aux_weights", ())]
        self.weights = [*getattr(module, "member_weights", ()), *auxiliary]  # of all outputs but the main one
        self.drop_path, self.norms = DropPathSchedule(self.module), NormWarmUp(self.module)
        self.precision = _precision(recipe.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.pace = Pace(self.device)
        if self.cuda_devices:
            torch.cuda.reset_peak_memory_stats(self.device)

    @property
    def cuda_devices(self) -> list[torch.device]:
        """The GPU of this run, or nothing."""
        return [self.device] if self.device.type == "cuda" else []

    def epoch(self) -> Metrics:
        """One pass over the training rows (in whole batches) and one over the validation rows."""
        start = time.monotonic()
        order = torch.randperm(len(self.data.train), generator=self.generator, device=self.device)
        rows = self.data.train[order]
        loss = self._pass(rows)
        self.seconds += time.monotonic() - start
        self.epochs += 1
        accuracy, val_loss = self.validate()
        if math.isnan(self.first_validation):
            self.first_validation = time.monotonic() - self.started
        return self._metrics(loss, accuracy, val_loss)

    def _pass(self, rows: Tensor) -> float:
        """Train on `rows` batch by batch; the mean loss. The last, smaller batch is left to another epoch's order."""
        self.module.train()
        total = torch.zeros((), device=self.device)
        count = len(rows) // self.batch
        for index in range(count):
            self.check()
            total += self.train_step(rows[index * self.batch : (index + 1) * self.batch])
            self.pace.step()
            if (index + 1) % CHECK_STEPS == 0 or index + 1 == count:
                self._finite(float(total), "training")
        return float(total) / count

    def train_step(self, rows: Tensor) -> Tensor:
        """One step of the optimiser on the images `rows` (B,); the main head's loss, detached, on the device."""
        self._set_rates()
        images, labels = self._augmented(rows), self.data.labels[rows]
        with self._autocast():
            output = self.module(images)
        main, total = losses(output, labels, self.recipe.label_smoothing, self.weights)
        self.optimiser.zero_grad()
        self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip > 0:
            self.scaler.unscale_(self.optimiser)  # type: ignore[arg-type]
            nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip)
        self.scaler.step(self.optimiser)  # type: ignore[arg-type]
        self.scaler.update()
        self.step += 1
        return main.detach()

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Accuracy and mean cross-entropy over the validation rows."""
        self.module.eval()
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)  # one transfer for both
        for rows in torch.split(self.data.validation, 2 * self.recipe.batch):  # without gradients, twice the batch fits
            self.check()
            totals += self.validation_step(rows)
            self.pace.step()
        right, loss = (totals / len(self.data.validation)).tolist()
        self._finite(loss, "validation")
        return right, loss

    @torch.no_grad()
    def validation_step(self, rows: Tensor) -> Tensor:
        """Number right and summed cross-entropy (2,) of the images `rows` (B,), on the device. Needs eval mode."""
        labels = self.data.labels[rows]
        with self._autocast():
            logits = self.module(resized(to_input(self.data.normalisation(self.data.images[rows])), self.size))
        loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
        return torch.stack([(logits.argmax(1) == labels).sum().double(), loss.double()])

    def _augmented(self, rows: Tensor) -> Tensor:
        images = self.data.normalisation(gather(self.data.images, rows, self.augmentation, self.generator))
        return resized(to_input(cut_out(images, self.augmentation.square, self.generator)), self.size)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)

    def _set_rates(self) -> None:
        rate = learning_rate(self.step, self.steps, self.recipe.lr, self.recipe.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.drop_path.set(self.step / self.steps)
        self.norms.set(self.step)

    def _finite(self, loss: float, part: str) -> None:
        if not math.isfinite(loss):
            epoch = self.epochs + (part == "training")
            raise TrainingFailure(f"{part} loss is {loss} in epoch {epoch}", epoch)

    def _metrics(self, train_loss: float, accuracy: float, val_loss: float) -> Metrics:
        images = self.step * self.batch
        metrics = {
            "accuracy": accuracy,
            "val_loss": val_loss,
            "train_loss": train_loss,
            "epochs": float(self.epochs),
            "train_seconds": self.seconds,
            "images_per_second": images / max(self.seconds, 1e-9),
            "first_validation_seconds": self.first_validation,
        }
        if self.cuda_devices:
            metrics["peak_memory_bytes"] = float(torch.cuda.max_memory_allocated(self.device))
        return metrics


class Pace:
    """Keeps a GPU at most one step behind the program, so that the clock is asked at the step that it speaks of.

    Without it hundreds of steps are queued in a moment, and a run would go on long after its time. One step in the
    queue keeps the device busy. On a CPU every step is done when it returns.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._last: Any = None

    def step(self) -> None:
        """Call after a step was queued: waits for the one before it."""
        if not self._cuda:
            return
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        if self._last is not None:
            self._last.synchronize()
        self._last = event


def resized(images: Tensor, size: Size | None) -> Tensor:
    """Images (B, C, H, W) at another size; the same ones where it is None or their own."""
    return images if size is None else resample(images, size)


def losses(output: Any, labels: Tensor, smoothing: float, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the main head, and the same plus that of every other output times its weight.

    `output` is logits (B, classes), or has them as `.main` and, for each auxiliary head or member, in `.aux`.
    """
    heads = (output,) if isinstance(output, Tensor) else (output.main, *output.aux)
    main, *others = (functional.cross_entropy(head.float(), labels, label_smoothing=smoothing) for head in heads)
    total = main
    for weight, other in zip(weights, others, strict=True):
        total = total + weight * other
    return main, total


def _precision(name: str, device: torch.device) -> torch.dtype:
    """The number type of forward passes; `auto` is bfloat16 on a GPU that has it, else float32."""
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
