"""One step of training: rows of the data set in, weights moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.training.execution import Execution
from nas.training.inputs import Inputs
from nas.training.layout import Layout
from nas.training.loss import losses
from nas.training.optimisers import Optimiser
from nas.training.recipe import Recipe


class Step:
    """Draws a batch, runs it through `network` and moves `module`'s weights; nothing here waits for the device.

    weights: factors on the losses of all outputs but the main one. network: what runs forward of `module`, which may be
    `module` itself. reason: why it goes on uncompiled, in a line, where compiling failed.
    """

    def __init__(
        self, module: nn.Module, network: nn.Module, inputs: Inputs, optimiser: Optimiser, recipe: Recipe,
        execution: Execution, layout: Layout, weights: Sequence[float], device: torch.device,
    ) -> None:  # fmt: skip
        self.module, self.network, self.inputs, self.optimiser, self.recipe = module, network, inputs, optimiser, recipe
        self.layout, self.weights, self.device = layout, weights, device
        self.precision: torch.dtype = getattr(torch, execution.precision)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision is torch.float16)
        self.exploded = torch.zeros((), device=device)  # steps whose loss was a finite number and whose gradient was not
        self.compiled, self.reason = False, ""
        self._forward: Any = network

    def __call__(self, rows: Tensor) -> Tensor:
        """A step on the images `rows` (B,); the main head's loss, detached, on the device."""
        return self.learn(*self.inputs.drawn(rows))

    def learn(self, images: Tensor, labels: Tensor) -> Tensor:
        """The same from a batch as `Inputs.drawn` gives it."""
        with self.autocast():
            output = self._outputs(self.layout.put(images))
        main, total = losses(output, labels, self.recipe.label_smoothing, self.weights)
        self.optimiser.zero_grad()
        self.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip > 0:
            self.scaler.unscale_(self.optimiser)  # type: ignore[arg-type]
            norm = nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip)
            if not self.scaler.is_enabled():  # which leaves such a step out
                self.exploded += torch.isfinite(main.detach()) & ~torch.isfinite(norm)
        self.scaler.step(self.optimiser)  # type: ignore[arg-type]
        self.scaler.update()
        return main.detach()

    def compile(self) -> None:
        """From here on the network is compiled. Only once nothing that it reads as a plain number changes any more."""
        self.compiled, self._forward = True, torch.compile(self.network, dynamic=False)

    def _outputs(self, images: Tensor) -> Any:
        """As the network was written, from when the compiler fails."""
        try:
            return self._forward(images)
        except Exception as error:
            if self._forward is self.network:
                raise
            self.reason = "it cannot be compiled: " + " ".join(str(error).split())[:120]
            self._forward = self.network
            return self.network(images)

    def autocast(self) -> torch.autocast:
        """The number type of the forward pass."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)
