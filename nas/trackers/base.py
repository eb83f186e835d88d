"""What a tracker is told of a run and of its trials, and what it must be able to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nas.registry import Registry


@dataclass(frozen=True)
class Run:
    """A run: `study` is its name, such as `NAME` or `NAME/confirm`; `key` tells it from any other of that name.

    `search` is the name of the search that it belongs to; `settings` are those that a person filters by.
    """

    study: str
    key: str
    directory: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def search(self) -> str:
        """Without the part of what followed it."""
        return self.study.partition("/")[0]

    def title(self, entry: Entry) -> str:
        """The name of a trial: `trial-7`, or `confirm/trial-7` of what followed the search."""
        inner = self.study.partition("/")[2]
        return f"{inner}/trial-{entry.number}" if inner else f"trial-{entry.number}"


@dataclass(frozen=True)
class Entry:
    """A finished trial. `values` are those of the objectives, the first of them first; empty when it failed.

    `curve`: (epochs done, the first objective, seconds since it began); `facts`: what else is known, such as its parent.
    """

    number: int
    digest: str
    decisions: Mapping[str, Any]
    values: Mapping[str, float]
    metrics: Mapping[str, float]
    device_seconds: float
    objective: str = "accuracy"
    curve: tuple[tuple[float, float, float], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it has no values."""
        return not self.values

    def numbers(self) -> dict[str, float]:
        """Everything that is a finite number: metrics, the objectives, device seconds."""
        found = {**self.metrics, **self.values, "device_seconds": self.device_seconds}
        return {name: float(value) for name, value in found.items() if isinstance(value, int | float) and math.isfinite(value)}


class Tracker(Protocol):
    """Takes trials into another program's record. All calls but `check` come from one thread of its own, and may take long.

    package: what is imported; install: what pip is told; metavar, help: of its option on the command line, `metavar` empty
    where it takes no value. Optional: `told(directory)`, the file in a run folder where its trials' numbers are noted.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    install: ClassVar[str]
    metavar: ClassVar[str]
    help: ClassVar[str]
    target: str

    def __init__(self, target: str) -> None: ...

    def check(self) -> None:
        """Raise `NasError` where it certainly cannot be used; before the search, in the main thread."""
        ...

    def open(self, run: Run) -> None:
        """Trials of this run follow. May raise anything: it is called again before the next trial."""
        ...

    def add(self, entry: Entry) -> None:
        """Take a trial; one that it has already, as after a kill, must not be there twice. May raise anything."""
        ...

    def close(self) -> None:
        """No trial of this run follows."""
        ...


TRACKERS: Registry[type[Tracker]] = Registry("tracker")
