"""Training of shared weights: at every step one network of many, or a group of them, on one batch of images.

Sources: ENAS, Pham et al., arXiv 1802.03268; single-path one-shot, Guo et al., arXiv 1904.00420; groups with one update,
FairNAS, Chu et al., arXiv 1907.01845, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.bank import Bank
from nas.repeatable import derived_seed
from nas.training.dataset import TrainingData
from nas.training.inputs import Inputs
from nas.training.loss import losses
from nas.training.noise import Noise, set_dropout
from nas.training.optimisers import Buffers, optimiser
from nas.training.pace import Pace
from nas.training.recipe import Recipe
from nas.training.run import CHECK_STEPS, Size, TrainingFailure, precision_of
from nas.training.schedule import Rate

FLOOR = 0.02  # of the peak: where a learning rate with restarts ends its periods (0.05 to 0.001 in arXiv 1802.03268)


class SharedWeights:
    """A bank, and what its optimiser remembers of each parameter; `step` counts all updates so far."""

    def __init__(self, bank: Bank) -> None:
        self.bank, self.step = bank, 0
        self.buffers: dict[Tensor, Buffers] = {}

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, copied, for `restore`."""
        kept = {key: self.buffers.get(item, {}) for key, item in self.bank.parameters().items()}
        return {
            "seed": self.bank.seed,
            "step": self.step,
            "parameters": {key: _copy(tensor) for key, tensor in self.bank.state().items()},
            "buffers": {key: {name: _copy(each) for name, each in own.items()} for key, own in kept.items() if own},
        }

    @staticmethod
    def restored(state: dict[str, Any], device: torch.device) -> SharedWeights:
        """As they were when `state` was taken, on `device`."""
        made = SharedWeights(Bank(state["seed"], device))
        made.bank.restore(state["parameters"])
        made.step = state["step"]
        for key, item in made.bank.parameters().items():
            if item.ndim == 4:  # as modules are laid out; what the optimiser remembers must lie as its parameter does
                item.data = item.data.to(memory_format=torch.channels_last)
            own = state["buffers"].get(key)
            if own:
                made.buffers[item] = {name: _like(item, each) for name, each in own.items()}
        return made


