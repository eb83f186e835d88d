"""Which way of running steps is the fastest here: short measurements on a few networks, in turns."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nas.repeatable import threads
from nas.training.dataset import TrainingData
from nas.training.execution import Execution, usual
from nas.training.recipe import Recipe
from nas.training.run import Run, Size

ROUNDS = 3  # steps timed of each way and network, of which the fastest counts
BATCH = 32  # images of these steps at most, on a CPU
GAIN = {"layout": 1.05, "precision": 1.1, "graphs": 1.05, "threads": 1.2}  # what another value must gain to be taken
GRAPH_STEPS = 24  # before a recorded step is timed: statistics come to rest, it is warmed up and recorded
SAME = 0.05  # how much the loss may differ after them, relatively, with and without recording

Network = tuple[Callable[[], nn.Module], Size | None]  # what builds it, and the size of its images


@dataclass(frozen=True)
class Choice:
    """What was chosen, how many times as fast as float32 in the contiguous layout with one thread, and what it rests on.

    gain: nan where that was not measured. faster: how many times as fast as what is usual. networks: measured each way.
    seconds: that it took.
    """

    execution: Execution
    faster: float = 1.0
    gain: float = math.nan
    networks: int = 0
    seconds: float = 0.0
    remark: str = ""

    def line(self) -> str:
        """What a person reads before the launch."""
        text = f"steps: {self.execution.words()}"
        if not math.isnan(self.gain):
            text += f"; {self.gain:.1f} times float32 contiguous ({self.networks} networks measured in {self.seconds:.1f}s)"
        elif not self.networks and not self.remark:
            text += "; as usual, nothing was measured"
        return text + (f"; {self.remark}" if self.remark else "")


class Tuning:
    """Measures ways of running steps on `networks`, until `end` (of time.monotonic); one that fails is out of the race.

    fixed: fields that are not to be chosen. cores: of a worker, which may use a thread for each.
    """

    def __init__(
        self, networks: Sequence[Network], data: TrainingData, recipe: Recipe, seed: int, end: float,
        *, fixed: Mapping[str, Any] | None = None, cores: int = 1,
    ) -> None:  # fmt: skip
        self.networks, self.data, self.seed, self.end, self.cores = networks, data, seed, end, cores
        self.device = data.images.device
        self.fixed = dict(fixed or {}) | ({} if recipe.precision == "auto" else {"precision": recipe.precision})
        batch = recipe.batch if self.device.type == "cuda" else min(recipe.batch, BATCH)
        self.recipe = dataclasses.replace(recipe, batch=batch)
        self.count, self.remark = 0, ""

    def choose(self) -> Choice:
        """The fastest way, one field after another; as usual in what there was no time for."""
        begun = time.monotonic()
        best = first = usual(self.device, "auto", self.fixed)
        if not any(self._others(best, name) for name in GAIN):
            return Choice(best, remark="nothing is left to choose")
        plain = dataclasses.replace(best, layout="contiguous", precision="float32", graphs=False, threads=1)
        ways = [best, *self._others(best, "layout"), *self._others(best, "precision")]
        known = self._compare([*ways, *([] if plain in ways else [plain])])
        networks = self.count if known else 0
        for name in ("layout", "precision"):
            best = self._better(best, self._others(best, name), name, known)
        gain = known[plain] / known[best] if plain in known and best in known else math.nan
        faster = known[first] / known[best] if first in known and best in known else 1.0
        for name in ("graphs", "threads"):  # which are worth a look only then, and are measured by the wall clock
            for other in self._others(best, name):
                if self.left <= 0:
                    break
                pair = self._compare([best, other], wall=True)
                if (winner := self._better(best, [other], name, pair)) is not best:
                    won = pair[best] / pair[winner]
                    gain, faster, best = gain * won, faster * won, winner
        return Choice(best, faster, gain, networks, time.monotonic() - begun, self.remark)

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def _others(self, best: Execution, name: str) -> list[Execution]:
        """The other ways that differ in one field, as far as it is to be chosen and there is anything to choose."""
        cuda = self.device.type == "cuda"
        values: dict[str, list[Any]] = {
            "layout": ["channels_last", "contiguous"],
            "precision": ["float32", "bfloat16"] if not cuda or torch.cuda.is_bf16_supported() else ["float32"],
            "graphs": [True] if cuda else [],
            "threads": [] if cuda else [2**power for power in range(1, 7) if 2**power <= self.cores],
        }
        if name in self.fixed:
            return []
        return [dataclasses.replace(best, **{name: value}) for value in values[name] if value != getattr(best, name)]

    @staticmethod
    def _better(best: Execution, others: list[Execution], name: str, known: Mapping[Execution, float]) -> Execution:
        """The fastest of the others if it gains enough, else `best`."""
        fastest = min((other for other in others if other in known), key=lambda other: known[other], default=best)
        return fastest if best in known and known[fastest] * GAIN[name] < known[best] else best

    def _compare(self, ways: list[Execution], wall: bool = False) -> dict[Execution, float]:
        """The geometric mean of the seconds of a step, over as many networks as there was time for; empty if for none."""
        logs: dict[Execution, list[float]] = {}
        self.count = 0
        for build, size in self.networks:
            begun = time.monotonic()
            runs = {way: run for way in ways if (run := self._run(build, size, way)) is not None}
            for way, seconds in self._timed(runs, wall).items():
                logs.setdefault(way, []).append(math.log(seconds))
            self.count += 1
            if self.left < time.monotonic() - begun:
                break
        return {way: math.exp(sum(each) / len(each)) for way, each in logs.items() if len(each) == self.count}

    def _run(self, build: Callable[[], nn.Module], size: Size | None, way: Execution) -> Run | None:
        if self.left <= 0:
            return None
        try:
            run = Run(build(), self.data, self.recipe, GRAPH_STEPS, self.seed, lambda: None, size=size, execution=way)
        except (RuntimeError, ValueError):
            return None
        run.module.train()
        return run

    def _timed(self, runs: dict[Execution, Run], wall: bool) -> dict[Execution, float]:
        """The fastest step of each, in turns so that what disturbs one disturbs all."""
        clock = time.perf_counter if wall or self.device.type == "cuda" else time.thread_time
        taken: dict[Execution, float] = {}
        losses: dict[Execution, float] = {}
        for way, run in list(runs.items()):
            steps = GRAPH_STEPS if any(each.graphs for each in runs) else 1
            losses[way] = self._steps(run, way, steps)
        for _ in range(ROUNDS):
            for way, run in runs.items():
                if math.isnan(losses[way]) or (taken and self.left <= 0 and len(taken) == len(runs)):
                    continue
                begun = clock()
                self._steps(run, way, 1)
                taken[way] = min(taken.get(way, math.inf), clock() - begun)
        return {way: seconds for way, seconds in taken.items() if self._faithful(way, runs[way], losses)}

    def _steps(self, run: Run, way: Execution, count: int) -> float:
        """The loss after so many steps; nan where they fail, as for want of memory."""
        rows = self.data.train[: run.batch]
        try:
            with threads(way.threads), run.noise, run.layout:
                for _ in range(count):
                    loss = run.train_step(rows)
                return float(loss)
        except (RuntimeError, ValueError):
            return math.nan

    def _faithful(self, way: Execution, run: Run, losses: Mapping[Execution, float]) -> bool:
        """Whether a recorded step does what the step itself does; others do."""
        if run.graphed is None:
            return not math.isnan(losses[way])
        if run.graphed.reason is not None:
            self.remark = f"no CUDA graphs: {run.graphed.reason}"
            return False
        eager = losses.get(dataclasses.replace(way, graphs=False), math.nan)
        if not abs(losses[way] - eager) <= SAME * abs(eager):
            self.remark = "no CUDA graphs: their steps led elsewhere"
            return False
        return True
