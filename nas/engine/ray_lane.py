"""What runs in a lane's process on Ray: pull, evaluate, report; and a second thread that gives signs of life."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any

import ray

from nas.engine.mailbox import AGAIN, BEAT_SECONDS, STOP
from nas.engine.place import check_device
from nas.engine.timing import evaluated, taken
from nas.evaluators import Evaluation, Evaluator, Outcome, clock_of, cut_off
from nas.evaluators.faults import poisons

if TYPE_CHECKING:
    from nas.engine.lanes import Candidate, Ready


class RayLane:
    """One process of a lane. `mailbox` is the actor's handle, `get` waits for an answer of it; `ready` is what it says of itself."""

    def __init__(self, ready: Ready, mailbox: Any, get: Any, evaluator: Evaluator, device: str, grace_seconds: float) -> None:
        self._lane, self._mailbox, self._get, self._ready = ready.lane, mailbox, get, ready
        self._evaluator, self._device, self._grace = evaluator, device, grace_seconds
        self._lock = threading.Lock()  # held by whoever reports the end of what is held
        self._held: tuple[Candidate, Evaluation] | None = None
        self._ticket = 0
        self._taken = taken()

    def serve(self) -> None:
        """Until the mailbox says stop, or its GPU can't be used any more. Raises what torch raises for a GPU that never could."""
        check_device(self._device)
        self._ticket = self._get(self._mailbox.join.remote(self._ready))
        threading.Thread(target=self._live, name="heartbeat", daemon=True).start()
        done = None
        while (parcel := self._get(self._mailbox.next.remote(self._lane, self._ticket, done))) != STOP:
            if parcel == AGAIN:  # it was not heard for so long that another has what it held
                self._ticket, done = self._get(self._mailbox.join.remote(self._ready)), None
                continue
            candidate: Candidate = pickle.loads(parcel)  # from the driver of this very search
            clock = clock_of(self._evaluator, candidate.seconds, candidate.timeout)
            evaluation = Evaluation(candidate.seed, self._device, clock, task=candidate.task)
            self._held = (candidate, evaluation)
            _show(title(candidate))
            outcome = evaluated(self._evaluator, candidate, evaluation, self._taken)
            with self._lock:
                self._held = None
            _show(f"lane {self._lane}")
            done = (candidate.number, outcome)
            _flush()
            if poisons(outcome.reason):
                self._leave(done)

    def _live(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            with contextlib.suppress(Exception):  # the driver may be gone, and then Ray ends this process
                self._beat()

    def _beat(self) -> None:
        held = self._held
        if held is None:
            self._get(self._mailbox.beat.remote(self._lane, self._ticket, 0.0))
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
            self._leave((candidate.number, outcome))

    def _leave(self, done: tuple[int, Outcome]) -> None:
        self._get(self._mailbox.leave.remote(self._lane, self._ticket, done))
        os._exit(1)


def title(candidate: Candidate) -> str:
    """The name under which Ray and the system show a candidate: its trial and the beginning of its digest."""
    return f"trial {candidate.number} {candidate.architecture.digest[:12]}"


def _show(name: str) -> None:
    """As the title of this process, which Ray's dashboard, `ps` and `nvidia-smi` show; `ray::` is how Ray knows its workers."""
    with contextlib.suppress(AttributeError):  # of Ray's own, no part of its public interface
        ray._raylet.setproctitle(f"ray::nas {name}")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
