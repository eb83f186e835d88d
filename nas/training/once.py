"""What a training costs once, beside the steps that it is made of."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor


class Once:
    """Seconds of building, and of what the first step, the recorded and the compiled one took beyond an ordinary step.

    Steps that are expected to be slow are waited for on the device, no others.
    """

    def __init__(self, device: torch.device, seconds: float) -> None:
        self._cuda = device.type == "cuda"
        self._begun = seconds
        self._slow = 0.0  # seconds of slow steps
        self._count = self._steps = 0  # slow steps, all steps
        self._expected = True

    def expect(self) -> None:
        """The next step will be slow."""
        self._expected = True

    def step(self, action: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """`action(rows)`, a step, timed if it was expected to be slow."""
        self._steps += 1
        if not self._expected:
            return action(rows)
        begun, self._expected = time.monotonic(), False
        made = action(rows)
        if self._cuda:
            torch.cuda.synchronize(rows.device)
        self._slow, self._count = self._slow + time.monotonic() - begun, self._count + 1
        return made

    def seconds(self, training: float) -> float:
        """Of all this, after `training` seconds of steps in this process."""
        others = max(training - self._slow, 0.0) / max(self._steps - self._count, 1)
        return self._begun + max(self._slow - self._count * others, 0.0)
