"""Lanes as threads of this process, for debugging and tests: the same results as on Ray, without Ray."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Mapping

from nas.engine.lanes import Candidate, Dashboard, Done, Event, Ready
from nas.engine.timing import Taken, evaluated, taken
from nas.evaluators import Evaluation, Evaluator, Outcome, clock_of, cut_off

GRACE_SECONDS = 30.0  # a training step is shorter
STOP_SECONDS = 2.0


class LocalLanes:
    """`workers` threads. A thread cannot be killed: one that overruns is left behind, and a new one takes its place."""

    dashboard: Dashboard | None = None

    def __init__(self, evaluator: Evaluator, workers: int = 1, *, share: float = 1.0, devices: tuple[str, ...] = ("cpu",)):
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
        device = self._devices[int(lane * self.share) % len(self._devices)]
        self._threads[lane] = _Thread(lane, self._evaluator, device, self._events, self._taken)
        self._threads[lane].start()
        self._events.put(Ready(lane))

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a thread; its clock starts now."""
        self._threads[lane].submit(candidate)

    def poll(self, timeout: float) -> list[Event]:
        """What happened; waits at most `timeout` s for something to happen."""
        self._leave_overdue()
        events: list[Event] = []
        try:
            events.append(self._events.get(timeout=timeout))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Move deadlines."""
        for lane, amount in seconds.items():
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

    def __init__(self, lane: int, evaluator: Evaluator, device: str, events: queue.SimpleQueue[Event], memory: Taken) -> None:
        super().__init__(name=f"lane-{lane}", daemon=True)
        self._lane, self._evaluator, self._device, self._events, self._taken = lane, evaluator, device, events, memory
        self._inbox: queue.SimpleQueue[tuple[Candidate, Evaluation] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._held: tuple[Candidate, Evaluation] | None = None

    def submit(self, candidate: Candidate) -> None:
        clock = clock_of(self._evaluator, candidate.seconds, candidate.timeout)
        self._held = (candidate, Evaluation(candidate.seed, self._device, clock, task=candidate.task))
        self._inbox.put(self._held)

    def run(self) -> None:
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

    def overdue(self, grace: float) -> tuple[int, Outcome] | None:
        """If what it holds is past its deadline by more than `grace` s: take that away from it."""
        with self._lock:
            if self._held is None or self._held[1].clock.left() > -grace:
                return None
            candidate, evaluation = self._held
            self._held = None
        self._inbox.put(None)
        return candidate.number, cut_off(self._evaluator.objective, evaluation, evaluation.clock.limit)
