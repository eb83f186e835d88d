"""Lanes as threads of this process, for debugging and tests: the same results as on Ray, without Ray.

On a GPU each thread has a stream of its own. A fault of the GPU ends all lanes on it: nothing but a new process can use it.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from nas.engine.lanes import Candidate, Dashboard, Done, Event, Ready, Retired
from nas.engine.place import kind_of, own_stream
from nas.engine.timing import Taken, evaluated, taken
from nas.evaluators import Evaluation, Evaluator, Outcome, clock_of, cut_off
from nas.evaluators.faults import poisons

GRACE_SECONDS = 30.0  # a training step is shorter
STOP_SECONDS = 2.0
REASON_LENGTH = 200


class LocalLanes:
    """`workers` threads. A thread cannot be killed: one that overruns is left behind, and a new one takes its place."""

    dashboard: Dashboard | None = None
    apart, entangled = False, True

    def __init__(
        self, evaluator: Evaluator, workers: int = 1, *, share: float = 1.0, devices: tuple[str, ...] = ("cpu",),
        memory: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self._memory = dict(memory or {})  # bytes of devices
        self.count, self.share, self.device = workers, share, devices[0].partition(":")[0]
        self.grace_seconds = float(getattr(evaluator, "grace_seconds", GRACE_SECONDS))
        self._evaluator, self._devices, self._taken = evaluator, devices, taken()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._threads: dict[int, _Thread] = {}

    def start(self) -> None:
        """Bring the threads up."""
        for lane in range(self.count):
            self._start(lane)

    def _start(self, lane: int) -> None:
        device = self._device_of(lane)
        crowded = sum(self._device_of(other) == device for other in range(self.count)) > 1
        self._threads[lane] = _Thread(lane, self._evaluator, device, self._events, self._taken, crowded)
        self._threads[lane].start()
        self._events.put(Ready(lane, device=device, memory=self._memory.get(device, math.inf), kind=kind_of(device)))

    def _device_of(self, lane: int) -> str:
        """By the lane's number: so many after one another as share a device."""
        return self._devices[int(lane * self.share + 1e-9) % len(self._devices)]

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a thread; its clock starts now."""
        self._threads[lane].submit(candidate)

    def poll(self, timeout: float) -> list[Event]:
        """What happened; waits at most `timeout` s for something to happen."""
        self._leave_overdue()
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=timeout))
            while True:
                events.append(self._events.get_nowait())
        return self._without_poisoned(events)

    def _without_poisoned(self, events: list[Event]) -> list[Event]:
        """The events, but for those of lanes on a GPU that can't be used since one of them; these are retired instead."""
        kept: list[Event] = []
        for event in events:
            if event.lane not in self._threads:
                continue  # it says what became of it on a GPU that was gone already
            reason = event.outcome.reason if isinstance(event, Done) else None
            if not isinstance(event, Done) or not poisons(reason):
                kept.append(event)
                continue
            kept.append(replace(event, gone=True))
            kept += self._retire(self._device_of(event.lane), f"this process can't use its device any more: {reason}; engine=ray goes on")
        return kept

    def _retire(self, device: str, reason: str) -> list[Retired]:
        gone = [lane for lane in self._threads if self._device_of(lane) == device]
        return [Retired(lane, reason, self._threads.pop(lane).leave()) for lane in gone]

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Move deadlines."""
        for lane, amount in seconds.items():
            if lane in self._threads:
                self._threads[lane].allow(amount)

    def stop(self) -> None:
        """Cut off what runs at its next step. A thread in the middle of a long step is left to die with the process."""
        for thread in self._threads.values():
            thread.end()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _leave_overdue(self) -> None:
        for lane, thread in list(self._threads.items()):
            outcome = thread.overdue(self.grace_seconds)
            if outcome is not None:
                self._events.put(Done(lane, outcome[0], outcome[1], gone=True))
                self._start(lane)


class _Thread(threading.Thread):
    """One lane. `_lock` decides who reports a candidate's end: the thread itself, or the one who leaves it behind."""

    def __init__(
        self, lane: int, evaluator: Evaluator, device: str, events: queue.SimpleQueue[Event], memory: Taken, crowded: bool
    ) -> None:  # fmt: skip
        super().__init__(name=f"lane-{lane}", daemon=True)
        self._crowded = crowded
        self._lane, self._evaluator, self._device, self._events, self._taken = lane, evaluator, device, events, memory
        self._inbox: queue.SimpleQueue[tuple[Candidate, Evaluation] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._held: tuple[Candidate, Evaluation] | None = None

    def submit(self, candidate: Candidate) -> None:
        clock = clock_of(self._evaluator, candidate.seconds, candidate.timeout)
        self._held = (candidate, Evaluation(candidate.seed, self._device, clock, task=candidate.task, crowded=self._crowded))
        self._inbox.put(self._held)

    def run(self) -> None:
        try:
            stream = own_stream(self._device)
        except Exception as error:  # there is no such GPU any more
            self._events.put(Retired(self._lane, " ".join(str(error).split())[:REASON_LENGTH]))
            return
        with stream:
            self._serve()

    def _serve(self) -> None:
        while (work := self._inbox.get()) is not None:
            candidate, evaluation = work
            try:
                outcome = evaluated(self._evaluator, candidate, evaluation, self._taken)
            except KeyboardInterrupt:  # raised by the evaluator itself: a person's goes to the main thread
                outcome = Outcome("fail", {}, "KeyboardInterrupt", evaluation.clock.elapsed())
            with self._lock:
                if self._held is not work:
                    return
                self._held = None
            self._events.put(Done(self._lane, candidate.number, outcome))

    def allow(self, seconds: float) -> None:
        held = self._held
        if held is not None:
            held[1].clock.allow(seconds)

    def end(self) -> None:
        self.allow(-math.inf)
        self._inbox.put(None)

    def leave(self) -> float:
        """Take away what it holds, on a device that is of no use; the seconds that it has worked on that."""
        with self._lock:
            held, self._held = self._held, None
        self._inbox.put(None)
        if held is None:
            return 0.0
        held[1].clock.allow(-math.inf)
        return held[1].clock.elapsed()

    def overdue(self, grace: float) -> tuple[int, Outcome] | None:
        """If what it holds is past its deadline by more than `grace` s: take that away from it."""
        with self._lock:
            if self._held is None or self._held[1].clock.left() > -grace:
                return None
            candidate, evaluation = self._held
            self._held = None
        self._inbox.put(None)
        return candidate.number, cut_off(self._evaluator.objective, evaluation, evaluation.clock.limit)
