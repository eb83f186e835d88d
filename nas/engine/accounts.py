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
        self.now, self._heartbeat = (simulated, 0.0) if simulated else (time.monotonic, HEARTBEAT_SECONDS)
        self._began = self.now() - spent - study.ledger().seconds
        self._beaten = -math.inf

    @property
    def ledger(self) -> Ledger:
        """What was used, as of the last `bring_up`."""
        return self._study.ledger()

    @property
    def due(self) -> bool:
        """Whether the ledger in the record is as old as it may be."""
        return time.monotonic() >= self._beaten + self._heartbeat

    def bring_up(self, *, write: bool = False) -> None:
        """Count up to now."""
        now = self.now()
        for lane, work in self._running.items():
            work.count(now, self._room.part(lane, self._share))
        used = {work.number: work.prior + work.used for work in self._running.values()}
        self._study.beat(used, now - self._began, write=write)
        if write:
            self._beaten = time.monotonic()

    def left(self) -> Budget:
        """What remains of every limit now."""
        self.bring_up()
        return self.budget.left(self.ledger)

    def lane_seconds(self, lanes: int, *, running: bool = False) -> float:
        """Wall seconds from now for which so many lanes can run, or (`running`) those that hold something; `inf` without a time limit.

        By the mean weight of the devices of all lanes that are up, or of these.
        """
        return self.left().lane_seconds(max(1, lanes), self._share * self._mean_weight(running))

    def _mean_weight(self, running: bool = False) -> float:
        return self._room.mean_weight(self._running if running else None)

    def charge(self, work: Work, seconds: float) -> float:
        """Device seconds of all attempts of what ends now, after `seconds` by the lane's clock."""
        return work.prior + work.charge(seconds, self._share * work.weight)

    def seconds_left(self) -> float | None:
        """By the time limits, or by the mean pace of the trials so far, whichever ends first."""
        ledger = self.ledger
        left = self.budget.left(ledger)
        done = ledger.finished + ledger.failed
        by_trials = left.trials * ledger.seconds / done if done else math.inf
        seconds = min(left.lane_seconds(max(1, self._roster.count), self._share * self._mean_weight()), by_trials)
        return seconds if math.isfinite(seconds) else None
