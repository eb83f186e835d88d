"""Lanes that come and go while a search runs: who may be counted on, what a person is told, and what becomes of what they held."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nas.engine.versions import versions
from nas.engine.weights import Weights
from nas.errors import NasError
from nas.study.settings import MAX_FAILURES
from nas.units import parse_budget_item

if TYPE_CHECKING:
    from nas.engine.lanes import Lost, Ready
    from nas.engine.packing import Room
    from nas.engine.queue import Work
    from nas.engine.roster import Roster

PATIENCE_SECONDS = 600.0  # a search without workers waits so long for one
NODE_LOSSES = 2  # at least so many nodes may go while they have a candidate, for it is hardly why they went
COMPARED = ("python", "torch", "nas")  # a node on which these differ may come to other results


class Attempts:
    """How often a candidate is run again: `failures` times after its worker died, and apart from that after its node was lost.

    The loss of a node is no fault of what ran there, so it takes none of these; but it is not run for ever either.
    """

    def __init__(self, failures: int) -> None:
        self._failures = failures

    def lost(self, work: Work, *, silent: bool) -> str | None:
        """Count one more worker that is gone, or (`silent`) its node; why that was the last, if it was."""
        work.lost += 1
        work.lost_nodes += silent
        died = work.lost - work.lost_nodes
        if died > self._failures:
            return f"the worker died {_times(died)}(killed, or out of memory)"
        if work.lost_nodes > max(self._failures, NODE_LOSSES):
            return f"its node was lost {_times(work.lost_nodes)}".rstrip()
        return None


class Elastic:
    """Keeps the roster and the room on devices up to date as lanes come and go, and `say`s what a person should know."""

    def __init__(self, roster: Roster, room: Room, weights: str, say: Callable[[str], None]) -> None:
        """weights: as `Weights.parse` reads them. Raises its `NasError`."""
        self._roster, self._room, self._weights, self._say = roster, room, Weights.parse(weights), say
        self._here: Mapping[str, str] = {}
        self._nodes: dict[int, str] = {}  # of lanes that are up
        self._said: set[str] = set()

    def joined(self, ready: Ready) -> None:
        """A lane is up (again)."""
        unexpected = self._roster.came_up(ready.lane)
        if ready.lane not in self._roster:
            return
        self._room.up(ready.lane, ready.device, ready.memory, self._weight(ready.kind))
        self._nodes[ready.lane] = ready.node
        self._compare(ready)
        if unexpected:
            self._say(f"worker {ready.lane} has come up{_on(ready.node)}: {_workers(self._roster.up)} now")

    def left(self, lost: Lost) -> None:
        """A lane is gone for now."""
        self._roster.went_down(lost.lane, silent=lost.silent)
        self._room.down(lost.lane)
        node = self._nodes.pop(lost.lane, None)
        if lost.silent and node is not None:
            left = _workers(self._roster.up) if self._roster.up else "none left, so the search waits for one"
            self._say(f"worker {lost.lane}{_on(node)} is lost, as its node may be: {left}")

    def _weight(self, kind: str) -> float:
        weight = self._weights.of(kind)
        if weight is None and self._weights:
            device = kind or "an unknown device"
            self._say_once(f"gpu_weights has none for {device}: a second there counts 1; it has {self._weights.names()}")
        return 1.0 if weight is None else weight

    def _compare(self, ready: Ready) -> None:
        """Say where the versions on a node differ from those here."""
        if not ready.versions:
            return
        here = self._here = self._here or versions()
        there = {name: ready.versions[name] for name in COMPARED if name in ready.versions and name in here}
        differ = [f"{name} {version} (here {here[name]})" for name, version in there.items() if version != here[name]]
        if differ:
            self._say_once(f"{ready.node or 'a node'} has {', '.join(differ)}: its results may differ")

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)


def check_failures(count: int | None, usual: int = MAX_FAILURES) -> int:
    """How often a candidate whose worker died is run again. Raises `NasError` unless it is a whole number from 0."""
    if count is None:
        return usual
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise NasError(f"max_failures={count!r:.40}; allowed: a whole number from 0")
    return count


def check_workers(most: int | None, workers: int, address: str | None, simulated: bool = False) -> int:
    """The most workers that a search may come to, 0 for those that it begins with. Raises `NasError` for fewer, or where none can join."""
    if most is None or most == 0:
        return 0
    if isinstance(most, bool) or not isinstance(most, int) or most < workers:
        raise NasError(f"max_workers={most!r:.40} with {_workers(workers)}; allowed: a whole number from {workers}")
    if most > workers and address is None:
        raise NasError(f"max_workers={most} without an address: no node can join a Ray that is started here; allowed: --address")
    if most > workers and simulated:
        raise NasError(f"max_workers={most} where time is simulated; allowed: workers alone")
    return 0 if most == workers else most


def seconds_of(wait: str | float) -> float:
    """Seconds from `10m` or a number. Raises `NasError`."""
    try:
        kind, number = parse_budget_item(wait) if isinstance(wait, str) else ("seconds", wait)
    except NasError:
        kind, number = "", 0.0
    if kind != "seconds" or isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
        raise NasError(f"wait_for_nodes={wait!r:.40}; allowed: a time above 0, such as 90s, 10m or 2h")
    return float(number)


def _on(node: str) -> str:
    return f" on {node}" if node else ""


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "" if count == 1 else f"{count} times "
