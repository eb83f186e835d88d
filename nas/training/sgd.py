"""Stochastic gradient descent with Nesterov momentum, by torch's own fused update."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class Sgd:
    """The update of `torch.optim.SGD`, to the bit, in two groups: kernels and matrices decay, the rest does not.

    Calls torch's functional form: making the class imports torch's compiler, 1.6 s in every worker. `param_groups`,
    `step` and `zero_grad` are as there, which is all that a gradient scaler asks for.
    """

    def __init__(self, module: nn.Module, momentum: float, nesterov: bool, weight_decay: float) -> None:
        self.momentum, self.nesterov = momentum, nesterov
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.param_groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay, "lr": 0.0},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "lr": 0.0},
        ]
        self._buffers: dict[Tensor, Tensor | None] = dict.fromkeys(parameters)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._buffers:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            fresh = [parameter for parameter in moved if self._buffers[parameter] is None]
            known = [parameter for parameter in moved if self._buffers[parameter] is not None]
            for parameters in (fresh, known):  # torch wants the first momentum of all of a call, or of none
                self._move(parameters, group["weight_decay"], group["lr"])

    def _move(self, parameters: list[nn.Parameter], weight_decay: float, rate: float) -> None:
        if not parameters:
            return
        buffers = [self._buffers[parameter] for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        sgd(
            list(parameters), gradients, buffers, foreach=False, fused=True, weight_decay=weight_decay, lr=rate,
            momentum=self.momentum, dampening=0.0, nesterov=self.nesterov, maximize=False,
        )  # fmt: skip
        self._buffers.update(zip(parameters, buffers, strict=True))
