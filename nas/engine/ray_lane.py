"""What runs in a lane's process on Ray: pull, evaluate, report; and a second thread that gives signs of life."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any

from nas.engine.mailbox import BEAT_SECONDS, STOP
from nas.engine.timing import evaluated, taken
from nas.evaluators import Evaluation, Evaluator, clock_of, cut_off

if TYPE_CHECKING:
    from nas.engine.lanes import Candidate


class RayLane:
    """One life of a lane. `mailbox` is the actor's handle, `get` waits for an answer of it."""

    def __init__(self, lane: int, mailbox: Any, get: Any, evaluator: Evaluator, device: str, grace_seconds: float) -> None:
        self._lane, self._mailbox, self._get = lane, mailbox, get
        self._evaluator, self._device, self._grace = evaluator, device, grace_seconds
        self._lock = threading.Lock()  # held by whoever reports the end of what is held
        self._held: tuple[Candidate, Evaluation] | None = None
        self._ticket = 0
        self._taken = taken()

    def serve(self) -> None:
        """Until the mailbox says stop."""
        self._ticket = self._get(self._mailbox.join.remote(self._lane))
        threading.Thread(target=self._live, name="heartbeat", daemon=True).start()
        done = None
        while (parcel := self._get(self._mailbox.next.remote(self._lane, self._ticket, done))) != STOP:
            candidate: Candidate = pickle.loads(parcel)  # from the driver of this very search
            clock = clock_of(self._evaluator, candidate.seconds, candidate.timeout)
            evaluation = Evaluation(candidate.seed, self._device, clock, task=candidate.task)
            self._held = (candidate, evaluation)
            outcome = evaluated(self._evaluator, candidate, evaluation, self._taken)
            with self._lock:
                self._held = None
            done = (candidate.number, outcome)
            _flush()

    def _live(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            with contextlib.suppress(Exception):  # the driver may be gone, and then Ray ends this process
                self._beat()

    def _beat(self) -> None:
        held = self._held
        if held is None:
            return
        _candidate, evaluation = held
        seconds = self._get(self._mailbox.beat.remote(self._lane, self._ticket, evaluation.clock.elapsed()))
        if seconds is not None and self._held is held:
            evaluation.clock.allow(seconds)
        if evaluation.clock.left() < -self._grace:
            self._end(held)

    def _end(self, held: tuple[Candidate, Evaluation]) -> None:
        """End this process: what it holds does not ask its clock. Tune will start another."""
        with self._lock:
            if self._held is not held:
                return
            candidate, evaluation = held
            outcome = cut_off(self._evaluator.objective, evaluation, evaluation.clock.limit)
            self._get(self._mailbox.leave.remote(self._lane, self._ticket, (candidate.number, outcome)))
            os._exit(1)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
