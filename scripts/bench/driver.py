#!/usr/bin/env python
"""The driver with 1,000 workers and 100,000 trials in one process, on a clock of its own: all of it but the executor.

    python scripts/bench/driver.py [--workers N] [--trials N] [--strategy NAME] [--space NAME] [--storage journal|memory|sqlite]

Prints the driver's processor time a trial, for each tenth of the run and by part, and what its own structures and
Optuna's storage take of memory. Targets: at most 10 ms a trial, at most 500 MB of its own.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import optuna

from nas import spaces, strategies
from nas.budget import Budget
from nas.engine import accounts, driver, standing
from nas.engine.observer import Finished, Observer
from nas.evaluators import Fidelity
from nas.strategies import Context
from nas.study import Settings, create_study, recorder, storage
from nas.testing.pretend import Fate, PretendedLanes

ALLOWED_MS, ALLOWED_MB = 10.0, 500.0


class Parts:
    """Processor seconds by part, those within another part counted there alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stack: list[float] = []

    def wrap(self, owner: type, method: str, part: str) -> None:
        """Count a method of a class as a part."""
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._stack.append(0.0)
            start = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                taken = time.perf_counter() - start
                within = self._stack.pop()
                self.seconds[part] = self.seconds.get(part, 0.0) + taken - within
                if self._stack:
                    self._stack[-1] += taken

        setattr(owner, method, timed)


class Tenths(Observer):
    """Processor time at each tenth of the trials."""

    def __init__(self, trials: int) -> None:
        self.every, self.marks, self.done = max(1, trials // 10), [time.process_time()], 0

    def finished(self, finished: Finished) -> None:
        """Note the time."""
        self.done += 1
        if self.done % self.every == 0:
            self.marks.append(time.process_time())
            taken = (self.marks[-1] - self.marks[-2]) / self.every * 1e3
            print(f"  {self.done} trials: {taken:.2f} ms a trial, {rss():.0f} MB", flush=True)


def rss() -> float:
    """Megabytes of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def size(roots: list[object], seen: set[int]) -> int:
    """Bytes of all objects that can be reached, but for those `seen`, for classes, modules and functions."""
    total, waiting = 0, [each for each in roots if id(each) not in seen]
    seen.update(map(id, waiting))
    while waiting:
        item = waiting.pop()
        total += sys.getsizeof(item)
        for other in gc.get_referents(item):
            if id(other) not in seen and not isinstance(other, type | type(sys) | type(size) | type(rss.__code__)):
                seen.add(id(other))
                waiting.append(other)
    return total


def watch(parts: Parts, strategy: object) -> None:
    """Where the time goes."""
    parts.wrap(type(strategy), "ask", "ask")
    parts.wrap(type(strategy), "tell", "tell")
    parts.wrap(driver.Assigner, "begin", "decode")
    for method in ("start", "finish", "lost"):
        parts.wrap(recorder.Recorder, method, "record")
    parts.wrap(recorder.Recorder, "batch", "record")
    parts.wrap(recorder.Recorder, "write_best", "best")
    parts.wrap(storage.Storage, "batch", "record")
    for name in ("bring_up", "left", "charge", "lane_seconds", "seconds_left"):
        parts.wrap(accounts.Accounts, name, "accounts")
    for name in ("next", "add"):
        parts.wrap(driver.Queue, name, "queue")
    for name in ("finished", "join", "show"):
        parts.wrap(standing.Standing, name, "standing")
    parts.wrap(driver.Keeping, "prune", "keeping")
    parts.wrap(driver.Driver, "_allow", "allow")
    parts.wrap(driver.Driver, "_give_up", "give up")
    parts.wrap(PretendedLanes, "submit", "pretending")
    parts.wrap(PretendedLanes, "poll", "pretending")
    parts.wrap(driver.Driver, "_step", "the rest of a step")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--strategy", default="evolution")
    parser.add_argument("--space", default="nasnet-cell")
    parser.add_argument("--storage", choices=["journal", "memory", "sqlite"], default="journal")
    parser.add_argument("--points", type=int, default=0, help="points of a candidate's learning curve")
    parser.add_argument("--share", type=float, default=1.0, help="of a device that a worker holds")
    parser.add_argument("--parts", action="store_true", help="time by part (which itself takes some)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        simulate(asked, Path(folder))


def in_memory(path: Path, name: str, write: bool) -> storage.Storage:
    """In place of a journal."""
    return storage.Storage(optuna.storages.InMemoryStorage(), name, None)


def simulate(asked: argparse.Namespace, folder: Path) -> None:
    """One search."""
    budget = f"{asked.trials}trials,{asked.trials}h"  # a limit of time too, so that deadlines are shared out
    space = spaces.load(asked.space)
    url = f"sqlite:///{folder}/study.db" if asked.storage == "sqlite" else None
    settings = Settings("run", space.to_yaml(), asked.strategy, 0, budget, "accuracy", storage=url)
    with patch.object(storage, "_journal", in_memory) if asked.storage == "memory" else nullcontext():
        study = create_study(folder / "run", settings, space)
    strategy = strategies.create(asked.strategy, space, 0, Context(trials=asked.trials))
    lanes = PretendedLanes(asked.workers, fate=Fate(points=asked.points), share=asked.share)
    parts, tenths = Parts(), Tenths(asked.trials)
    if asked.parts:
        watch(parts, strategy)
    what = f"{asked.workers} workers, {asked.trials} trials, {asked.strategy} on {asked.space}, {asked.storage}"
    print(f"{what}; {rss():.0f} MB before", flush=True)
    limits, show = Budget.parse(budget), study.write_best
    made = driver.Driver(study, strategy, lanes, limits, Fidelity(), observer=tenths, simulated=lanes.now, show_best=show)
    made._accounts.heartbeat = accounts.HEARTBEAT_SECONDS  # of simulated time, as in a real search
    start, began = time.process_time(), time.perf_counter()
    reason = made.run()
    taken, wall = time.process_time() - start, time.perf_counter() - began
    mean = taken / asked.trials * 1e3
    print(f"ended by {reason} after {lanes.now() / 3600:.1f} simulated hours, {wall:.0f} s of wall time; {study.ledger()}")
    print(f"driver: {mean:.2f} ms of processor time a trial, {mean / ALLOWED_MS:.2f} of the allowed {ALLOWED_MS:g} ms")
    for part, seconds in sorted(parts.seconds.items(), key=lambda item: -item[1]):
        print(f"  {part:20} {seconds / asked.trials * 1e3:8.3f} ms a trial")
    seen: set[int] = {id(optuna), id(space)}
    size([space], seen)
    theirs = size([study._storage.optuna], seen)
    ours = size([made, study, strategy], seen)
    print(
        f"memory: Optuna's storage {theirs / 2**20:.0f} MB ({theirs / asked.trials / 1024:.1f} KB a trial); our own structures "
        f"{ours / 2**20:.0f} MB, {ours / 2**20 / ALLOWED_MB:.2f} of the allowed {ALLOWED_MB:g} MB; process {rss():.0f} MB"
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    print(f"disk: {sum(path.stat().st_size for path in files) / asked.trials / 1024:.1f} KB a trial")
    study.close()


if __name__ == "__main__":
    main()
