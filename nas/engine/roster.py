"""Which lanes of a search can be counted on: they die and come back, leave with their node, and some never come up. Pure."""

from __future__ import annotations

import math

from nas.units import format_seconds

LOSSES = 2  # GPUs that a lane lost in a row: fewer than the attempts of a candidate, whose last is then elsewhere


class Roster:
    """`count` lanes, of which some may be retired in the course of a search, each with its reason.

    expected: how many of them there is room for to begin with (default: all); patience: for how many seconds a search
    whose last lane is gone waits for one, of however many.
    """

    def __init__(self, count: int, expected: int | None = None, patience: float = math.inf) -> None:
        self._all, self._expected, self._patience = count, count if expected is None else expected, patience
        self._retired: dict[int, str] = {}
        self._lost: set[int] = set()  # with their nodes: they may come back, but when is open
        self._up: set[int] = set()
        self._seen: set[int] = set()  # that have been up
        self._losses: dict[int, int] = {}
        self._came_up = False
        self._none_since: float | None = None

    @property
    def count(self) -> int:
        """Lanes that are up, or can be expected to be soon: those of lost nodes, and spare ones, only once they are."""
        return max(len(self._up), self._expected - len(self._lost) - len(self._retired), 0)

    @property
    def up(self) -> int:
        """Lanes that are up."""
        return len(self._up)

    @property
    def expected(self) -> int:
        """Lanes that there was room for to begin with."""
        return self._expected

    def __contains__(self, lane: object) -> bool:
        """Whether it is not retired."""
        return lane not in self._retired

    def came_up(self, lane: int) -> bool:
        """A lane is up (again); whether it had been lost with its node, or was not expected: a spare one, maybe in place of such."""
        spare = lane not in self._seen and (bool(self._lost) or len(self._up | {lane}) > self._expected)
        unexpected = lane in self._lost or spare
        self._seen.add(lane)
        self._lost.discard(lane)
        if lane in self:
            self._up.add(lane)
            self._came_up, self._none_since = True, None
        return unexpected

    def went_down(self, lane: int, *, silent: bool) -> None:
        """A lane's process died, and another is being started; or (`silent`) it was lost with its node."""
        self._up.discard(lane)
        if silent and lane in self:
            self._lost.add(lane)

    def answered(self, lane: int, lost: bool) -> bool:
        """A lane has answered, or says that its GPU was lost; whether it should be used no more for that."""
        self._losses[lane] = self._losses.get(lane, 0) + 1 if lost else 0
        return self._losses[lane] >= LOSSES

    def retire(self, lane: int, reason: str) -> None:
        """Count on it no more."""
        self._retired[lane] = reason
        self._up.discard(lane)
        self._lost.discard(lane)

    def why_none(self, now: float) -> str | None:
        """One line for a person when there is no lane, and none is waited for any more, at `now` seconds of any clock; else None."""
        if len(self._retired) >= self._all:
            reason = next(reversed(self._retired.values()))
            if not self._came_up:
                return f"the workers cannot start: {reason}"
            return f"no worker is left: {reason}; nothing finished is lost, `nas resume` goes on"
        if self._up or not self._came_up:  # those that never came up are another's care
            return None
        if self._none_since is None:
            self._none_since = now
        if now - self._none_since <= self._patience:
            return None
        waited = format_seconds(self._patience)
        return f"no worker is left, and none came back within {waited}; nothing finished is lost, `nas resume` goes on"
