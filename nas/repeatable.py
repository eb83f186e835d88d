"""What makes work with torch repeatable: parameters drawn from a seed, and one thread. Importing this imports no torch."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator

from nas.errors import NasError

MAX_SEED = 2**63 - 1  # torch reads a seed as so long a number
_DRAWING = threading.RLock()  # torch draws parameters from its one global generator


def check_seed(seed: object) -> None:
    """Raise `NasError` for what is no seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise NasError(f"seed={seed!r:.60}; allowed: a whole number from 0 to {MAX_SEED}")


def derived_seed(seed: int, what: int | str) -> int:
    """A seed of 32 bits for one thing among those that `seed` stands for: the same in every process and after a restart."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{what}".encode()).digest()[:4], "big")


@contextlib.contextmanager
def parameters_from(seed: int) -> Iterator[None]:
    """Within it, what is built draws its parameters from `seed`; one thread at a time. The global generator is put back."""
    import torch

    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def one_thread() -> contextlib.AbstractContextManager[None]:
    """One thread on a CPU: the same bits everywhere, and workers that do not slow each other down."""
    return threads(1)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Within it torch works with `count` threads on a CPU."""
    import torch

    before = torch.get_num_threads()
    if before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
