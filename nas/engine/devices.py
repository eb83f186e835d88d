"""How many workers a machine has room for, and what each of them holds."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass

from nas.errors import NasError

AUTO = "auto"  # as many candidates on a GPU as fit


@dataclass(frozen=True)
class Shares:
    """`workers` lanes, each with `gpus` of a GPU and `cpus` cores. Without a GPU a worker counts as one device."""

    workers: int
    gpus: float
    cpus: int

    @property
    def devices(self) -> float:
        """Devices that a worker holds, in the sense of `gpuh`."""
        return self.gpus or 1.0

    @property
    def device(self) -> str:
        """`cuda` or `cpu`."""
        return "cuda" if self.gpus else "cpu"


def gpu_count() -> int:
    """GPUs that torch can use here. Torch is asked only where there may be one: importing it takes seconds."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in ("", "-1") or not (glob.glob("/proc/driver/nvidia/gpus/*") or visible):
        return 0
    import torch

    return torch.cuda.device_count()


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out(workers: int | None, gpus_per_trial: float | str | None, *, gpus: int, cores: int) -> Shares:
    """Workers for all devices, or as many as asked for: a GPU each (or the share asked for), else a core each.

    With `auto` one a GPU, or core, to begin with: `nas.engine.sharing.packed` chooses, once it is known what is trained.
    Raises `NasError` when what is asked for is no count or share, or more than there is of GPUs.
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise NasError(f"workers={workers!r}; allowed: a whole number from 1")
    if gpus_per_trial == AUTO:
        return share_out(min(workers or gpus, gpus) or workers, None, gpus=gpus, cores=cores)
    share = _share(gpus_per_trial, gpus)
    if not share:
        return Shares(workers or cores, 0.0, 1)
    room = round(gpus / share) if share <= 1 and abs(gpus / share - round(gpus / share)) < 1e-9 else int(gpus / share)
    if (workers or 1) > room:
        needs = (workers or 1) * share
        raise NasError(f"workers={workers or 1} of {share:g} GPUs need {needs:g}; allowed: at most {room} of {gpus} GPUs")
    count = workers or room
    return Shares(count, share, max(1, cores // count))


def _share(asked: float | str | None, gpus: int) -> float:
    if asked is None:
        return 1.0 if gpus else 0.0
    known = isinstance(asked, int | float) and not isinstance(asked, bool)
    if not known or isinstance(asked, str) or not 0 <= asked < float("inf") or (asked > 1 and asked != int(asked)):
        raise NasError(f"gpus_per_trial={asked!r}; allowed: a fraction in (0, 1], a whole number, 0 for none, or 'auto'")
    asked = float(asked)
    if asked and not gpus:
        raise NasError(f"gpus_per_trial={asked:g}, but no GPU can be used here; leave it out to search on CPU cores")
    return asked
