"""Work that waits for a lane, and where it may go: by what it is expected to take, and what devices have left."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.engine.packing import Correction, Room
from nas.strategies import Proposal

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.evaluators import Evaluator, Fidelity
    from nas.study import Trial

MEASURED = "peak_memory_bytes"  # the metric that says what a candidate took


@dataclass
class Work:
    """A trial on its way. `prior` is the device seconds of its earlier attempts, `lost` the workers that died with it.

    `solo`: it ran out of memory beside others, and is to have its device for itself; `need` is the bytes that it is
    expected to take, before the correction.
    """

    number: int
    proposal: Proposal
    architecture: Architecture
    prior: float = 0.0
    lost: int = 0
    solo: bool = False
    need: float = 0.0
    started: float = 0.0  # by the driver's clock
    deadline: float = math.inf
    seen: float = 0.0  # up to when `used` was counted
    used: float = 0.0  # device seconds of this attempt
    weight: float = 1.0  # of the device that it is on
    lost_nodes: int = 0  # of `lost`, those that went with their nodes

    @property
    def fraction(self) -> float:
        """Of the full fidelity."""
        return self.proposal.fraction

    @property
    def alone(self) -> bool:
        """Whether nothing else may run meanwhile."""
        return self.proposal.phase is not None

    def begin(self, now: float) -> None:
        """It is handed to a lane."""
        self.started = self.seen = now
        self.used = 0.0

    def count(self, now: float, devices: float) -> None:
        """It has held so many devices since the last count."""
        self.used += (now - self.seen) * devices
        self.seen = now

    def charge(self, seconds: float, devices: float) -> float:
        """Device seconds of an attempt that took `seconds` by the lane's clock; `devices` is what a lane holds as a rule."""
        counted = self.seen - self.started
        usual = counted <= 0 or math.isclose(self.used, counted * devices, rel_tol=1e-9)
        return seconds * (devices if usual else self.used / counted)

    @classmethod
    def of(cls, trial: Trial, architecture: Architecture) -> Work:
        """What a driver that is no more has left."""
        work = cls(trial.number, trial.proposal, architecture, trial.device_seconds, trial.lost, trial.solo)
        work.lost_nodes = trial.lost_nodes
        return work


class Expected:
    """Bytes that candidates are expected to take of a device, `cpu` or `cuda`: predicted by the evaluator, and corrected."""

    def __init__(
        self, evaluator: Evaluator, fidelity: Fidelity, device: str, finished: Iterable[tuple[Any, ...]] = (), ladder: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """finished: architecture, fraction and metrics of candidates that were measured; ladder: as in `Fidelity.part`."""
        self._evaluator: Any = evaluator
        self._fidelity, self._device, self._ladder = fidelity, device, tuple(ladder)
        self._correction = Correction()
        for architecture, fraction, metrics in finished:
            self.learn(self.predicted(architecture, fraction), metrics)

    def predicted(self, architecture: Architecture, fraction: float) -> float:
        """Before the correction; 0 where it can't be told, as of what does not fit its input: its evaluation will say why."""
        try:
            return max(0.0, float(self._evaluator.memory(architecture, self._fidelity.part(fraction, self._ladder), self._device)))
        except Exception:  # an evaluator may be a user's
            return 0.0

    def learn(self, predicted: float, metrics: dict[str, float]) -> None:
        """What a finished candidate took, if its metrics say so."""
        if MEASURED in metrics:
            self._correction.learn(predicted, metrics[MEASURED])

    @property
    def factor(self) -> float:
        """The correction."""
        return self._correction.factor


class Queue:
    """Work that waits, in order. Without `expected` candidates take no room: any idle lane will do."""

    def __init__(self, room: Room | None = None, expected: Expected | None = None) -> None:
        self.room, self._expected = room or Room(), expected
        self.waiting: deque[Work] = deque()

    @property
    def open(self) -> bool:
        """Whether it makes sense to ask for something new: some lane would take it, unless it is too large."""
        return self.room.open and not any(work.alone for work in self.waiting)

    def first(self, work: Work) -> None:
        """Put it before all that waits."""
        self.waiting.appendleft(work)

    def add(self, work: Work) -> None:
        """Put it behind all that waits."""
        if self._expected is not None:
            work.need = self._expected.predicted(work.architecture, work.fraction)
        self.waiting.append(work)

    def next(self, running: bool) -> tuple[int, Work] | None:
        """A lane and what it is to do now; the lane is taken by that. None where all that waits must wait on.

        running: whether anything does. What may run with nothing else waits for that, and all behind it.
        """
        for work in list(self.waiting):
            if work.alone and (running or work is not self.waiting[0]):
                return None
            lane = self.room.take(work.number, work.need * self._factor, work.solo)
            if lane is not None:
                self.waiting.remove(work)
                work.weight = self.room.weight(lane)
                return lane, work
        return None

    def learn(self, work: Work, metrics: dict[str, float]) -> None:
        """A candidate has finished."""
        if self._expected is not None:
            self._expected.learn(work.need, metrics)

    @property
    def _factor(self) -> float:
        return self._expected.factor if self._expected is not None else 1.0
