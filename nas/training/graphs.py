"""The whole training step as one CUDA graph: a GPU replays it, without Python and without a launch for every kernel.

Not measured: it was written where there was no GPU. What does not touch torch.cuda is tested with a stand-in for `Capture`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from nas.ops.modules import DropPathModule
from nas.training.execution import Execution
from nas.training.recipe import Recipe
from nas.training.step import Step

WARM = 3  # steps on the side stream before the recording, in which libraries choose and allocate


class Capture(Protocol):
    """What records a GPU's work."""

    def warm(self, action: Callable[[], None]) -> None:
        """Do `action` as it will be recorded."""
        ...

    def record(self, action: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """Record `action`, without doing it; what is returned does it, drawing on from `generators`."""
        ...


class CudaCapture:
    """Records the work of one GPU; other threads may go on with theirs meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def warm(self, action: Callable[[], None]) -> None:
        """On a stream of its own, as torch asks for."""
        with torch.cuda.device(self.device):
            side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            own = torch.cuda.current_stream(self.device)
            side.wait_stream(own)
            with torch.cuda.stream(side):
                action()
            own.wait_stream(side)

    def record(self, action: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """The replay of `action`."""
        with torch.cuda.device(self.device):
            graph = torch.cuda.CUDAGraph()
            for generator in generators:
                graph.register_generator_state(generator)
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                action()
            replay: Callable[[], None] = graph.replay
            return replay


class Graphed:
    """`step`, of always the same number of rows: the first times as it is, then recorded, then replayed.

    Where it cannot be recorded it goes on as it is, with the same result; `reason` then says why, in a line. What changes from
    step to step must be in memory: the learning rate is, `settled` says when all else has come to rest.
    """

    def __init__(
        self, step: Step, capture: Capture, generators: Sequence[torch.Generator], settled: Callable[[], bool],
        obstacle: str | None = None,
    ) -> None:  # fmt: skip
        self.step, self.capture, self.generators, self.settled = step, capture, generators, settled
        self.reason = obstacle
        self.seconds = 0.0  # that recording took
        self._warmed = 0
        self._replay: Callable[[], None] | None = None
        self._inside = isinstance(step.inputs.data.images, Tensor) and draws_alike(step.recipe)
        self._buffers: tuple[Tensor, ...] = ()
        self._loss = torch.zeros((), device=step.device)

    @property
    def replays(self) -> bool:
        """Whether the step is replayed by now."""
        return self._replay is not None

    def __call__(self, rows: Tensor) -> Tensor:
        """As `step`; the loss lies where the next one will be written."""
        if self.reason is not None or (self._replay is None and not self.settled()):
            return self.step(rows)
        self._fill(rows)
        if self._replay is None and self._warmed < WARM:
            self._warmed += 1
            self.capture.warm(self._action)
            return self._loss
        if self._replay is None and not self._record():
            return self.step.learn(*self._buffers) if not self._inside else self.step(rows)
        assert self._replay is not None
        self._replay()
        return self._loss

    def forget(self) -> None:
        """Record anew: weights or what belongs to them lie elsewhere now."""
        self._replay, self._warmed, self._buffers = None, 0, ()

    def _fill(self, rows: Tensor) -> None:
        """Put the step's input where the recording reads it."""
        values = (rows,) if self._inside else self.step.inputs.drawn(rows)
        if not self._buffers:
            self._buffers = tuple(value.clone(memory_format=torch.preserve_format) for value in values)
        for buffer, value in zip(self._buffers, values, strict=True):
            buffer.copy_(value)

    def _action(self) -> None:
        self._loss.copy_(self.step(*self._buffers) if self._inside else self.step.learn(*self._buffers))

    def _record(self) -> bool:
        """Whether it could be recorded."""
        begun, states = time.monotonic(), [generator.get_state() for generator in self.generators]
        self.step.optimiser.zero_grad()  # so that gradients lie in the recording's own memory
        try:
            self._replay = self.capture.record(self._action, self.generators)
        except RuntimeError as error:  # a wait for the device, memory, or what a library does not record
            self.reason = "it cannot be recorded: " + " ".join(str(error).split())[:120]
            for generator, state in zip(self.generators, states, strict=True):
                generator.set_state(state)
            self.step.optimiser.zero_grad()
        self.seconds += time.monotonic() - begun
        return self._replay is not None


def draws_alike(recipe: Recipe) -> bool:
    """Whether the recipe's augmentation is the same work for every batch, so that it can be recorded with the step."""
    return recipe.random_augment == 0 and recipe.mixup == 0 and recipe.cutmix == 0 and recipe.crop == 0


def obstacle(module: nn.Module, execution: Execution, device: torch.device, together: bool) -> str | None:
    """Why the step of this network cannot be recorded, in a line; None where nothing is known to stand against it.

    together: several processes train it.
    """
    if device.type != "cuda":
        return "there is no GPU"
    if execution.precision == "float16":
        return "float16 waits for the device at every step; allowed: bfloat16, float32"
    if any(isinstance(part, DropPathModule) and part.rate > 0 for part in module.modules()):
        return "drop path changes its rate at every step"
    return "several processes train it" if together else None