class SharedTraining:
    """Updates of shared weights on `data`: `index` of `updates` of a phase are done.

    What is drawn follows from `seed` and the index alone: the images of an update, their augmentation, and which of the
    `groups` of networks it trains. These come in turn, in a new order each time round. `rate` is the learning rate of an
    update, counted over all phases. `build` makes a network of the shared weights; `check` is called before every
    network and stops the training by raising: what is done is done, and going on with the same index gives the same.
    """

    def __init__(
        self, shared: SharedWeights, groups: Sequence[Sequence[Any]], build: Callable[[Any], nn.Module], data: TrainingData,
        recipe: Recipe, rate: Callable[[int], float], seed: int, check: Callable[[], None], size: Size | None = None,
    ) -> None:  # fmt: skip
        self.shared, self.groups, self.build, self.data, self.recipe = shared, groups, build, data, recipe
        self.rate, self.seed, self.check = rate, seed, check
        self.device = data.images.device
        self.batch = min(recipe.batch, len(data.train))
        self.per_epoch = len(data.train) // self.batch
        self.generator = torch.Generator(self.device)
        self.inputs = Inputs(data, recipe, size, self.generator)
        self.precision = precision_of(recipe.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)
        self.pace = Pace(self.device)
        self.index = 0
        self._order: tuple[int, Tensor] | None = None  # an epoch, and its rows
        self._turns: tuple[int, Tensor] | None = None  # a time round, and its order of groups
        self._loss, self._losses = torch.zeros((), device=self.device), 0

    def update(self) -> None:
        """One update: every network of a group on the same images, then one step of the optimiser on all their gradients.

        Raises `TrainingFailure` where the loss is not finite, looked at every so many updates.
        """
        group = self.groups[self._turn()]
        self.generator.manual_seed(derived_seed(self.seed, f"update {self.index}"))
        images, labels = self.inputs.drawn(self._rows())
        modules = nn.ModuleList([self._module(child) for child in group])
        made = optimiser(modules, self.recipe)
        made.lend(self.shared.buffers)
        made.zero_grad()  # of a group that was broken off
        for settings in made.param_groups:
            settings["lr"] = self.rate(self.shared.step)
        for module in modules:
            self.check()
            self._backward(module, images, labels)
            self.pace.step()
        if self.recipe.clip > 0:
            self.scaler.unscale_(made)  # type: ignore[arg-type]
            nn.utils.clip_grad_norm_(modules.parameters(), self.recipe.clip)
        self.scaler.step(made)  # type: ignore[arg-type]
        self.scaler.update()
        made.zero_grad()
        self.index, self.shared.step = self.index + 1, self.shared.step + 1
        if self.index % CHECK_STEPS == 0:
            self.loss()

    def loss(self) -> float:
        """The mean loss of the networks since this was last asked; NaN where there were none. Raises `TrainingFailure`."""
        total, count = float(self._loss), self._losses
        self._loss, self._losses = torch.zeros((), device=self.device), 0
        if count and not math.isfinite(total):
            raise TrainingFailure(f"training loss of shared weights is {total}", 1 + self.shared.step // self.per_epoch)
        return total / count if count else math.nan

    def _backward(self, module: nn.Module, images: Tensor, labels: Tensor) -> None:
        weights = [self.recipe.auxiliary * weight for weight in getattr(module, "aux_weights", ())]
        with Noise(module, self.generator), torch.autocast(
            self.device.type, self.precision, enabled=self.precision is not torch.float32
        ):  # fmt: skip
            output = module(images)
        main, total = losses(output, labels, self.recipe.label_smoothing, weights)
        self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        self._loss += main.detach()
        self._losses += 1

    def _module(self, child: Any) -> nn.Module:
        module = self.build(child)
        set_dropout(module, self.recipe.dropout)
        return module.train()

    def _rows(self) -> Tensor:
        """The rows (B,) of this update."""
        epoch, place = divmod(self.index, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self.data.train[_shuffled(len(self.data.train), self.seed, f"epoch {epoch}").to(self.device)]
        return self._order[1][place * self.batch : (place + 1) * self.batch]

    def _turn(self) -> int:
        """The group of this update."""
        times, place = divmod(self.index, len(self.groups))
        if self._turns is None or self._turns[0] != times:
            self._turns = times, _shuffled(len(self.groups), self.seed, f"round {times}")
        return int(self._turns[1][place])


def falling(recipe: Recipe, updates: int, per_epoch: int, batch: int) -> Callable[[int], float]:
    """The learning rate of the recipe over so many `updates` in all, where the weights are then left as they are."""
    rate = Rate(recipe, max(1, updates), max(1, round(updates / per_epoch)), batch)
    return lambda step: rate.at(min(step, updates - 1))


def restarting(recipe: Recipe, period: int, batch: int) -> Callable[[int], float]:
    """A cosine with warm restarts, each period twice as long as the last: arXiv 1608.03983, as in arXiv 1802.03268.

    From the recipe's peak to a fiftieth of it; what else the recipe says of its schedule does not count.
    """
    peak = Rate(recipe, 1, 1, batch).peak

    def rate(step: int) -> float:
        length, left = max(1, period), step
        while left >= length:
            left, length = left - length, 2 * length
        return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * left / length)))

    return rate


def _shuffled(count: int, seed: int, what: str) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(derived_seed(seed, what)))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()


def _like(parameter: Tensor, saved: Tensor) -> Tensor:
    fresh = torch.empty_like(parameter) if saved.shape == parameter.shape else torch.empty_like(saved, device=parameter.device)
    return fresh.detach().copy_(saved)
