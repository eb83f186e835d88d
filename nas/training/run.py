"""One training run: epoch after epoch, step after step; it can be broken off at any step and gone on with."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.errors import NasError
from nas.repeatable import derived_seed
from nas.training.dataset import TrainingData
from nas.training.ema import Average
from nas.training.execution import Execution, usual
from nas.training.graphs import Capture, CudaCapture, Graphed, obstacle
from nas.training.inputs import Inputs
from nas.training.layout import Layout
from nas.training.noise import Noise, set_dropout
from nas.training.once import Once
from nas.training.optimisers import optimiser
from nas.training.pace import Pace
from nas.training.ranks import Ranks
from nas.training.recipe import Recipe
from nas.training.schedule import DropPathSchedule, NormWarmUp, Rate
from nas.training.step import Step
from nas.training.watch import Watch

CHECK_STEPS = 50  # steps between two looks at the loss
Metrics = dict[str, float]
Size = tuple[int, int]  # rows, columns


class TrainingFailure(NasError):
    """Training that cannot go on: a loss or a gradient that is NaN or infinite. `epoch` counts from 1."""

    exit_status = 3

    def __init__(self, message: str, epoch: int) -> None:
        super().__init__(message)
        self.epoch = epoch


class Run:
    """One training run: the network, its optimiser, its own generator, and the step that it has reached.

    `epoch()` is called until `epochs` is reached or the run has `stopped`. `state()` is all that is needed to go on,
    and may be asked for between epochs and from within `check`, which is called before every step; a fresh `Run` of the
    same arguments that has been `restore`d finishes the broken epoch and gives, on a CPU, the same bits as if nothing
    had happened.

    size: (rows, columns) that images are brought to; None: what `data` or the recipe says, or as they are.
    shard: (rank, processes), where several may train one network together: each trains on its share of every batch and
    validates its share of the validation rows; metrics are those of all, the same everywhere. The order of the images
    is then that of any number of processes, one too; without it, it is drawn with everything else, as searches record.
    wrap: makes what runs forward in training of the module, such as DistributedDataParallel; `module` stays as it is.
    execution: how steps are run; None: as is usual on the device. built: seconds that building the module took, for the
    metrics. capture: what records the step, where `execution` has graphs; None: a GPU's own.
    """

    def __init__(
        self, module: nn.Module, data: TrainingData, recipe: Recipe, epochs: int, seed: int, check: Callable[[], None],
        *, size: Size | None = None, shard: tuple[int, int] | None = None, wrap: Callable[[nn.Module], nn.Module] | None = None,
        execution: Execution | None = None, built: float = 0.0, capture: Capture | None = None,
    ) -> None:  # fmt: skip
        self.started = time.monotonic()
        self.device = data.images.device
        self.execution = execution or usual(self.device, recipe.precision)
        self.layout = Layout(module, self.execution.layout)
        self.module = module.to(self.device, memory_format=self.layout.format)  # type: ignore[call-overload]
        set_dropout(self.module, recipe.dropout)
        self.average = Average(self.module, recipe.ema) if recipe.ema > 0 else None
        self.network = self.module if wrap is None else wrap(self.module)
        self.data, self.recipe, self.check, self.seed = data, recipe, check, seed
        self.ranks = Ranks(*(shard or (0, 1)))
        self.batch = min(recipe.batch, len(data.train))  # of all processes
        if self.batch < self.ranks.world:
            raise NasError(f"recipe.batch={self.batch} for {self.ranks.world} processes; allowed: an image or more for each")
        self.steps = epochs * (len(data.train) // self.batch)  # of all epochs
        self.step = self.epochs = 0
        self.generator = torch.Generator(self.device).manual_seed(self._seed("begin"))
        self.orders = self.generator
        if shard is not None:  # the order is that of all processes; the rest each draws for itself
            self.orders = torch.Generator(self.device).manual_seed(derived_seed(seed, "order"))
        self.inputs = Inputs(data, recipe, size, self.generator)
        self.noise = Noise(self.module, self.generator)
        self.optimiser = optimiser(self.module, recipe)
        auxiliary = [recipe.auxiliary * weight for weight in getattr(module, "aux_weights", ())]
        weights = [*getattr(module, "member_weights", ()), *auxiliary]  # of all outputs but the main one
        self.learning = Step(
            self.module, self.network, self.inputs, self.optimiser, recipe, self.execution, self.layout, weights, self.device
        )
        self.scaler = self.learning.scaler
        self.graphed = self._graphed(capture) if self.execution.graphs else None
        self.rate = Rate(recipe, self.steps, epochs, self.batch)
        self.drop_path, self.norms = DropPathSchedule(self.module), NormWarmUp(self.module)
        self.pace, self.watch = Pace(self.device), Watch(self.device if self.ranks.world == 1 else torch.device("cpu"))
        self._seconds, self._since, self.first_validation = 0.0, math.nan, math.nan
        self._restored = 0.0  # seconds of earlier processes
        self._shuffle: Tensor | None = None  # the generator's state before this epoch's order was drawn; None between epochs
        self._index = 0  # steps done in this epoch
        self._loss = torch.zeros((), device=self.device)  # their sum
        if self.cuda_devices:
            torch.cuda.reset_peak_memory_stats(self.device)
        self.once = Once(self.device, built + time.monotonic() - self.started)

    def _graphed(self, capture: Capture | None) -> Graphed:
        against = None if capture else obstacle(self.module, self.execution, self.device, self.network is not self.module)
        if against is None:
            self.optimiser.keep_rate(self.device)
        return Graphed(self.learning, capture or CudaCapture(self.device), (self.generator,), lambda: self.norms.settled, against)

    @property
    def cuda_devices(self) -> list[torch.device]:
        """The GPU of this run, or nothing."""
        return [self.device] if self.device.type == "cuda" else []

    @property
    def judged(self) -> nn.Module:
        """The module that is validated, and that is the result: the average of the weights if the recipe has one."""
        return self.module if self.average is None else self.average.module

    @property
    def stopped(self) -> bool:
        """Whether the recipe's early stop is reached: no better validation accuracy for so many epochs."""
        return 0 < self.recipe.early_stop <= self.rate.plateau.stale

    @property
    def seconds(self) -> float:
        """Spent in training steps."""
        return self._seconds + (0.0 if math.isnan(self._since) else time.monotonic() - self._since)

    def epoch(self) -> Metrics:
        """One pass over the training rows (in whole batches), or what is left of it, and one over the validation rows."""
        with self.noise, self.layout, self.inputs.reading():
            loss = self._pass()
            accuracy, val_loss = self.validate()
        self.epochs, self._shuffle, self._index = self.epochs + 1, None, 0
        self.rate.plateau.tell(accuracy)
        if math.isnan(self.first_validation):
            self.first_validation = time.monotonic() - self.started
        return self._metrics(loss, accuracy, val_loss)

    def _pass(self) -> float:
        """Train batch by batch; the mean loss. The last, smaller batch is left to another epoch's order."""
        self._since = time.monotonic()
        rows = self._order()
        self.network.train()
        count = len(rows) // self.batch
        left = rows[self._index * self.batch : count * self.batch]
        self.inputs.expect(self.ranks.share(part) for part in torch.split(left, self.batch))
        while self._index < count:
            self.check()
            start = self._index * self.batch
            self._loss += self.train_step(self.ranks.share(rows[start : start + self.batch]))
            self._index += 1
            self.pace.step()
            if self._index % CHECK_STEPS == 0 and self._index < count:
                self._judge(self.watch.look(self._signs()))
        self.watch.forget()
        total, exploded = self._signs().tolist()  # here the device is waited for
        self._judge([total, exploded])
        self._seconds, self._since = self.seconds, math.nan
        return float(total) / (count * self.ranks.world)

    def _signs(self) -> Tensor:
        """The sum of the losses, and the steps whose gradient exploded (2,), of all processes together."""
        return self.ranks.sum(torch.stack([self._loss, self.learning.exploded]))

    def _judge(self, signs: list[float] | None) -> None:
        """Raise `TrainingFailure` where they say that training can't go on; None is nothing known yet."""
        if signs is not None and signs[1]:
            rate = float(self.optimiser.param_groups[0]["lr"])
            reason = f"the gradient exploded: its norm is not finite in epoch {self.epochs + 1}, at a learning rate near {rate:.2g}"
            raise TrainingFailure(reason, self.epochs + 1)
        if signs is not None:
            self._finite(signs[0], "training")

    def _order(self) -> Tensor:
        """The training rows in this epoch's order: a new one, or that of the epoch that was broken off."""
        if self._shuffle is None:
            self._shuffle, self._index, self._loss = self.orders.get_state(), 0, torch.zeros((), device=self.device)
            generator = self.orders
        else:
            generator = torch.Generator(self.device)
            generator.set_state(self._shuffle)
        return self.data.train[torch.randperm(len(self.data.train), generator=generator, device=self.device)]

    def _seed(self, when: str) -> int:
        """The seed of what this process draws for itself."""
        return self.seed if self.ranks.world == 1 else derived_seed(self.seed, f"rank {self.ranks.rank} {when}")

    def train_step(self, rows: Tensor) -> Tensor:
        """One step of the optimiser on the images `rows` (B,); the main head's loss, detached, on the device."""
        self._set_rates(self.step)
        loss = self.once.step(self._stepper(), rows)
        if self.average is not None:
            self.average.update(self.step)
        self.step += 1
        return loss

    def _stepper(self) -> Callable[[Tensor], Tensor]:
        """What does a step: as it is written, compiled from when all numbers have come to rest, or recorded."""
        if self.execution.compile and not self.learning.compiled and self.norms.settled and self.drop_path.still:
            self.learning.compile()
            self.once.expect()
        return self.learning if self.graphed is None else self.graphed

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Accuracy and mean cross-entropy over the validation rows, of all processes together; NaN where there are none."""
        module = self.judged
        module.eval()
        self.ranks.agree(module)
        if not len(self.data.validation):
            return math.nan, math.nan
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)  # one transfer for both
        share = self.ranks.share(self.data.validation)
        parts = torch.split(share, 2 * self.recipe.batch) if len(share) else ()  # without gradients, twice the batch fits
        self.inputs.expect(parts)
        for rows in parts:
            self.check()
            totals += self.validation_step(rows)
            self.pace.step()
        right, loss = (self.ranks.sum(totals) / len(self.data.validation)).tolist()
        self._finite(loss, "validation")
        return right, loss

    @torch.no_grad()
    def validation_step(self, rows: Tensor) -> Tensor:
        """Number right and summed cross-entropy (2,) of the images `rows` (B,), on the device. Needs eval mode."""
        labels = self.data.labels[rows]
        with self.learning.autocast():
            logits = self.judged(self.layout.put(self.inputs.plain(rows)))
        loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
        return torch.stack([(logits.argmax(1) == labels).sum().double(), loss.double()])

    def state(self) -> dict[str, Any]:
        """All that `restore` needs: tensors and plain values, which `torch.load(weights_only=True)` reads.

        The tensors are the run's own: write or copy them before the next step.
        """
        return {
            "key": self._key(),
            "module": self.module.state_dict(),
            "average": None if self.average is None else self.average.module.state_dict(),
            "optimiser": self.optimiser.state(),
            "scaler": self.scaler.state_dict(),
            "plateau": self.rate.plateau.state(),
            "generator": self.generator.get_state(),
            "orders": self.orders.get_state(),
            "noise": self.noise.state(),
            "shuffle": self._shuffle,
            "index": self._index,
            "loss": self._loss,
            "step": self.step,
            "begin": self.rate.begin,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "first_validation": self.first_validation,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken. Raises `NasError` where it is of another recipe, length, or kind of device.

        Of several processes all may be given the state of rank 0: what the others draw is then drawn anew. Their number
        may be another than before.
        """
        for name, own in self._key().items():
            if state["key"].get(name) != own:
                raise NasError(f"the state to go on from has {name}={state['key'].get(name)!r}; allowed: the run's own, {own!r}")
        self.module.load_state_dict(state["module"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])
        self.optimiser.restore(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.rate.plateau.restore(state["plateau"])
        self.step, self.epochs, self._index = state["step"], state["epochs"], state["index"]
        self.rate.begin = state.get("begin", 0)
        if self.graphed is not None:
            self.graphed.forget()
        if self.step > 0:
            self._set_rates(self.step - 1)  # of the last step, which whoever reports an epoch reads after it
        self.orders.set_state(state["orders"].cpu())
        if self.ranks.rank == 0:
            self.generator.set_state(state["generator"].cpu())
            self.noise.restore(state["noise"])
        else:
            self.generator.manual_seed(self._seed(f"step {self.step}"))
        self._shuffle = None if state["shuffle"] is None else state["shuffle"].cpu()
        self._loss = state["loss"].to(self.device, copy=True)
        self._seconds = self._restored = state["seconds"]
        self.first_validation = state["first_validation"]

    def go_on(self, state: dict[str, Any]) -> None:
        """Begin where a finished, shorter run of the same network and recipe ended; on fewer images or in other batches perhaps.

        Its images are the first of this run's: weights, their average, buffers and generators are taken over. The learning
        rate begins anew, a whole schedule over the steps that are left: entering this run's where as many images lead to
        ended below starting over (docs/benchmarks.md). An epoch that they do not fill is gone on with, in an order of its
        own. `seconds` count all steps, other times from here.
        Call before the first epoch. Raises `NasError` as `restore` does, and where the state has as many images or more.
        """
        own, theirs = self._key(), state["key"]
        for name in own.keys() - {"steps", "images", "seed", "batch"}:
            if theirs.get(name) != own[name]:
                raise NasError(f"the state to go on from has {name}={theirs.get(name)!r}; allowed: the run's own, {own[name]!r}")
        step = state["step"] * min(theirs["batch"], theirs["images"]) // self.batch
        if not 0 < step < self.steps or state["index"]:
            raise NasError(f"the state to go on from is of step {step}; allowed: whole epochs of fewer than {self.steps} steps")
        self.restore({**state, "key": own, "shuffle": None, "step": step, "begin": step, "first_validation": self.first_validation})
        self.rate.plateau.stale = 0  # an early stop of the shorter run is none of this one
        self.epochs, done = divmod(step, len(self.data.train) // self.batch)
        if done:
            mean = float(self._loss) * state["epochs"] / state["step"]  # of a step in the other run's last epoch
            self._shuffle, self._index, self._loss = self.orders.get_state(), done, torch.full_like(self._loss, mean * done)
            torch.randperm(len(self.data.train), generator=self.orders, device=self.device)  # the next epoch's is another

    def adopt(self, state: dict[str, Any]) -> None:
        """Be where another run of the same network stood after whole epochs, and go on by this run's own recipe.

        For population-based training (Jaderberg et al., arXiv 1711.09846): weights, buffers and generators are the other's, the
        rate and all that the recipe states are this run's, at the same epoch. A state of this very run is restored as it is.
        Raises `NasError` where images, device, number type, optimiser or the average of the weights are others.
        """
        own, theirs = self._key(), state["key"]
        if theirs == own:
            self.restore(state)
            return
        for name in ("images", "device", "optimizer", "precision"):
            if theirs.get(name) != own[name]:
                raise NasError(f"the state to go on from has {name}={theirs.get(name)!r}; allowed: the run's own, {own[name]!r}")
        if (state["average"] is None) != (self.average is None) or state["index"]:
            raise NasError("the state to go on from is amid an epoch, or one run alone averages its weights; allowed: neither")
        step = state["epochs"] * (len(self.data.train) // self.batch)
        self.restore({**state, "key": own, "step": step, "begin": 0})

    def _key(self) -> dict[str, Any]:
        """What two runs must have in common for one to go on with the other's state."""
        run = {"steps": self.steps, "images": len(self.data.train), "seed": self.seed, "device": self.device.type}
        return {**run, **self.recipe.to_dict()}

    def _set_rates(self, step: int) -> None:
        self.optimiser.set_rate(self.rate.at(step))
        self.drop_path.set(step / self.steps)
        self.norms.set(step)

    def _finite(self, loss: float, part: str) -> None:
        if not math.isfinite(loss):
            raise TrainingFailure(f"{part} loss is {loss} in epoch {self.epochs + 1}", self.epochs + 1)

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
            "once_seconds": self.once.seconds(self.seconds - self._restored) + (self.graphed.seconds if self.graphed else 0.0),
        }
        if self.cuda_devices:
            metrics["peak_memory_bytes"] = float(torch.cuda.max_memory_allocated(self.device))
        return metrics


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The number type of forward passes by a recipe's `precision`; `auto` is bfloat16 on a GPU that has it, else float32."""
    dtype: torch.dtype = getattr(torch, usual(device, name).precision)
    return dtype
