"""The ledger as the driver keeps it: what running work has used by its clock, and what is left for lanes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from nas.budget import Budget, Ledger

if TYPE_CHECKING:
    from nas.engine.others import Others
    from nas.engine.packing import Room
    from nas.engine.queue import Work
    from nas.engine.roster import Roster
    from nas.study import Recorder

HEARTBEAT_SECONDS = 5.0  # the ledger in the record is at most this old
FRESH_SECONDS = 0.01  # what was counted so lately need not be counted again: counting is a look at every lane


class Accounts:
    """Counts device seconds of running work (by lane) into the record, and shares out what is left of the budget.

    share: devices that a lane holds as a rule; room: what each really has; others: who shares the budget; spent: wall seconds
    that were used before; simulated: a clock by which budgets are counted in place of the real one.
    """

    def __init__(
        self, study: Recorder, budget: Budget, share: float, room: Room, roster: Roster, running: dict[int, Work], others: Others, *,
        spent: float = 0.0, simulated: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self.budget, self._others = budget, others
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
        whole = self._share if self._share >= 1 and not self._room.weighted else None
        for lane, work in self._running.items():
            work.count(now, whole or self._room.part(lane, self._share))
            used[work.number] = work.prior + work.used
        self._study.beat(used, now - self._began, write=write)
        if write:
            self._beaten = now

    def catch_up(self) -> None:
        """The search has lasted as long as the record says, if another driver was at work before this one."""
        self._began = min(self._began, self.now() - self.ledger.seconds)

    def left(self) -> Budget:
        """What remains of every limit now, or of a moment ago."""
        if self.now() > self._counted + (FRESH_SECONDS if self.heartbeat else 0.0):
            self.bring_up()
        return self._left()

    def _left(self) -> Budget:
        ledger = self.ledger
        return self.budget.left(replace(ledger, device_seconds=ledger.device_seconds + self._others.used()))

    def lane_seconds(self, lanes: int) -> float:
        """Wall seconds from now for which so many lanes can run, and those of others; `inf` where no time limit is set."""
        return self._lane_seconds(self.left(), lanes)

    def _lane_seconds(self, left: Budget, lanes: int) -> float:
        return left.lane_seconds(1, max(1, lanes) * self._share * self._room.mean_weight() + self._others.devices(closing=False))

    def allowed(self, closing: bool) -> float:
        """Wall seconds from now for which what runs may go on; `inf` where no time limit is set.

        closing: nothing new is launched, so that what is left is for these alone; on a GPU that several lanes share, one that
        runs there alone takes all of it.
        """
        if closing:
            rate = sum(self._room.part(lane, self._share) for lane in self._running)
        else:
            rate = max(1, self._roster.count) * self._share * self._room.mean_weight()
        rate += self._others.devices(closing) if rate else 0.0
        return self.left().lane_seconds(1, rate) if rate else math.inf

    def charge(self, work: Work, seconds: float | None) -> float:
        """Device seconds of all attempts of what ends now, after `seconds` by the lane's clock; None: as was counted here."""
        return work.prior + (work.used if seconds is None else work.charge(seconds, self._share * work.weight))

    def seconds_left(self) -> float | None:
        """By the time limits, or by the mean pace of the trials so far, whichever ends first."""
        ledger = self.ledger
        left = self._left()
        done = ledger.finished + ledger.failed
        by_trials = left.trials * ledger.seconds / done if done else math.inf
        seconds = min(self._lane_seconds(left, self._roster.count), by_trials)
        return seconds if math.isfinite(seconds) else None
