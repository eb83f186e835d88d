"""What a failure says of the machine rather than of the candidate, read off its reason; and what can be done about it."""

from __future__ import annotations

import gc
import re
import sys
from contextlib import suppress
from typing import Literal

Fault = Literal["memory", "device", "lost"]
MEMORY = "out of memory"  # every reason of that kind begins with it
_MEMORY_MARKS = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "status_alloc_failed",
)  # fmt: skip
_LOST = re.compile(  # the GPU is gone, or was never there: whatever ran on it can't help it
    r"gpu is lost|device lost|fallen off the bus|\bxid\b|\becc\b|uncorrectable|driver shutting down|"
    r"no cuda-capable device|no cuda gpus are available|busy or unavailable|"
    r"\bmps (client|server)|cudaerror(devicesunavailable|nodevice|eccuncorrectable|cudartunloading|unknown)|cuda error: unknown error"
)
_DEVICE = re.compile(  # after these every call of the process on that device fails
    r"cuda (driver )?error|cudaerror|device-side assert|illegal memory access|unspecified launch failure|"
    r"(cublas|cudnn)_status_(execution_failed|mapping_error|internal_error)"
)


def out_of_memory(text: str, kinds: set[str]) -> bool:
    """Whether an exception of one of these class names with that message is about want of memory."""
    low = text.lower()
    return bool(kinds & {"OutOfMemoryError", "MemoryError"}) or any(mark in low for mark in _MEMORY_MARKS)


def fault_of(reason: str | None) -> Fault | None:
    """`memory`: there was too little; `device`: the process can't use its GPU any more; `lost`: nobody can, for now.

    None: the failure is the candidate's own, or the evaluator's.
    """
    low = (reason or "").lower()
    if low.startswith(MEMORY):
        return "memory"
    if _LOST.search(low):
        return "lost"
    return "device" if _DEVICE.search(low) else None


def poisons(reason: str | None) -> bool:
    """Whether the process in which that happened is of no more use."""
    return fault_of(reason) in ("device", "lost")


def recover() -> None:
    """After want of memory: give back what nothing refers to any more, also what torch keeps of a GPU for later."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with suppress(RuntimeError):
            torch.cuda.empty_cache()
