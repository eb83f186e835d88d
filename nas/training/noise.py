"""What a network draws at random while it trains (dropout, drop path), from a generator of the run's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd


@contextlib.contextmanager
def seeded(module: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Within it, everything that `module` draws follows from `generator`.

    Modules with a `generator` of their own are lent this one. For torch's dropout, which knows none, the process's
    global generator is seeded from it and put back afterwards; other threads must not draw from that meanwhile, so it
    is left alone where nothing needs it.
    """
    own = [part for part in module.modules() if hasattr(part, "generator")]
    others = [part for part in module.modules() if _draws(part) and part not in own]
    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    for part in own:
        part.generator = generator  # type: ignore[assignment]
    try:
        with _global(seed, generator.device) if others else contextlib.nullcontext():
            yield
    finally:
        for part in own:  # a generator cannot be copied or pickled, and the module should
            part.generator = None  # type: ignore[assignment]


def _draws(part: nn.Module) -> bool:
    """Whether it draws from the global generator in training."""
    rate = part.p if isinstance(part, _DropoutNd) else getattr(part, "rate", 0.0)
    return isinstance(rate, float) and rate > 0


@contextlib.contextmanager
def _global(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
