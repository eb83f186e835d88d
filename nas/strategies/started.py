"""A strategy whose first candidates are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.strategies.base import Lasting, Proposal, Strategy, Trial

if TYPE_CHECKING:
    from nas.spaces import Option


class Started:
    """`inner`, but that its first candidates are given: `start`."""

    def __init__(self, inner: Strategy, start: Sequence[Mapping[str, Option]]) -> None:
        self._inner, self._start = inner, start

    def ask(self, number: int) -> Proposal:
        """What is given, then what the strategy within asks for."""
        return Proposal(dict(self._start[number]), how="start") if number < len(self._start) else self._inner.ask(number)

    def tell(self, trial: Trial) -> None:
        """Told to the strategy within."""
        self._inner.tell(trial)

    def snapshot(self) -> dict[str, Any] | None:
        """That of the strategy within."""
        return self._inner.snapshot() if isinstance(self._inner, Lasting) else None

    def restore(self, snapshot: Mapping[str, Any], told: Sequence[Trial]) -> None:
        """Handed to the strategy within."""
        if not isinstance(self._inner, Lasting):
            raise TypeError("the strategy keeps no state")
        self._inner.restore(snapshot, told)
