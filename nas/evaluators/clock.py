"""The clock of one evaluation: how long it may go on. The engine moves its deadline while the evaluation runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class CutOff(Exception):
    """The evaluation's time is over; `limit` says which: `budget` or `timeout`."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class Clock:
    """Counts from its making. `seconds` is what the budget allows, `timeout` what any candidate may take, both in s.

    An evaluator asks it between training steps. Another thread may call `allow` meanwhile. The clock of a simulation
    stands still but for `skip`: see `Clock.simulated`.
    """

    def __init__(self, seconds: float = math.inf, *, timeout: float = math.inf, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._skipped, self._kept = now, 0.0, 0.0
        self._start = now()
        self._deadline = self._start + seconds
        self._timeout = self._start + timeout

    @classmethod
    def simulated(cls, seconds: float = math.inf, *, timeout: float = math.inf) -> Clock:
        """A clock for an evaluator that knows how long its work would have taken: it goes on only by `skip`."""
        return cls(seconds, timeout=timeout, now=float)

    def skip(self, seconds: float) -> None:
        """Let `seconds` pass at once, up to the deadline. Raises `CutOff` where that comes first."""
        left = max(0.0, self.left())
        self._skipped += min(seconds, left)
        if seconds > left:
            raise CutOff(self.limit)

    def _time(self) -> float:
        return self._now() + self._skipped

    def allow(self, seconds: float) -> None:
        """Move the budget's deadline to `seconds` from now."""
        self._deadline = self._time() + seconds

    def keep(self, seconds: float) -> None:
        """Keep the last `seconds` of the budget for what comes after the evaluation; 0 gives them back."""
        self._kept = seconds

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._time() - self._start

    def left(self) -> float:
        """Seconds to the nearer of both deadlines; negative once it is over."""
        return min(self._deadline - self._kept, self._timeout) - self._time()

    @property
    def limit(self) -> str:
        """The nearer of both: `budget` or `timeout`."""
        return "timeout" if self._timeout < self._deadline - self._kept else "budget"

    def expired(self) -> bool:
        """Whether the time is over. Ask between steps."""
        return self.left() <= 0

    def check(self) -> None:
        """Raise `CutOff` when the time is over."""
        if self.expired():
            raise CutOff(self.limit)
