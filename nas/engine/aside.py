"""What is done aside, in a thread of its own, so that the driver's loop does not wait for a network."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable


class Aside:
    """Does one thing after another in a thread that does not hold the process up. What fails is left undone."""

    def __init__(self, name: str) -> None:
        self._name, self._jobs = name, queue.SimpleQueue[Callable[[], None]]()
        self._thread: threading.Thread | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Some time later."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def wait(self, seconds: float) -> bool:
        """Until all is done that was asked for, at most so long; whether it is."""
        if self._thread is None:
            return True
        done = threading.Event()
        self._jobs.put(done.set)
        return done.wait(seconds)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            with contextlib.suppress(Exception):
                job()
