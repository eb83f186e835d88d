"""The optimisers of a recipe: SGD and AdamW by torch's own fused updates, RMSprop in TensorFlow's form.

They call torch's functional forms: making its classes imports its compiler, 1.6 s in every worker.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from nas.training.recipe import Recipe

Buffers = dict[str, Tensor]


class Optimiser(ABC):
    """Moves the parameters of a module that take a gradient, in two groups: what decays and what does not.

    `param_groups`, `step` and `zero_grad` are as in torch, which is all that a gradient scaler asks for. `decay` is
    `kernels` (with matrices) or `all`.
    """

    def __init__(self, module: nn.Module, weight_decay: float, decay: str = "kernels") -> None:
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        decayed = [p for p in parameters if p.ndim > 1 or decay == "all"]
        others = [p for p in parameters if not (p.ndim > 1 or decay == "all")]
        self.param_groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": weight_decay, "lr": 0.0},
            {"params": others, "weight_decay": 0.0, "lr": 0.0},
        ]
        self._buffers: dict[Tensor, Buffers] = {parameter: {} for parameter in parameters}

    def lend(self, buffers: dict[Tensor, Buffers]) -> None:
        """Remember in `buffers` from now on, where other optimisers of the same parameters may find and leave what they remember."""
        self._buffers = {parameter: buffers.setdefault(parameter, {}) for parameter in self._buffers}

    def keep_rate(self, device: torch.device) -> None:
        """The learning rate lies on `device` from here on, where a recorded step reads it."""
        rate = torch.zeros((), device=device)
        for group in self.param_groups:
            group["lr"] = rate

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next step."""
        for group in self.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forget all gradients: the next ones are written, not added, so nothing is set to zero."""
        for parameter in self._buffers:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            fresh = [parameter for parameter in moved if not self._buffers[parameter]]
            known = [parameter for parameter in moved if self._buffers[parameter]] if fresh else moved
            for parameters in (fresh, known):  # torch wants the first momentum of all of a call, or of none
                if parameters:
                    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
                    self._move(parameters, gradients, group["weight_decay"], group["lr"])

    @abstractmethod
    def _move(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float, rate: Any) -> None:
        """One step of `parameters`, all of which have buffers, or none; `rate` is a number, or a tensor on their device."""

    def _all(self, name: str, parameters: list[nn.Parameter]) -> list[Tensor]:
        return [self._buffers[parameter][name] for parameter in parameters]

    def state(self) -> list[Buffers]:
        """The buffers of every parameter, in the module's order; the tensors are the optimiser's own."""
        return list(self._buffers.values())

    def restore(self, state: list[Buffers]) -> None:
        """Copies of the buffers that `state` gave for the same module."""
        for (parameter, own), saved in zip(self._buffers.items(), state, strict=True):
            own.clear()
            for name, buffer in saved.items():  # in the layout that the parameter has
                fresh = torch.empty_like(parameter) if buffer.shape == parameter.shape else torch.empty_like(buffer)
                own[name] = fresh.detach().copy_(buffer)


class Sgd(Optimiser):
    """The update of `torch.optim.SGD`, to the bit."""

    def __init__(
        self, module: nn.Module, momentum: float, nesterov: bool, weight_decay: float, decay: str = "kernels"
    ) -> None:
        super().__init__(module, weight_decay, decay)
        self.momentum, self.nesterov = momentum, nesterov

    def _move(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float, rate: Any) -> None:
        fresh = not self._buffers[parameters[0]]
        buffers: list[Any] = [None] * len(parameters) if fresh else self._all("momentum", parameters)
        sgd(
            list(parameters), gradients, buffers, foreach=False, fused=True, weight_decay=weight_decay, lr=rate,
            momentum=self.momentum, dampening=0.0, nesterov=self.nesterov, maximize=False,
        )  # fmt: skip
        if fresh and self.momentum:
            for parameter, buffer in zip(parameters, buffers, strict=True):
                self._buffers[parameter]["momentum"] = buffer


class RmsProp(Optimiser):
    """RMSprop as TensorFlow has it, which NASNet, AmoebaNet and EfficientNet were trained by.

        m = rho * m + (1 - rho) * g^2          m begins at 1
        v = momentum * v + rate * g / sqrt(m + eps)
        w = w - v

    torch's own form differs in all three lines: m begins at 0, eps is added to the root, and the rate is multiplied in
    after the momentum, so that a drop of the rate acts at once. With the published numbers (eps 0.001) it is another
    optimiser: eps within the root limits a step to rate * g / 0.03, outside it to rate * g / 0.001.
    """

    def __init__(
        self, module: nn.Module, momentum: float, rho: float, eps: float, weight_decay: float, decay: str = "kernels"
    ) -> None:
        super().__init__(module, weight_decay, decay)
        self.momentum, self.rho, self.eps = momentum, rho, eps

    def _move(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float, rate: Any) -> None:
        for parameter in parameters:
            if not self._buffers[parameter]:
                self._buffers[parameter].update(square=torch.ones_like(parameter), momentum=torch.zeros_like(parameter))
        squares, momenta = self._all("square", parameters), self._all("momentum", parameters)
        if weight_decay:
            gradients = list(torch._foreach_add(gradients, list(parameters), alpha=weight_decay))
        torch._foreach_mul_(squares, self.rho)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - self.rho)
        roots = torch._foreach_add(squares, self.eps)
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(momenta, self.momentum)
        if isinstance(rate, Tensor):
            moves = torch._foreach_div(gradients, roots)
            torch._foreach_mul_(moves, rate)
            torch._foreach_add_(momenta, moves)
        else:
            torch._foreach_addcdiv_(momenta, gradients, roots, rate)
        torch._foreach_sub_(list(parameters), momenta)


class AdamW(Optimiser):
    """The update of `torch.optim.AdamW`, to the bit (Loshchilov & Hutter, arXiv 1711.05101)."""

    def __init__(
        self, module: nn.Module, beta1: float, beta2: float, eps: float, weight_decay: float, decay: str = "kernels"
    ) -> None:
        super().__init__(module, weight_decay, decay)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def _move(self, parameters: list[nn.Parameter], gradients: list[Tensor], weight_decay: float, rate: Any) -> None:
        for parameter in parameters:
            if not self._buffers[parameter]:
                zero = torch.zeros((), dtype=torch.float32, device=parameter.device)
                mean, square = torch.zeros_like(parameter), torch.zeros_like(parameter)
                self._buffers[parameter].update(steps=zero, mean=mean, square=square)
        means, squares, steps = (self._all(name, parameters) for name in ("mean", "square", "steps"))
        adamw(
            list(parameters), gradients, means, squares, [], steps, foreach=False, fused=True, amsgrad=False,
            beta1=self.beta1, beta2=self.beta2, lr=rate, weight_decay=weight_decay, eps=self.eps, maximize=False,
        )  # fmt: skip


def optimiser(module: nn.Module, recipe: Recipe) -> Optimiser:
    """The optimiser that the recipe names, on the parameters of `module`."""
    last = (recipe.weight_decay, recipe.decay)
    if recipe.optimizer == "rmsprop":
        return RmsProp(module, recipe.momentum, recipe.square_decay, recipe.eps, *last)
    if recipe.optimizer == "adamw":
        return AdamW(module, recipe.momentum, recipe.square_decay, recipe.eps, *last)
    return Sgd(module, recipe.momentum, recipe.nesterov, *last)
