"""How far a program may run ahead of its device."""

from __future__ import annotations

from typing import Any

import torch


class Pace:
    """Keeps a GPU at most one step behind the program, so that the clock is asked at the step that it speaks of.

    Without it hundreds of steps are queued in a moment, and a run would go on long after its time. One step in the
    queue keeps the device busy: the wait is for the step before, while this one is queued, so a budget's deadline is
    overrun by two steps at most. On a CPU every step is done when it returns.
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
