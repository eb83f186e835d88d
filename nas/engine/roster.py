"""Which lanes of a search can be counted on. Pure."""

from __future__ import annotations

LOSSES = 2  # GPUs that a lane lost in a row: fewer than the attempts of a candidate, whose last is then elsewhere


class Roster:
    """`count` lanes, of which some may be retired in the course of a search, each with its reason."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._retired: dict[int, str] = {}
        self._losses: dict[int, int] = {}
        self._came_up = False

    @property
    def count(self) -> int:
        """Lanes that are up, or may come up."""
        return self._count - len(self._retired)

    def __contains__(self, lane: object) -> bool:
        """Whether it is not retired."""
        return lane not in self._retired

    def came_up(self) -> None:
        """Some lane did."""
        self._came_up = True

    def answered(self, lane: int, lost: bool) -> bool:
        """A lane has answered, or says that its GPU was lost; whether it should be used no more for that."""
        self._losses[lane] = self._losses.get(lane, 0) + 1 if lost else 0
        return self._losses[lane] >= LOSSES

    def retire(self, lane: int, reason: str) -> None:
        """Count on it no more."""
        self._retired[lane] = reason

    def why_none(self) -> str:
        """One line for a person, when none is left."""
        reason = next(reversed(self._retired.values()))
        if not self._came_up:
            return f"the workers cannot start: {reason}"
        return f"no worker is left: {reason}; nothing finished is lost, `nas resume` goes on"
