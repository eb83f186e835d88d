#!/usr/bin/env python
"""Overhead of the whole stack a trial: ask, store durably, dispatch, tell, on an evaluator that does nothing.

    python scripts/bench/overhead.py [--quick] [--engine local|ray] [--space nasnet-cell] [--storage journal|sqlite|URL]

About four minutes; `--quick` about one. Two workers. For each engine it prints milliseconds a trial (the median over
slices of 50 trials, start-up left out), their ratio to what is allowed (5 ms on Ray, 3 ms in process: at most 1), the
processor time of the driver's process a trial, which others' work on the machine stretches less, and
the growth from the first 100 trials to the last 100. One durable append of 3 kB to a file is timed for comparison.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import nas.engine
from nas.engine import Finished, Observer

ALLOWED_MS = {"local": 3.0, "ray": 5.0}
SLICE = 50


class Stopwatch(Observer):
    """When each trial was finished."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.worked: list[float] = []

    def finished(self, finished: Finished) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())
        self.worked.append(time.process_time())


def nothing(architecture: Any, fidelity: Any) -> float:
    """The evaluator: a number of the digest."""
    return int(architecture.digest[:6], 16) / 2**24


def slices(engine: str, space: str, strategy: str, trials: int, folder: Path, storage: str) -> tuple[list[float], float]:
    """Milliseconds a trial of each slice of trials, the first left out; and of processor time of this process, the mean."""
    watch = Stopwatch()
    url = {"journal": None, "sqlite": f"sqlite:///{folder}/study.db"}.get(storage, storage)
    nas.engine.search(
        space, strategy=strategy, evaluator=nothing, budget=f"{trials}trials", engine=engine, workers=2,
        out=folder / f"{engine}-{time.time():.0f}", dashboard=False, observer=watch, storage=url,
    )  # fmt: skip
    marks = watch.times[SLICE::SLICE]
    worked = (watch.worked[-1] - watch.worked[SLICE]) / (len(watch.worked) - 1 - SLICE) * 1e3
    return [(end - start) / SLICE * 1e3 for start, end in itertools.pairwise(marks)], worked


def append_ms(folder: Path) -> float:
    """Median milliseconds of one durable append of 3 kB."""
    times = []
    with open(folder / "append", "ab") as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(b"x" * 3000)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 trials instead of 5,000")
    parser.add_argument("--engine", choices=list(ALLOWED_MS), action="append")
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--strategy", default="evolution")
    parser.add_argument("--storage", default="journal", help="journal, sqlite or a URL")
    parser.add_argument("--trials", type=int)
    arguments = parser.parse_args()
    trials = arguments.trials or (1000 if arguments.quick else 5000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"one durable append of 3 kB: {append_ms(folder):.2f} ms (median of 200)")
        for engine in arguments.engine or ALLOWED_MS:
            found, worked = slices(engine, arguments.space, arguments.strategy, trials + SLICE, folder, arguments.storage)
            median, allowed = statistics.median(found), ALLOWED_MS[engine]
            early, late = statistics.mean(found[:2]), statistics.mean(found[-2:])
            print(
                f"{engine}, {arguments.storage}: {median:.2f} ms a trial, {median / allowed:.2f} of the allowed {allowed:g} ms; best slice "
                f"{min(found):.2f} ms; {worked:.2f} ms of the driver's processor time; "
                f"growth from the first 100 to the last 100 of {trials}: {late / early:.2f}"
            )
        print(f"one durable append of 3 kB, again: {append_ms(folder):.2f} ms")


if __name__ == "__main__":
    main()
