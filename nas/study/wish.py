"""What is to be trained again after a search: so many of its best networks, with so many seeds each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nas.errors import NasError

SEEDS = 3  # where only the number of networks is given
_FORM = re.compile(r"([0-9]{1,4})(?:[x×]([0-9]{1,4}))?\Z")
ALLOWED = "allowed: networks x seeds, each from 1 to 9999, such as 3x3; or networks alone, with 3 seeds each"


@dataclass(frozen=True)
class Wish:
    """`networks` of the best, each trained with `seeds` fresh seeds for `epochs` (0: as the evaluator thinks right)."""

    networks: int
    seeds: int
    epochs: int = 0

    @classmethod
    def parse(cls, text: str, epochs: int | None = None) -> Wish:
        """`3x2` is the three best with two seeds each; `3` is `3x3`. Raises `NasError`."""
        match = _FORM.match(str(text).strip().lower())
        networks, seeds = (int(match[1]), int(match[2] or SEEDS)) if match else (0, 0)
        if networks < 1 or seeds < 1:
            raise NasError(f"confirm={str(text)[:60]!r}; {ALLOWED}")
        if epochs is not None and (isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1):
            raise NasError(f"confirm_epochs={epochs!r}; allowed: a whole number from 1")
        return cls(networks, seeds, epochs or 0)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wish:
        """The inverse of `to_dict`. Raises `NasError` on anything else."""
        names = {item.name for item in fields(cls)}
        if set(data) != names or not all(type(value) is int and value > 0 for value in data.values()):
            raise NasError(f"confirm={dict(data)!r:.80}; allowed: whole numbers from 1 for {', '.join(sorted(names))}")
        return cls(**data)

    def to_dict(self) -> dict[str, int]:
        """Plain data for the settings of a run."""
        return asdict(self)

    def __str__(self) -> str:
        epochs = f" for {self.epochs} epoch{'s' if self.epochs > 1 else ''}" if self.epochs else ""
        return f"{self.networks}x{self.seeds}{epochs}"

    @property
    def trainings(self) -> int:
        """How many trainings that is at most."""
        return self.networks * self.seeds
