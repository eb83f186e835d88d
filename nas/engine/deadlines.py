"""When what lanes hold must have ended: told to the lanes as that moves, and who is far beyond it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.engine.accounts import Accounts
    from nas.engine.lanes import Lanes
    from nas.engine.queue import Work

LOST_SECONDS = 15.0  # beyond the grace: a lane that has not answered by then never will
MOVED_SECONDS = 0.02  # a deadline that moved by less is not told
TELL_SECONDS = 1.0  # but it is told as often, for lanes may not listen to each


class Deadlines:
    """Deadlines of what runs (`running`, by lane); `timeout` says how long a piece of work may take at most.

    A look at every lane is taken only when the deadline of the budget has moved, or once a second; and to find who is late
    only when the first of all deadlines has passed.
    """

    def __init__(self, lanes: Lanes, accounts: Accounts, running: dict[int, Work], timeout: Callable[[Work], float]) -> None:
        self._lanes, self._accounts, self._running, self._timeout = lanes, accounts, running, timeout
        self._end, self._told = math.nan, -math.inf  # of the budget as it was told, and when
        self._first = math.inf  # no deadline is before

    def begin(self, work: Work, seconds: float) -> None:
        """Work has begun which the budget allows so many seconds."""
        self._set(work, work.started + seconds)

    def share(self, closing: bool) -> None:
        """Share what is left of the budget among the lanes; `closing`: among those that hold something alone."""
        seconds = self._accounts.allowed(closing)
        if not math.isfinite(seconds):
            return
        now = self._accounts.now()
        if abs(now + seconds - self._end) < MOVED_SECONDS and now < self._told + TELL_SECONDS:
            return
        self._end, self._told, self._first = now + seconds, now, math.inf
        self._lanes.allow(dict.fromkeys(self._running, seconds))
        for work in self._running.values():
            self._set(work, self._end)

    def late(self) -> list[tuple[int, Work]]:
        """What should have ended long ago, with its lane."""
        limit = self._accounts.now() - self._lanes.grace_seconds - LOST_SECONDS
        if self._first >= limit:
            return []
        self._first = min((work.deadline for work in self._running.values()), default=math.inf)
        return [(lane, work) for lane, work in self._running.items() if work.deadline < limit]

    def _set(self, work: Work, end: float) -> None:
        work.deadline = min(end, work.started + self._timeout(work))
        self._first = min(self._first, work.deadline)
