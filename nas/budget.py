"""A budget: limits on device time, wall time and trials; the first to be reached ends the search. Pure: it has no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nas.units import format_seconds, parse_budget_item


@dataclass(frozen=True)
class Ledger:
    """What a study has used: device seconds over all trials, its active wall seconds, and trials finished and failed."""

    device_seconds: float = 0.0
    seconds: float = 0.0
    finished: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Budget:
    """Limits; `inf` where there is none. `device_seconds` is summed over workers, `trials` counts finished and failed."""

    device_seconds: float = math.inf
    seconds: float = math.inf
    trials: float = math.inf

    @classmethod
    def parse(cls, text: str) -> Budget:
        """`100gpuh`, `90m`, `1.5h`, `200trials`, or several joined by commas: of one kind, the smallest counts.

        Raises `BudgetError`.
        """
        limits: dict[str, float] = {}
        for item in str(text).split(","):
            kind, amount = parse_budget_item(item)
            limits[kind] = min(amount, limits.get(kind, math.inf))
        return cls(**limits)

    def left(self, ledger: Ledger) -> Budget:
        """What remains of every limit, never below zero."""
        return Budget(
            max(0.0, self.device_seconds - ledger.device_seconds),
            max(0.0, self.seconds - ledger.seconds),
            max(0.0, self.trials - ledger.finished - ledger.failed),
        )

    def used(self, ledger: Ledger) -> float:
        """The used fraction of the limit that is nearest to its end, in [0, 1]."""
        pairs = (
            (ledger.device_seconds, self.device_seconds),
            (ledger.seconds, self.seconds),
            (ledger.finished + ledger.failed, self.trials),
        )
        return max(min(1.0, spent / limit) for spent, limit in pairs)

    def reached(self, ledger: Ledger) -> str | None:
        """The limit that the ledger has reached, written as `str` writes it; None while all have something left."""
        left = self.left(ledger)
        names = self._items()
        reached = [names[kind] for kind in names if getattr(left, kind) <= 0]
        return reached[0] if reached else None

    def lane_seconds(self, lanes: int, share: float) -> float:
        """Wall seconds for which `lanes` workers of `share` devices each can run before a time limit ends; maybe `inf`."""
        return min(self.seconds, self.device_seconds / (lanes * share))

    def _items(self) -> dict[str, str]:
        texts: dict[str, str] = {}
        if math.isfinite(self.device_seconds):
            texts["device_seconds"] = f"{self.device_seconds / 3600:.6g}gpuh"
        if math.isfinite(self.seconds):
            texts["seconds"] = _wall(self.seconds)
        if math.isfinite(self.trials):
            texts["trials"] = f"{self.trials:.0f}trials"
        return texts

    def __str__(self) -> str:
        """The budget in the form that `parse` reads, to six digits."""
        return ",".join(self._items().values())

    def describe(self) -> str:
        """For a person: `2h 00m of wall time, 500 trials`."""
        parts = []
        if math.isfinite(self.device_seconds):
            parts.append(f"{self.device_seconds / 3600:.3g} device-hours")
        if math.isfinite(self.seconds):
            parts.append(f"{format_seconds(self.seconds)} of wall time")
        if math.isfinite(self.trials):
            parts.append(f"{self.trials:.0f} trials")
        return ", ".join(parts)


def _wall(seconds: float) -> str:
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        amount = seconds / size
        if amount >= 1 and f"{amount:.6g}" == f"{amount:.12g}":
            return f"{amount:.6g}{unit}"
    return f"{seconds:.9g}s"
