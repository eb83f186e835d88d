"""Looks at numbers on a device without waiting for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Watch:
    """`look` says what the numbers were at the last look that has arrived; on a CPU, at this one.

    From a GPU they are copied to pinned memory while the program goes on, and read at a later look.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._held: Tensor | None = None
        self._arrival: Any = None

    def look(self, values: Tensor) -> list[float] | None:
        """Take note of `values` (N,); None where nothing has arrived yet."""
        if not self._cuda:
            return [float(each) for each in values]
        arrived = None
        if self._arrival is not None:
            if not self._arrival.query():
                return None
            assert self._held is not None
            arrived = self._held.tolist()
        if self._held is None:
            self._held = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        self._held.copy_(values, non_blocking=True)
        self._arrival = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._arrival.record()
        return arrived

    def forget(self) -> None:
        """What is on its way is of an epoch that has been judged."""
        self._arrival = None
