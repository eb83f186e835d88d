"""What a network draws at random while it trains (dropout, drop path), from a generator of the run's own."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd


class Noise:
    """Within it (`with noise:`), everything that `module` draws follows from `generator`; it may be entered again.

    Modules with a `generator` of their own are lent this one. For torch's dropout, which knows none, the process's
    global generator is seeded from it at the first entrance, goes on at later ones, and is put back at each exit; other
    threads must not draw from that meanwhile, so it is left alone where nothing needs it.
    """

    def __init__(self, module: nn.Module, generator: torch.Generator) -> None:
        self.generator = generator
        self._own: list[Any] = [part for part in module.modules() if hasattr(part, "generator")]
        self._others = any(_draws(part) and part not in self._own for part in module.modules())
        self._devices = [generator.device] if generator.device.type == "cuda" else []
        self._begun = self._inside = False
        self._left: list[Tensor] = []  # states of the global generators at the last exit
        self._fork = contextlib.ExitStack()

    def __enter__(self) -> None:
        seed = None if self._begun else int(torch.randint(2**62, (1,), generator=self.generator, device=self.generator.device))
        for part in self._own:
            part.generator = self.generator
        if self._others:
            self._fork.enter_context(torch.random.fork_rng(devices=self._devices))
            if seed is not None:
                torch.manual_seed(seed)
            else:
                self._put(self._left)
        self._begun = self._inside = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left = self._drawn()
        self._inside = False
        self._fork.close()
        for part in self._own:  # a generator cannot be copied or pickled, and the module should
            part.generator = None

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on as this one would; inside and outside alike."""
        return {"begun": self._begun, "generators": self._drawn() if self._inside else self._left}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken. Not from inside."""
        self._begun, self._left = state["begun"], state["generators"]

    def _drawn(self) -> list[Tensor]:
        if not self._others:
            return []
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._devices)]

    def _put(self, states: list[Tensor]) -> None:
        first, *others = states
        torch.set_rng_state(first.cpu())
        for device, state in zip(self._devices, others, strict=False):  # none, where it was taken on a CPU
            torch.cuda.set_rng_state(state.cpu(), device)


def set_dropout(module: nn.Module, rate: float | None) -> None:
    """Give all of a module's dropouts that have a rate another; None leaves them as they are."""
    if rate is None:
        return
    for part in module.modules():
        if isinstance(part, _DropoutNd) and part.p > 0:
            part.p = rate


def _draws(part: nn.Module) -> bool:
    """Whether it draws from the global generator in training."""
    rate = part.p if isinstance(part, _DropoutNd) else getattr(part, "rate", 0.0)
    return isinstance(rate, float) and rate > 0
