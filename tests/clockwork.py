"""A search on a fake clock: pretended lanes whose candidates take so many seconds, and a record whose driver may be killed.

Nothing here waits. `Clockwork` is what lanes are to the driver; it counts by itself what devices were really held, so that
the ledger can be compared with the truth. `mortal` makes a record that dies at its n-th write, as by SIGKILL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from nas.engine.lanes import Candidate, Done, Event, Ready, Retired
from nas.evaluators import Outcome
from nas.study import Recorder
from nas.study.drivers import Lease
from nas.study.storage import Storage, quiet
from tests.toy import ToySpace, settings

WRITES = ("create_new_trial", "set_trial_user_attr", "set_trial_state_values", "set_study_user_attr")


class Killed(BaseException):
    """The driver is gone."""


@dataclass(frozen=True)
class Deed:
    """What becomes of one attempt: it takes `seconds` in steps of `step`, reports after the first, and ends as `end` says.

    end: `complete`, `fail`, `die` (the worker, after `seconds`), `retire` (the worker, for ever), `memory` (out of memory).
    """

    seconds: float
    step: float = 1.0
    end: str = "complete"


@dataclass
class _Held:
    candidate: Candidate
    deed: Deed
    begun: float
    deadline: float  # by the budget


@dataclass
class Clock:
    """Seconds that pass only when somebody waits."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Clockwork:
    """`count` lanes, `each` of them on a device, holding a `share` of it; `deed(number, attempt)` says what comes of a candidate."""

    count: int
    share: float
    deed: Callable[[int, int], Deed]
    clock: Clock
    each: int = 1
    back: float = 3.0  # seconds until a worker that died is there again
    deaf: float = 0.0  # seconds after a message on deadlines, for which others are not heard
    watch: Callable[[], None] = lambda: None  # called at every poll
    attempts: dict[int, int] = field(default_factory=dict)
    used: float = 0.0  # device seconds that were really held
    longest: float = 0.0  # step of all that were handed over
    heard: float = -math.inf

    grace_seconds, apart, entangled, device, dashboard = 1.0, True, False, "cuda", None

    def __post_init__(self) -> None:
        self.held: dict[int, _Held] = {}
        self.up: set[int] = set(range(self.count))
        self.coming: dict[int, tuple[float, float]] = {}  # when a lane comes back, and how long it had worked
        self.events: list[Event] = [self._ready(lane) for lane in range(self.count)]

    def start(self) -> None:
        """They are up."""

    def submit(self, lane: int, candidate: Candidate) -> None:
        """It begins now."""
        assert lane in self.up - self.held.keys(), "a lane was handed a second candidate"
        number = candidate.number
        attempt = self.attempts.get(number, 0)
        self.attempts[number] = attempt + 1
        deed = self.deed(number, attempt)
        self.longest = max(self.longest, deed.step)
        self.held[lane] = _Held(candidate, deed, self.clock.now, self.clock.now + candidate.seconds)

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Deadlines move, unless they have just been moved: messages take their time."""
        if self.clock.now < self.heard + self.deaf:
            return
        self.heard = self.clock.now
        for lane, amount in seconds.items():
            if lane in self.held:
                self.held[lane].deadline = self.clock.now + amount

    def stop(self) -> None:
        """What they hold is gone."""
        self.held.clear()

    def poll(self, timeout: float) -> list[Event]:
        """Time goes on to the next event, by `timeout` at most."""
        self.watch()
        if not self.events:
            due = {lane: self._end(held) for lane, held in self.held.items()} | {lane: at for lane, (at, _) in self.coming.items()}
            until = min([self.clock.now + timeout, *due.values()])
            self._pass(until)
            for lane in [lane for lane, at in due.items() if at <= until]:
                self.events += self._ended(lane)
        events, self.events = self.events, []
        return events

    def _pass(self, until: float) -> None:
        """Every device on which something runs is held, in the part that its lanes stand for."""
        places = {lane // self.each for lane in self.held}
        lanes = len(self.held) if self.each == 1 else sum(lane // self.each in places for lane in self.up)
        self.used += (until - self.clock.now) * lanes * self.share
        self.clock.now = max(self.clock.now, until)

    def _end(self, held: _Held) -> float:
        """Its own, or the first end of a step at which a limit is over; none lies in the past."""
        limit = min(held.deadline, held.begun + held.candidate.timeout)
        if math.isinf(limit):
            return held.begun + held.deed.seconds
        steps = math.ceil((max(limit, self.clock.now) - held.begun) / held.deed.step - 1e-9)
        return max(self.clock.now, min(held.begun + held.deed.seconds, held.begun + max(1, steps) * held.deed.step))

    def _ended(self, lane: int) -> list[Event]:
        if lane in self.coming:
            _, worked = self.coming.pop(lane)
            self.up.add(lane)
            return [self._ready(lane, worked)]
        held = self.held.pop(lane)
        worked = self.clock.now - held.begun
        natural = worked >= held.deed.seconds - 1e-9
        if natural and held.deed.end in ("die", "retire"):
            self.up.discard(lane)
            if held.deed.end == "retire":
                return [Retired(lane, "no such GPU")]  # as Tune gives a lane up: nobody knows how long it had worked
            self.coming[lane] = (self.clock.now + self.back, worked)
            return []
        return [Done(lane, held.candidate.number, self._outcome(held, worked, natural))]

    def _outcome(self, held: _Held, worked: float, natural: bool) -> Outcome:
        first, metrics = min(held.deed.step, worked), {"accuracy": 0.5}
        if natural and held.deed.end != "complete":
            return Outcome("fail", {}, "out of memory" if held.deed.end == "memory" else "ValueError: no", worked)
        if natural:
            return Outcome("complete", metrics, None, worked, first_seconds=first)
        if held.begun + held.candidate.timeout <= held.deadline:
            return Outcome("fail", {}, f"timeout after {worked:.1f}s", worked)
        return Outcome("complete", metrics, None, worked, cut=True, first_seconds=first)

    def _ready(self, lane: int, worked: float = 0.0) -> Ready:
        return Ready(lane, worked, device=f"gpu{lane // self.each}")


class Mortal:
    """Optuna's storage in memory, which kills its user at a write: that one and all later ones do not happen."""

    def __init__(self, inner: Any, writes: float) -> None:
        self._inner, self._left = inner, writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in WRITES:
            return found

        def write(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise Killed
            return found(*args, **options)

        return write


def in_memory() -> Any:
    """A new record's storage, with its study."""
    storage: Any = Storage(optuna.storages.InMemoryStorage(), "toy", None)
    storage.create(settings().goals)
    storage.lease = None
    return storage


def mortal(storage: Any, directory: Path, writes: float = math.inf, **changes: Any) -> Recorder:
    """The record as a driver opens it that will be killed after so many writes."""
    with quiet():
        inner = Storage(Mortal(storage.optuna, writes), storage.name, None)  # type: ignore[arg-type]
    assert inner.find()
    space: Any = ToySpace()
    if storage.lease is not None:
        storage.lease.release()  # as the system does when a process is killed
    storage.lease = Lease(directory)
    return Recorder(directory, settings(**changes), inner, storage.lease, space)
