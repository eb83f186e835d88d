"""Lanes that only pretend: thousands of workers in one thread, on a clock of their own, with failures, deaths and losses.

    lanes = PretendedLanes(1000, seed=0)
    Driver(study, strategy, lanes, budget, fidelity, simulated=lanes.now).run()

Everything but the evaluation is what a search does. What comes of a candidate is drawn by its number, so that a search is
the same every time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.engine.lanes import Candidate, Done, Event, Ready, Retired
from nas.evaluators import Outcome

if TYPE_CHECKING:
    from nas.engine.lanes import Dashboard


@dataclass(frozen=True)
class Fate:
    """What may come of candidates and lanes: seconds of an evaluation (the median of a log-normal distribution with that
    spread), and the probabilities that a candidate fails, that its lane dies with it, and that a lane which died does not
    come back. `back`: seconds until it does; `points`: of a learning curve.
    """

    seconds: float = 600.0
    spread: float = 0.5
    fails: float = 0.02
    dies: float = 0.005
    retires: float = 0.02
    back: float = 12.0
    points: int = 0


class PretendedLanes:
    """`count` lanes that hold one device each; `now` is their clock, which moves to the next event at every `poll`."""

    apart, entangled, device, grace_seconds = True, False, "cpu", 10.0

    def __init__(self, count: int, seed: int = 0, fate: Fate = Fate(), share: float = 1.0) -> None:
        self.count, self.share, self._seed, self._fate = count, share, seed, fate
        self.dashboard: Dashboard | None = None
        self.messages = 0  # deadlines that were moved
        self._now, self._order = 0.0, itertools.count()
        self._due: list[tuple[float, int, Event]] = []

    def now(self) -> float:
        """Seconds since the lanes were made."""
        return self._now

    def start(self) -> None:
        """All come up at once."""
        for lane in range(self.count):
            self._after(0.0, Ready(lane))

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Draw what will come of it."""
        fate, rng = self._fate, random.Random(f"{self._seed}:{candidate.number}:{lane}:fate")
        seconds = fate.seconds * math.exp(rng.gauss(0.0, fate.spread))
        allowed = min(candidate.seconds, candidate.timeout)
        if rng.random() < fate.dies:
            seconds = min(seconds, allowed) * rng.random()
            gone = rng.random() < fate.retires and self.count > 1
            event: Event = Retired(lane, "pretended", seconds) if gone else Ready(lane, seconds)
            self._after(seconds if gone else seconds + fate.back, event)
        elif seconds > allowed:
            self._after(allowed, Done(lane, candidate.number, Outcome("fail", {}, "budget", allowed)))
        elif rng.random() < fate.fails:
            self._after(seconds, Done(lane, candidate.number, Outcome("fail", {}, "pretended", seconds)))
        else:
            self._after(seconds, Done(lane, candidate.number, self._outcome(candidate, seconds)))

    def _outcome(self, candidate: Candidate, seconds: float) -> Outcome:
        """A number of the digest, and the curve towards it."""
        value = int(candidate.architecture.digest[:8], 16) / 2**32
        points = self._fate.points
        curve = tuple((float(at), value * at / points, seconds * at / points) for at in range(1, points + 1))
        return Outcome("complete", {"accuracy": value, "train_seconds": seconds}, None, seconds, first_seconds=seconds, curve=curve)

    def poll(self, timeout: float) -> list[Event]:
        """All that is due next; the clock moves there."""
        if not self._due:
            self._now += timeout
            return []
        self._now, _, event = heapq.heappop(self._due)
        events = [event]
        while self._due and self._due[0][0] <= self._now:
            events.append(heapq.heappop(self._due)[2])
        return events

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Counted only: what was drawn comes to pass."""
        self.messages += len(seconds)

    def stop(self) -> None:
        """Nothing runs."""
        self._due.clear()

    def _after(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._due, (self._now + seconds, next(self._order), event))
