"""One measurement at a time on a device of this machine, so that measurements don't disturb each other."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import NasError

LOOK_SECONDS = 0.2  # between two looks at the clock of whoever waits
POLL_SECONDS = 0.01


@contextmanager
def turn(device: str, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within it no other process or thread of this user measures on `device`; waits for them, and calls `check` meanwhile.

    device: `cpu` or `cuda`. The lock is the operating system's, which frees it when its holder is killed. Raises what
    `check` raises, and `NasError` where there is no place for the lock.
    """
    from filelock import FileLock, Timeout

    while True:
        check()
        try:
            lock = FileLock(_folder() / f"{_name(device)}.lock")
            lock.acquire(timeout=LOOK_SECONDS, poll_interval=POLL_SECONDS)
            break
        except Timeout:
            continue
        except (OSError, NotImplementedError) as error:
            raise NasError(f"no turn can be had to measure on {device}: {error}; allowed: a temporary folder that locks") from None
    try:
        yield
    finally:
        lock.release()


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"nas-latency-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _name(device: str) -> str:
    """The same for one GPU in all processes: workers see only their own, each as the first."""
    if device == "cpu":
        return device
    import torch

    index = torch.device(device).index or 0
    return f"cuda-{getattr(torch.cuda.get_device_properties(index), 'uuid', index)}"
