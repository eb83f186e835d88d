"""What a search is judged by: named numbers, each to be maximised or minimised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nas.errors import NasError

DIRECTIONS = ("min", "max")
# Last words of the names of what everybody wants less of: `val_loss`, `latency_ms`, `peak_memory_bytes`.
COSTS = frozenset(
    ("params", "macs", "flops", "activations", "loss", "error", "latency", "ms", "seconds", "bytes", "memory", "energy", "regret")
)


@dataclass(frozen=True)
class Objective:
    """A metric or measure by its name, and whether more of it is better."""

    name: str
    maximise: bool = True

    def oriented(self, value: float) -> float:
        """The value as strategies are told it, larger for better; applied twice it is the value again."""
        return value if self.maximise else -value

    def __str__(self) -> str:
        """In the form that `parse` reads: `max:accuracy`."""
        return f"{'max' if self.maximise else 'min'}:{self.name}"


def parse(given: str | Iterable[str], larger: Mapping[str, bool] | None = None) -> tuple[Objective, ...]:
    """`accuracy,params` or `("accuracy", "min:val_loss")` as objectives, in that order.

    Without `min:` or `max:` the direction is that of `larger`, where the name is in it; else a name that ends in one of
    `COSTS` is minimised, any other maximised. Raises `NasError`, also for a name that is given twice.
    """
    names = [item.strip() for item in (given.split(",") if isinstance(given, str) else map(str, given))]
    found = [_one(name, larger or {}) for name in names]
    if not found:
        raise NasError("objectives: none is named; allowed: names such as accuracy,params")
    for index, objective in enumerate(found):
        for earlier in found[:index]:
            if earlier.name == objective.name:
                same = earlier.maximise == objective.maximise
                fault = "is named twice" if same else "is to be both maximised and minimised"
                raise NasError(f"objectives: {objective.name} {fault}; allowed: each name once")
    return tuple(found)


def _one(text: str, larger: Mapping[str, bool]) -> Objective:
    direction, colon, name = text.rpartition(":")
    if colon and direction not in DIRECTIONS:
        raise NasError(f"objectives: {text!r:.60}; allowed: NAME, min:NAME or max:NAME")
    if not name or any(letter.isspace() or not letter.isprintable() for letter in name):
        raise NasError(f"objectives: {text!r:.60} names nothing; allowed: names joined by commas, such as accuracy,params")
    costly = name.rsplit("_", 1)[-1] in COSTS
    return Objective(name, direction == "max" if colon else larger.get(name, not costly))


def oriented(objectives: Sequence[Objective], values: Sequence[float]) -> tuple[float, ...]:
    """Values as strategies are told them: one an objective, all larger for better."""
    return tuple(objective.oriented(value) for objective, value in zip(objectives, values, strict=True))
