"""The average of a network's weights over the steps of a run, which often validates better than the last ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """A copy of a module that follows it: after each step average = d * average + (1 - d) * weights.

    d is `decay`, at first less: min(decay, (1 + n) / (10 + n)) after n steps, as TensorFlow's
    ExponentialMovingAverage has it with `num_updates`, which EfficientNet's released code gives; so a short run is not
    judged by the weights that it began with. Statistics of batch norm are averaged like weights (there, too); counters
    are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay = decay
        theirs, ours = _tensors(module), _tensors(self.module)
        self._real = [pair for pair in zip(ours, theirs, strict=True) if pair[0].is_floating_point()]
        self._counts = [pair for pair in zip(ours, theirs, strict=True) if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the weights after 0-based step `steps`."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        averages, weights = zip(*self._real, strict=True)
        torch._foreach_lerp_(averages, [weight.detach() for weight in weights], 1 - decay)
        for ours, theirs in self._counts:
            ours.copy_(theirs)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
