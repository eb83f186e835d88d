"""The phases of differentiable search: all networks of a space trained at once, some steps a phase, and what they come to.

Between phases everything is in the run's store, so that a search which was killed goes on behind its last phase.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas import strategies
from nas.arch.text import parse
from nas.errors import ArchitectureError, NasError
from nas.evaluators.base import Evaluation, Metrics
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.store import Store
from nas.repeatable import parameters_from
from nas.spaces import Space
from nas.spaces.skips import skips
from nas.spaces.superposed import Superposition, superposed
from nas.strategies.darts import PARTS, DartsOptions
from nas.tensors import read_tensors
from nas.training.darts import Relaxed
from nas.training.dataset import TrainingData
from nas.training.recipe import Recipe
from nas.training.run import TrainingFailure
from nas.units import format_bytes, format_count

if TYPE_CHECKING:
    from nas.arch import Architecture

PHASE = "darts"  # its name, and that of its state in the store
WARM_UP, PROBE = 2, 3  # steps before the clock is looked at, and by which it is judged
REST = 0.8  # of the time that is left, which a search after the first may take: its network is to be trained, too
Part = dict[str, Any]


def check(
    space: Space, recipe: Recipe, shape: tuple[int, int, int], classes: int, device: torch.device, fidelity: Fidelity | None
) -> str:  # fmt: skip
    """A line on the network that is to be trained, at the size of `fidelity`.

    Raises `NasError` for a space that cannot be had at once, whose networks do not all fit the input, or, where the
    fidelity is known, which needs more memory than there is.
    """
    whole = superposed(space)
    network = whole.architecture.with_input(shape, classes)
    size = fidelity or Fidelity()
    try:
        cost = network.resized(width=size.width, depth=size.depth).cost()
    except ArchitectureError as error:
        raise NasError(f"all networks of space {space.name!r} at once do not fit images of {'x'.join(map(str, shape))}: {error}") from None
    needed, there = cost.training_bytes(recipe.batch), memory(device)
    figure = f"{format_count(cost.params)} parameters, about {format_bytes(needed)} to train at batch {recipe.batch}"
    if fidelity is not None and needed > there:
        raise NasError(
            f"all networks of space {space.name!r} at once have {figure}, and there is {format_bytes(there)}; allowed: less of it, "
            f"by a smaller width or depth (now {size.width:g} and {size.depth:g}), a recipe with a smaller batch, or another space"
        )
    added = f"; {len(whole.settled)} open ways of combining are sums" if whole.settled else ""
    return f"darts: {len(whole.mixtures)} mixtures of operations, {figure}{added}"


def memory(device: torch.device) -> float:
    """Bytes that the device has in all; on a CPU no more than this process may use."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    try:
        return min(total, float(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such limit
        return total


class Program:
    """One phase. `build` makes the module of an architecture at the size of the search's candidates."""

    def __init__(
        self, data: TrainingData, recipe: Recipe, build: Callable[[Architecture], nn.Module], evaluation: Evaluation
    ) -> None:  # fmt: skip
        task = evaluation.task
        if task.store is None or not task.space:
            raise NasError("a phase of darts needs the space and the store of its search; allowed: the strategy darts, by nas.search")
        self.data, self.recipe, self.build, self.evaluation, self.task, self.store = data, recipe, build, evaluation, task, task.store
        self.options: DartsOptions = strategies.check(PHASE, **task.options)
        self.whole = superposed(Space(parse(task.space, "the space of the search")))

    def run(self) -> Metrics:
        """Train on; the metrics of all networks at once, and of the network that the scores come to so far.

        At the end of a search its network is `found`. A phase that was over when its search was killed is not trained again.
        """
        saved = read(self.store, self.data.images.device)
        if saved is not None and saved["trial"] == self.task.number:
            return self._result(saved)
        begun = None if saved is None or saved["over"] else saved  # the search that this phase goes on with
        number = (saved["program"] if saved else 0) + (begun is None)
        seed = int(begun["state"]["seed"]) if begun else self.evaluation.seed
        first = saved["first"] if saved else None
        reserve = begun["reserve"] if begun else (1.0 - REST) * self.evaluation.clock.left()
        try:
            relaxed = self._relaxed(seed, begun)
            part = self._train(relaxed, number, first, reserve)
        except TrainingFailure:  # the next begins anew, by another seed
            self._write({"trial": -1, "program": number, "over": True, "first": first, "found": []})
            raise
        self._write(part)
        return self._result(part)

    def _relaxed(self, seed: int, saved: Part | None) -> Relaxed:
        network = self.whole.architecture.with_input(self.data.shape, self.data.classes)
        with parameters_from(seed):
            module = self.build(network)
        relaxed = Relaxed(module, self.data, self.recipe, seed, self.options.rate)
        if saved is not None:
            relaxed.restore(saved["state"])
        return relaxed

    def _train(self, relaxed: Relaxed, number: int, first: int | None, reserve: float) -> Part:
        """The phase. It is the last when the steps are done, or when another would use the seconds that are to be left."""
        start, done = time.monotonic(), relaxed.step
        check = self.evaluation.clock.check
        if relaxed.steps is None:
            relaxed.steps = self._affordable(relaxed, first)
        length = min(relaxed.epoch_steps, math.ceil(relaxed.steps / PARTS))
        until = min(done + length, relaxed.steps)
        losses = relaxed.advance(max(0, until - relaxed.step), check)
        accuracy, seconds, left = relaxed.accuracy(check), time.monotonic() - start, self.evaluation.clock.left()
        over = relaxed.step >= relaxed.steps or left - seconds < reserve < math.inf
        decisions = self.whole.derive(relaxed.weights_of())
        metrics = {
            "accuracy": accuracy,
            "weights_loss": losses.weights,
            "scores_loss": losses.scores,
            "program": float(number),
            "epochs": relaxed.step / relaxed.epoch_steps,
            "planned_epochs": relaxed.steps / relaxed.epoch_steps,
            "train_seconds": seconds,
            **_skips(self.whole, decisions),
        }
        return {
            "trial": self.task.number, "program": number, "over": over, "first": first or relaxed.steps, "reserve": reserve,
            "state": {} if over else relaxed.state(), "metrics": metrics, "found": [decisions] if over else [],
        }  # fmt: skip

    def _affordable(self, relaxed: Relaxed, first: int | None) -> int:
        """Steps of this search: what was asked for, or fewer where its share of the time ends before."""
        options, clock = self.options, self.evaluation.clock
        wanted = min(options.epochs * relaxed.epoch_steps, first or 2**62)
        if not math.isfinite(clock.left()):
            return wanted
        relaxed.advance(min(WARM_UP, wanted), clock.check)
        if wanted <= WARM_UP:
            return wanted
        begun = time.monotonic()
        relaxed.advance(min(PROBE, wanted - WARM_UP), clock.check)
        step = (time.monotonic() - begun) / min(PROBE, wanted - WARM_UP)
        share = REST if first else options.share
        return max(relaxed.step, min(wanted, int(share * max(0.0, clock.left()) / step)))

    def _result(self, part: Part) -> Metrics:
        self.evaluation.found += part["found"]
        metrics: Metrics = part["metrics"]
        return metrics

    def _write(self, part: Part) -> None:
        buffer = io.BytesIO()
        torch.save(part, buffer)
        self.store.write(PHASE, buffer.getbuffer())


def read(store: Store, device: torch.device) -> Part | None:
    """What the last phase left, on `device`; None where there is nothing that can be read, and the search begins anew."""
    data = store.read(PHASE)
    if data is None:
        return None
    try:
        part: Part = read_tensors(data, device)
    except Exception:  # a damaged file is as none: what is read is checked by torch alone
        return None
    return part


def _skips(whole: Superposition, decisions: dict[str, Any]) -> Metrics:
    """By cell, how many operations there are and how many of them do nothing."""
    made: Metrics = {}
    for each in skips(whole.space.decode(decisions)):
        made |= {f"skips.{each.cell}": float(each.skips), f"operations.{each.cell}": float(each.operations)}
    return made


__all__ = ["PHASE", "Program", "check", "memory", "read"]
