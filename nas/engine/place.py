"""Where a lane works: the device it has, whether that can be used, and a stream of its own on a GPU."""

from __future__ import annotations

import contextlib
import math
import sys
from contextlib import AbstractContextManager

from nas.engine.packing import USABLE


def memory_of(device: str) -> float:
    """Usable bytes of a GPU (`cuda`, `cuda:1`); `inf` for a CPU, whose workers share the host's as they always did.

    Raises what torch raises where the GPU cannot be used.
    """
    if not device.startswith("cuda"):
        return math.inf
    import torch

    return USABLE * float(torch.cuda.get_device_properties(torch.device(device)).total_memory)


def kind_of(device: str, label: str = "") -> str:
    """What a device is: `cpu`, or what torch calls the GPU and, where there is one, the `label` of its node for it.

    Where torch cannot be asked the label is all there is, or nothing.
    """
    if not device.startswith("cuda"):
        return "cpu"
    try:
        import torch

        name = str(torch.cuda.get_device_name(torch.device(device)))
    except (ImportError, RuntimeError, AssertionError):
        name = ""
    return " / ".join(part for part in (name, label) if part)


def check_device(device: str) -> None:
    """Use a GPU once: whoever can't shall not begin. Raises what torch raises; an evaluator without torch needs none."""
    torch = sys.modules.get("torch")
    if torch is not None and device.startswith("cuda"):
        torch.ones(1, device=device).item()


def own_stream(device: str) -> AbstractContextManager[object]:
    """On a GPU: what the thread does within goes to a new stream, beside what other threads do there."""
    if not device.startswith("cuda"):
        return contextlib.nullcontext()
    import torch

    made: AbstractContextManager[object] = torch.cuda.stream(torch.cuda.Stream(torch.device(device)))  # type: ignore[no-untyped-call]
    return made
