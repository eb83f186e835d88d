"""Simulated time: lanes whose evaluators do not wait, but say how long an evaluation would have taken."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nas.engine.lanes import Candidate, Done, Event, Lanes, Lost, Ready, Retired

if TYPE_CHECKING:
    from nas.engine.lanes import Dashboard


class SimulatedLanes:
    """Hands over the events of other lanes in the order of simulated time, which `now` tells.

    An event is held back until every lane that works has answered: only then is it sure to be the next. So several
    workers give the same search every time, whichever of their processes is faster in reality.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self.count, self.share, self.device = lanes.count, lanes.share, lanes.device
        self.grace_seconds, self.apart, self.entangled = lanes.grace_seconds, lanes.apart, False
        self.dashboard: Dashboard | None = None
        self._time = 0.0
        self._begun: dict[int, float] = {}  # of lanes that have not answered yet
        self._done: dict[int, tuple[float, Done]] = {}  # answers, and when they are due
        self._missing = set(range(lanes.count))  # lanes that have not come up yet: the search begins with all of them
        self._ready: dict[int, Ready | Lost | Retired] = {}  # of which the driver is to hear at once

    def now(self) -> float:
        """Simulated seconds since the lanes were made."""
        return self._time

    def start(self) -> None:
        """Bring the lanes up."""
        self._lanes.start()
        self.dashboard = self._lanes.dashboard

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a lane; it begins now, in simulated time."""
        self._begun[lane] = self._time
        self._lanes.submit(lane, candidate)

    def poll(self, timeout: float) -> list[Event]:
        """The next event in simulated time; nothing when some lane has not answered within `timeout` s of real time."""
        end = time.monotonic() + timeout
        while not (self._ready or self._done) or self._waits():
            if (left := end - time.monotonic()) <= 0:
                return []
            self._take(left)
        return self._next()

    def _waits(self) -> bool:
        """Whether what is known may not be handed over yet."""
        return bool(self._missing) or (bool(self._begun) and not self._ready)

    def _take(self, timeout: float) -> None:
        """Note what the lanes say. A worker that died took no simulated time."""
        for event in self._lanes.poll(timeout):
            begun = self._begun.pop(event.lane, None)
            if isinstance(event, Retired):
                self._missing.discard(event.lane)
                self._done.pop(event.lane, None)
                self._ready[event.lane] = event
            elif isinstance(event, Lost):
                self._go_down(event)
            elif isinstance(event, Ready):
                self._missing.discard(event.lane)
                self._come_up(event)
            elif begun is not None:
                self._done[event.lane] = (begun + event.outcome.seconds, event)

    def _go_down(self, lost: Lost) -> None:
        lane = lost.lane
        if lane in self._done:  # it had answered before it died
            due, done = self._done[lane]
            self._done[lane] = (due, replace(done, gone=True))
        else:
            self._ready[lane] = replace(lost, seconds=0.0)

    def _come_up(self, ready: Ready) -> None:
        lane = ready.lane
        if lane in self._done:  # it had answered before it died: the answer counts, and then the lane is idle
            due, done = self._done[lane]
            self._done[lane] = (due, replace(done, gone=False))
        else:
            self._ready[lane] = replace(ready, seconds=0.0)

    def _next(self) -> list[Event]:
        if self._ready:
            ready, self._ready = self._ready, {}
            return [ready[lane] for lane in sorted(ready)]
        lane = min(self._done, key=lambda each: (self._done[each][0], each))
        due, event = self._done.pop(lane)
        self._time = max(self._time, due)
        return [event]

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Nothing: what is evaluated at once can be given no more time."""

    def stop(self) -> None:
        """End the lanes."""
        self._lanes.stop()
