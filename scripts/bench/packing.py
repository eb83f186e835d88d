#!/usr/bin/env python
"""Candidates an hour on one device: one at a time, and several in the ways that they can share it; with its utilisation.

    python scripts/bench/packing.py [--lanes 4] [--candidates 40] [--rounds 2] [--space nasnet-cell] [--dataset cifar10]

On a GPU: one at a time, LANES processes, LANES processes under MPS (where it runs), LANES threads with a stream each; the
same candidates each time, at the same fidelity. Without a GPU the same table of two CPU cores: one candidate on two threads,
one on one thread, two lanes of one thread each as processes and as threads. Start-up is left out: candidates are counted from
when every lane has finished one. The ratio to one at a time is the figure; rounds go through all ways in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import nas
from nas.engine import Finished, Observer
from nas.engine.devices import gpu_count
from nas.engine.mps import Mps
from nas.evaluators import Fidelity

SAMPLE_SECONDS = 0.5


@dataclass
class Way:
    """One way of sharing a device, and what was measured of it."""

    name: str
    lanes: int
    options: dict[str, Any]
    threads: int = 0  # of torch, where they are not the evaluator's own choice
    hourly: list[float] = field(default_factory=list)
    utilisation: list[float] = field(default_factory=list)
    failed: int = 0


class Stopwatch(Observer):
    """When each trial was finished."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.failed = 0

    def finished(self, finished: Finished) -> None:
        """Note the time."""
        self.times.append(time.monotonic())
        self.failed += finished.value is None


def ways(lanes: int) -> list[Way]:
    """What is compared on this machine."""
    if not gpu_count():
        return [
            Way("one at a time, 2 threads", 1, {"engine": "local", "workers": 1}, threads=2),
            Way("one at a time, 1 thread", 1, {"engine": "local", "workers": 1}),
            Way(f"{lanes} processes, 1 thread each", lanes, {"engine": "ray", "workers": lanes}),
            Way(f"{lanes} threads, 1 thread each", lanes, {"engine": "local", "workers": lanes}),
        ]
    share = {"gpus_per_trial": 1 / lanes, "workers": lanes}
    found = [
        Way("one at a time", 1, {"engine": "ray", "workers": 1, "gpus_per_trial": 1.0}),
        Way(f"{lanes} processes", lanes, {"engine": "ray", "mps": False, **share}),
        Way(f"{lanes} threads, a stream each", lanes, {"engine": "local", **share}),
    ]
    mps = Mps()
    if mps.start():
        mps.stop()
        found.insert(2, Way(f"{lanes} processes under MPS", lanes, {"engine": "ray", "mps": True, **share}))
    else:
        print(f"MPS does not run here: {mps.why}")
    return found


def busy() -> float:
    """Percent that the device is busy right now: of a GPU by nvidia-smi, else of all cores since the last call."""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
    numbers = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    total, idle = sum(numbers), numbers[3] + numbers[4]
    before, busy.before = getattr(busy, "before", (0, 0)), (total, idle)  # type: ignore[attr-defined]
    return 100.0 * (1 - (idle - before[1]) / max(1, total - before[0]))


@contextlib.contextmanager
def watched(samples: list[float]) -> Iterator[None]:
    """Notes how busy the device is meanwhile."""
    over = threading.Event()

    def watch() -> None:
        busy()
        while not over.wait(SAMPLE_SECONDS):
            samples.append(busy())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(way: Way, arguments: argparse.Namespace, folder: Path) -> None:
    """One search of random candidates, which are the same for every way."""
    watch, samples = Stopwatch(), list[float]()
    with contextlib.ExitStack() as stack:
        stack.enter_context(watched(samples))
        if way.threads:
            stack.enter_context(mock.patch("nas.evaluators.training._threads", return_value=contextlib.nullcontext()))
            torch.set_num_threads(way.threads)
        nas.search(
            arguments.space, strategy="random", dataset=arguments.dataset, budget=f"{arguments.candidates}trials",
            fidelity=Fidelity(1, arguments.width, arguments.depth, arguments.samples),
            evaluator_options={"data_dir": arguments.data_dir} if arguments.data_dir else None,
            out=folder / f"{len(way.hourly)}-{way.name.replace(' ', '-')}", dashboard=False, observer=watch, **way.options,
        )  # fmt: skip
    if way.threads:
        torch.set_num_threads(1)
    warm = watch.times[way.lanes - 1]
    way.hourly.append(3600.0 * (len(watch.times) - way.lanes) / (watch.times[-1] - warm))
    way.utilisation.append(statistics.mean(samples) if samples else 0.0)
    way.failed += watch.failed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    gpu = bool(gpu_count())
    parser.add_argument("--lanes", type=int, default=4 if gpu else 2)
    parser.add_argument("--candidates", type=int, default=40 if gpu else 16, help="of each way and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--space", default="nasnet-cell")
    parser.add_argument("--dataset", default="cifar10" if gpu else "digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--depth", type=float, default=0.34)
    parser.add_argument("--samples", type=float, default=0.2)
    arguments = parser.parse_args()
    compared = ways(arguments.lanes)
    with tempfile.TemporaryDirectory() as name:
        for _ in range(arguments.rounds):
            for way in compared:
                measure(way, arguments, Path(name))
    first = statistics.median(compared[0].hourly)
    print(f"{'':32} candidates/h   to the first   device busy   failed")
    for way in compared:
        hourly, used = statistics.median(way.hourly), statistics.mean(way.utilisation)
        print(f"{way.name:32} {hourly:12.0f} {hourly / first:14.2f} {used:12.0f}% {way.failed:8d}")


if __name__ == "__main__":
    main()
