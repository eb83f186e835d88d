"""Lanes that stay up from one run to the next: what follows a search needs no second start of Ray and of the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from nas.engine.lanes import Candidate, Dashboard, Done, Event, Lanes, Lost, Ready, Retired, expected_of


class KeptLanes:
    """As the lanes that `make` makes, but `stop` leaves those up that hold nothing; `close`, or the context's end, does not.

    A run that was broken off leaves lanes at work: these are stopped at once, and others are made for the next run.
    """

    def __init__(self, make: Callable[[], Lanes]) -> None:
        self._make, self._lanes, self._used = make, make(), False
        self.count, self.share, self.device = self._lanes.count, self._lanes.share, self._lanes.device
        self.expected, self.grace_seconds = expected_of(self._lanes), self._lanes.grace_seconds
        self.apart = self._lanes.apart
        self.dashboard: Dashboard | None = None
        self._up = False
        self._known: dict[int, Ready | Retired] = {}  # the last that a lane said of itself
        self._idle: set[int] = set()
        self._busy: set[int] = set()
        self._waiting: list[Event] = []  # for the next run

    def start(self) -> None:
        """Bring the lanes up, or announce again those that are."""
        if self._up:
            self.dashboard = None  # where it was
            gone = [known for known in self._known.values() if isinstance(known, Retired)]
            there = [replace(known, seconds=0.0) for known in self._known.values() if known.lane in self._idle]
            self._waiting = sorted((*there, *gone), key=lambda known: known.lane)
            return
        if self._used:
            self._lanes = self._make()
        self._up = self._used = True
        self._idle, self._busy, self._waiting, self._known = set(), set(), [], {}
        self._lanes.start()
        self.dashboard = self._lanes.dashboard

    @property
    def entangled(self) -> bool:
        """As of the lanes."""
        return self._lanes.entangled

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a lane."""
        self._idle.discard(lane)
        self._busy.add(lane)
        self._lanes.submit(lane, candidate)

    def poll(self, timeout: float) -> list[Event]:
        """What happened; waits at most `timeout` s."""
        if self._waiting:
            events, self._waiting = self._waiting, []
            return events
        events = self._lanes.poll(timeout)
        for event in events:
            self._busy.discard(event.lane)
            if isinstance(event, Ready | Retired):
                self._known[event.lane] = event
            if isinstance(event, Retired | Lost) or (isinstance(event, Done) and event.gone):
                self._idle.discard(event.lane)
            else:
                self._idle.add(event.lane)
        return events

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Move deadlines."""
        self._lanes.allow(seconds)

    def stop(self) -> None:
        """Stop lanes that are still at work, or never came up; idle ones wait for the next run."""
        if self._busy or not self._idle:
            self.close()

    def close(self) -> None:
        """End the lanes."""
        if self._up:
            self._up = False
            self._lanes.stop()

    def __enter__(self) -> KeptLanes:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
