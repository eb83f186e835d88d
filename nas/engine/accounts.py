"""The ledger as the driver keeps it: what running work has used by its clock, and what is left for lanes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nas.budget import Budget, Ledger

if TYPE_CHECKING:
    from nas.engine.packing import Room
    from nas.engine.queue import Work
    from nas.engine.roster import Roster
    from nas.study import Recorder

HEARTBEAT_SECONDS = 5.0  # the ledger in the record is at most this old
FRESH_SECONDS = 0.01  # what was counted so lately need not be counted again: counting is a look at every lane


class Accounts:
    """Counts device seconds of running work (by lane) into the record, and shares out what is left of the budget.

    share: devices that a lane holds as a rule; room: what each really has; spent: wall seconds that were used before;
    simulated: a clock by which budgets are counted in place of the real one.
    """

    def __init__(
        self, study: Recorder, budget: Budget, share: float, room: Room, roster: Roster, running: dict[int, Work], *,
        spent: float = 0.0, simulated: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self.budget = budget
        self._study, self._share, self._room, self._roster, self._running = study, share, room, roster, running
        self.now, self.heartbeat = (simulated, 0.0) if simulated else (time.monotonic, HEARTBEAT_SECONDS)
        self._began = self.now() - spent - study.ledger().seconds
        self._beaten = self._counted = -math.inf

    @property
    def ledger(self) -> Ledger:
        """What was used, as of the last `bring_up`."""
        return self._study.ledger()

    @property
    def due(self) -> bool:
        """Whether the ledger in the record is as old as it may be."""
        return self.now() >= self._beaten + self.heartbeat

    def bring_up(self, *, write: bool = False) -> None:
        """Count up to now. Needed before what lanes hold changes, for with it may change what part of a device each has."""
        now = self._counted = self.now()
        used: dict[int, float] = {}
        whole = self._share if self._share >= 1 else None
        for lane, work in self._running.items():
            work.count(now, whole or self._room.part(lane, self._share))
            used[work.number] = work.prior + work.used
        self._study.beat(used, now - self._began, write=write)
        if write:
            self._beaten = now

    def left(self) -> Budget:
        """What remains of every limit now, or of a moment ago."""
        if self.now() > self._counted + (FRESH_SECONDS if self.heartbeat else 0.0):
            self.bring_up()
        return self.budget.left(self.ledger)

    def lane_seconds(self, lanes: int) -> float:
        """Wall seconds from now for which so many lanes can run; `inf` where no time limit is set."""
        return self.left().lane_seconds(max(1, lanes), self._share)

    def charge(self, work: Work, seconds: float) -> float:
        """Device seconds of all attempts of what ends now, after `seconds` by the lane's clock."""
        return work.prior + work.charge(seconds, self._share)

    def seconds_left(self) -> float | None:
        """By the time limits, or by the mean pace of the trials so far, whichever ends first."""
        ledger = self.ledger
        left = self.budget.left(ledger)
        done = ledger.finished + ledger.failed
        by_trials = left.trials * ledger.seconds / done if done else math.inf
        seconds = min(left.lane_seconds(max(1, self._roster.count), self._share), by_trials)
        return seconds if math.isfinite(seconds) else None
