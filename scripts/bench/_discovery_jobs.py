"""Trainings side by side, each in a folder of its own from which it goes on: the workers of discovery.py."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import NasError
from nas.trainer.folder import RESULT
from nas.trainer.settings import TRAIN_FILE

FAILED = "failed.txt"  # in a training's folder: why it cannot be finished
CHECKPOINT_SECONDS = 60.0
BROKEN = 3  # times that the workers may die before somebody has to look


@dataclass(frozen=True)
class Job:
    """One training: the network's file, the new or begun folder, and the options of `nas.train`."""

    network: Path
    folder: Path
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do, be it that it failed."""
        return (self.folder / RESULT).exists() or (self.folder / FAILED).exists()


def train_all(jobs: Iterable[Job], workers: int, until: float, note: Callable[[str], None]) -> int:
    """Do what is left of the jobs, `workers` at a time, and return how many are not finished at `until` (`time.time()`).

    Raises `NasError` where the workers themselves die again and again.
    """
    for _ in range(BROKEN):
        left = [job for job in jobs if not job.finished]
        if not left or time.time() >= until:
            return len(left)
        with contextlib.suppress(BrokenProcessPool):
            _train(left, min(workers, len(left)), until, note)
            return sum(not job.finished for job in jobs)
        note("a training process died (killed, or out of memory); what it trained goes on from its checkpoint")
    raise NasError(f"training processes died {BROKEN} times; allowed: fewer --train-workers, or smaller networks")


def _train(jobs: list[Job], workers: int, until: float, note: Callable[[str], None]) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        waiting: set[Future[str]] = {pool.submit(_one, job, until) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for each in done:
                    if line := each.result():
                        note(line)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                os.kill(worker.pid or 0, signal.SIGINT)  # they stop at a checkpoint
            raise


def _begin(parent: int) -> None:
    """A worker ends with the process that started it, however that ends: nobody else would."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; a training that listens stops at its next step


def _one(job: Job, until: float) -> str:
    """In a worker: the training up to its end or to `until`; a line about it, empty where there was no time to begin."""
    import nas
    from nas.trainer.watcher import Tick, Watcher
    from nas.training.run import TrainingFailure

    class Until(Watcher):
        """Asks the training to stop, after a checkpoint, when the time is over."""

        def tick(self, tick: Tick) -> None:
            if time.time() >= until:
                os.kill(os.getpid(), signal.SIGINT)

    if time.time() >= until:
        return ""
    try:
        if (job.folder / TRAIN_FILE).exists():
            result = nas.resume_training(job.folder, watcher=Until())
        else:
            result = nas.train(
                nas.load(str(job.network)), out=job.folder, checkpoint_seconds=CHECKPOINT_SECONDS, watcher=Until(), **job.options
            )
    except KeyboardInterrupt:
        return f"{job.folder.name}: stopped at a checkpoint"
    except (TrainingFailure, RuntimeError) as error:  # of torch: out of memory, which would come again
        reason = " ".join(str(error).split())[:300]
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / FAILED).write_text(f"{type(error).__name__}: {reason}\n")
        return f"{job.folder.name}: failed, {reason}"
    held_out = result.accuracy is not None
    value = result.accuracy if held_out else result.test_accuracy
    return f"{job.folder.name}: {100 * (value or 0.0):.2f}% {'validation' if held_out else 'test'} accuracy in {result.seconds:.0f} s"
