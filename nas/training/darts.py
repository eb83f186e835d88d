"""First-order DARTS (Liu et al., arXiv 1806.09055, algorithm 1 with xi = 0): weights and scores trained by turns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.ops.modules import MixModule
from nas.repeatable import derived_seed
from nas.training.dataset import TrainingData
from nas.training.inputs import Inputs
from nas.training.loop import judge
from nas.training.loss import losses
from nas.training.noise import Noise
from nas.training.optimisers import AdamW, Sgd
from nas.training.recipe import Recipe
from nas.training.run import CHECK_STEPS, TrainingFailure, precision_of

# Section 3.1.1 (A.1.1) and the released code.
WEIGHTS = {"momentum": 0.9, "nesterov": False, "weight_decay": 3e-4, "decay": "all"}
RATE, LAST_RATE = 0.025, 0.001  # of the weights, along a cosine
CLIP = 5.0  # norm of the weights' gradient
SCORES = (0.5, 0.999, 1e-8)  # Adam's betas, and what is added to the root
SCORES_RATE = 3e-4
SCORES_DECAY = 1e-3
FIRST_SCORES = 1e-3  # their deviation at first


class Losses(NamedTuple):
    """Mean losses of some steps: of the weights on their half of the images, of the scores on theirs."""

    weights: float
    scores: float


class Relaxed:
    """A network with mixtures in training. `advance` goes on by some steps; `state` is all that a fresh one needs to go on.

    Half of the images trained on move the weights, the others the scores. `steps` is the length of the weights' cosine:
    it may be set after the first steps, which are at its top.
    """

    def __init__(
        self, module: nn.Module, data: TrainingData, recipe: Recipe, seed: int, rate: float = SCORES_RATE, steps: int | None = None
    ) -> None:  # fmt: skip
        self.device = data.images.device
        self.module = module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.data, self.recipe, self.seed, self.rate, self.steps = data, recipe, seed, rate, steps
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.scores = tie(self.module)
        first = torch.Generator().manual_seed(derived_seed(seed, "scores"))
        for vector in self.scores.values():
            vector.data.copy_(FIRST_SCORES * torch.randn(vector.shape, generator=first))
        without_scales(self.module)
        self.halves = _halves(data, seed)
        self.batch = min(recipe.batch, *map(len, self.halves))
        self.epoch_steps = min(map(len, self.halves)) // self.batch
        vectors = set(self.scores.values())
        self.weights = Sgd(nn.ParameterList([p for p in self.module.parameters() if p not in vectors and p.requires_grad]), **WEIGHTS)  # type: ignore[arg-type]
        self.mover = AdamW(nn.ParameterList(self.scores.values()), *SCORES, weight_decay=0.0)
        self.inputs, self.noise = Inputs(data, recipe, None, self.generator), Noise(self.module, self.generator)
        self.precision = precision_of(recipe.precision, self.device)
        if self.precision is torch.float16:  # without a scaler small gradients would vanish
            self.precision = torch.float32
        self.step = 0
        self._orders: tuple[int, tuple[Tensor, Tensor]] | None = None

    def advance(self, count: int, check: Callable[[], None] = lambda: None) -> Losses:
        """So many steps more of both; `check` is called before each. Raises `TrainingFailure` where a loss is not finite."""
        self.module.train()
        totals = torch.zeros(2, device=self.device)
        with self.noise:
            for index in range(count):
                check()
                totals += self._both()
                if index % CHECK_STEPS == CHECK_STEPS - 1 or index == count - 1:
                    self._finite(totals)
        weights, scores = (totals / max(1, count)).tolist()
        return Losses(weights, scores)

    def _both(self) -> Tensor:
        """A step of the scores, then one of the weights; the two losses."""
        mine, other = self._rows()
        self._set_rates()
        loss = self._loss(other)
        for vector, gradient in zip(self.scores.values(), torch.autograd.grad(loss, list(self.scores.values())), strict=True):
            vector.grad = gradient + SCORES_DECAY * vector.detach()  # Adam's own decay, which is part of the gradient
        self.mover.step()
        self.mover.zero_grad()
        trained = self._loss(mine)
        trained.backward()  # type: ignore[no-untyped-call]
        self.mover.zero_grad()
        nn.utils.clip_grad_norm_([p for group in self.weights.param_groups for p in group["params"]], CLIP)
        self.weights.step()
        self.weights.zero_grad()
        self.step += 1
        return torch.stack([trained.detach(), loss.detach()])

    def _loss(self, rows: Tensor) -> Tensor:
        images, labels = self.inputs.drawn(rows)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32):
            output = self.module(images)
        return losses(output, labels, 0.0, ())[0]

    def _rows(self) -> tuple[Tensor, Tensor]:
        """The rows (B,) of this step in both halves, each in an order of the epoch that follows from the seed."""
        epoch, index = divmod(self.step, self.epoch_steps)
        if self._orders is None or self._orders[0] != epoch:
            made = [rows[self._order(f"{which} {epoch}", len(rows))] for which, rows in enumerate(self.halves)]
            self._orders = epoch, (made[0], made[1])
        part = slice(index * self.batch, (index + 1) * self.batch)
        return self._orders[1][0][part], self._orders[1][1][part]

    def _order(self, what: str, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(derived_seed(self.seed, f"order {what}"))
        return torch.randperm(count, generator=generator).to(self.device)

    def _set_rates(self) -> None:
        along = 0.0 if self.steps is None else min(1.0, self.step / self.steps)
        rate = LAST_RATE + 0.5 * (RATE - LAST_RATE) * (1.0 + math.cos(math.pi * along))
        for group in self.weights.param_groups:
            group["lr"] = rate
        for group in self.mover.param_groups:
            group["lr"] = self.rate

    def _finite(self, totals: Tensor) -> None:
        if not bool(totals.isfinite().all()):
            epoch = self.step // self.epoch_steps + 1
            raise TrainingFailure(f"the loss of all networks at once is {totals.tolist()} in epoch {epoch}", epoch)

    def accuracy(self, check: Callable[[], None] = lambda: None) -> float:
        """Of all networks at once, on the validation rows."""
        return judge(self.module, self.data, self.recipe, check=check)

    def weights_of(self) -> dict[str, list[float]]:
        """The scores by the names of their vectors."""
        return {name: vector.detach().float().tolist() for name, vector in self.scores.items()}

    def state(self) -> dict[str, Any]:
        """What `restore` needs: tensors and plain values."""
        return {
            "step": self.step, "steps": self.steps, "seed": self.seed, "module": self.module.state_dict(),
            "weights": self.weights.state(), "mover": self.mover.state(), "generator": self.generator.get_state(),
            "noise": self.noise.state(),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, of a network and data like these."""
        self.step, self.steps = state["step"], state["steps"]
        self.module.load_state_dict(state["module"])
        self.weights.restore(state["weights"])
        self.mover.restore(state["mover"])
        self.generator.set_state(state["generator"].cpu())
        self.noise.restore(state["noise"])


def tie(module: nn.Module) -> dict[str, nn.Parameter]:
    """Let mixtures of one name share one vector; the vectors by name, in the order in which the network meets them.

    Raises `ValueError` where mixtures of one name have different numbers of options.
    """
    shared: dict[str, nn.Parameter] = {}
    for part in module.modules():
        if isinstance(part, MixModule):
            vector = shared.setdefault(part.vector, part.scores)
            if vector.shape != part.scores.shape:
                raise ValueError(f"mixtures called {part.vector!r} have {len(vector)} and {len(part.scores)} options")
            part.scores = vector
    return shared


def without_scales(module: nn.Module) -> None:
    """Batch norms learn no scale and shift: a scale could undo what the weight of an operation says (section 3.1.1)."""
    for part in module.modules():
        if isinstance(part, _BatchNorm) and part.affine:
            part.weight.requires_grad_(False)
            part.bias.requires_grad_(False)


def _halves(data: TrainingData, seed: int) -> tuple[Tensor, Tensor]:
    """The rows to train on, cut in two, every class alike."""
    first = data.part(0.5, derived_seed(seed, "halves")).train
    second = data.train[~torch.isin(data.train, first)]
    return first, second
