"""Training images a second: ours beside the loop that most people would write (`_plain.py`), in turns, as ratios.

    python scripts/bench/training.py [--networks nasnet,nas-bench-201] [--device cpu] [--workers 2] [--batch 64] [--seconds 20]
                                     [--rounds 3] [--plain-threads N] [--loaders 2] [--data FILE.npz]
                                     [--execution layout=channels_last,precision=float32]

nasnet: NASNet-A's cells, 16 filters, two cells a stage; nas-bench-201: the cell of that space nearest to 82 million MACs. On a CPU
ours are as many worker processes as `--workers` (default: a core each), a thread each, since so a search trains; the plain loop
is one process with a thread for each core and two loader processes. On a GPU both are one process. Images are made up (uint8,
32x32) or read from `--data`. How ours runs its steps is chosen by a measurement first, as a search does, unless given.

A round is `--seconds` of one, then of the other. Images a second are by the wall clock; those a CPU second leave out the plain
loop's loader processes, in its favour. Where other work takes the cores, threads that wait for each other are of no use and the
first ratio says nothing; `--plain-threads 1 --loaders 0 --workers 1` compares CPU seconds of one core with one: a floor of what a
quiet machine shows, for two threads at most double what one does.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent.parent)]

CLASSES = 10
MACS = 82e6


def network(name: str) -> Any:
    """The architecture of a benchmark."""
    from nas import spaces
    from nas.baselines.nasnet import GENOTYPE, TENSORFLOW, Plan, cell_network

    if name == "nasnet":
        return cell_network("nasnet", GENOTYPE, TENSORFLOW, Plan(16, 2, 48), (3, 32, 32), CLASSES)
    space, rng = spaces.load(name).with_input((3, 32, 32), CLASSES), random.Random(0)
    made = [space.decode(space.sample(rng)) for _ in range(300)]
    return min(made, key=lambda each: abs(each.cost(aux=False).macs - MACS))


def pictures(path: str | None, count: int = 5120) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) uint8 and labels (N,)."""
    if path is not None:
        with np.load(path) as archive:
            return archive["x_train"], archive["y_train"].astype(np.int64)
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, CLASSES, count)


def data_of(path: str | None, device: Any) -> Any:
    from nas.data import Dataset
    from nas.training.dataset import TrainingData

    images, labels = pictures(path)
    return TrainingData.of(Dataset("pictures", images, labels, None, None, CLASSES, tuple(map(str, range(CLASSES))), True), 0.1, 0, device)


def plain(options: argparse.Namespace, name: str, pipe: Any) -> None:
    """A process that trains as most would."""
    import torch
    from _plain import Pictures, PlainLoop

    torch.set_num_threads(options.plain_threads)
    images = Pictures(*pictures(options.data), train=True)
    loop = PlainLoop(network(name).build(), images, torch.device(options.device), options.batch, options.loaders)

    def steps() -> Any:
        while True:
            yield from loop.steps()

    serve(steps(), options, pipe)


def ours(options: argparse.Namespace, name: str, pipe: Any) -> None:
    """A process that trains as a worker of a search does."""
    import torch

    from nas.training.execution import Execution
    from nas.training.recipe import Recipe
    from nas.training.run import Run

    execution = Execution(**options.execution)
    torch.set_num_threads(execution.threads)
    data, recipe = data_of(options.data, torch.device(options.device)), Recipe(batch=options.batch)
    run = Run(network(name).build(), data, recipe, 1000, 0, lambda: None, execution=execution)

    def steps() -> Any:
        run.module.train()
        with run.noise, run.layout:
            while True:
                for rows in torch.split(run._order(), run.batch):
                    if len(rows) == run.batch:
                        yield run.train_step(rows)
                        run.pace.step()
                run._shuffle = None

    serve(steps(), options, pipe)


def serve(steps: Any, options: argparse.Namespace, pipe: Any) -> None:
    """Some steps to warm up, then for every request the images and CPU seconds of so many seconds of steps."""
    import torch

    for _ in range(20 if options.device == "cuda" else 3):
        next(steps)
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        begun, cpu, count = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - begun < seconds:
            next(steps)
            count += 1
        if options.device == "cuda":
            torch.cuda.synchronize()
        pipe.send((count * options.batch / (time.perf_counter() - begun), count * options.batch / (time.process_time() - cpu)))


class Group:
    """Processes of one kind."""

    def __init__(self, target: Any, count: int, options: argparse.Namespace, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for _ in range(count):
            mine, theirs = context.Pipe()
            process = context.Process(target=target, args=(options, name, theirs))
            process.start()
            self.pipes.append(mine)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def round(self, seconds: float) -> tuple[float, float]:
        """Images a second of all together, and a CPU second of each."""
        for pipe in self.pipes:
            pipe.send(seconds)
        made = [pipe.recv() for pipe in self.pipes]
        return sum(each[0] for each in made), statistics.mean(each[1] for each in made)

    def end(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()


def chosen(options: argparse.Namespace, name: str) -> Any:
    """How steps are best run, by a measurement."""
    import torch

    from nas.training.execution import fixed_of
    from nas.training.recipe import Recipe
    from nas.training.tuning import Tuning

    torch.set_num_threads(1)
    data, made = data_of(options.data, torch.device(options.device)), network(name)
    recipe, end, fixed = Recipe(batch=options.batch), time.monotonic() + options.choice, fixed_of(options.given)
    return Tuning([(made.build, None)], data, recipe, 0, end, fixed=fixed).choose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="nasnet,nas-bench-201")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--workers", type=int, help="ours (default: all cores, or one on a GPU)")
    parser.add_argument("--batch", type=int, help="default: 64, or 256 on a GPU")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--choice", type=float, default=30.0, help="seconds for the choice of how steps are run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-threads", type=int, help="of the plain loop (default: all cores)")
    parser.add_argument("--loaders", type=int, default=2, help="processes that load its images")
    parser.add_argument("--data", metavar="FILE.npz", help="x_train (N, 32, 32, 3) uint8, y_train (N,)")
    parser.add_argument("--execution", dest="given", metavar="SETTING", help="what is not to be chosen")
    options = parser.parse_args()
    options.cores = len(os.sched_getaffinity(0))
    options.plain_threads = options.plain_threads or options.cores
    options.batch = options.batch or (64 if options.device == "cpu" else 256)
    workers = options.workers or (options.cores if options.device == "cpu" else 1)
    os.environ.pop("OMP_NUM_THREADS", None)
    for name in options.networks.split(","):
        cost, choice = network(name).cost(aux=False), chosen(options, name)
        options.execution = choice.execution.to_dict()
        print(f"{name}: {cost.params:,} parameters, {cost.macs / 1e6:.1f} MMACs, batch {options.batch}; {choice.line()}")
        groups = {"plain": Group(plain, 1, options, name), "ours": Group(ours, workers, options, name)}
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in groups}
        for _ in range(options.rounds):
            for kind, group in groups.items():
                found[kind].append(group.round(options.seconds))
        for group in groups.values():
            group.end()
        for kind, rows in found.items():
            wall, cpu = (statistics.median(row[index] for row in rows) for index in (0, 1))
            print(f"  {kind:6} {wall:9.1f} images/s  {cpu:9.1f} images/CPU-s")
        ratios = [[b[index] / a[index] for a, b in zip(found["plain"], found["ours"], strict=True)] for index in (0, 1)]
        for what, each in zip(("images/s", "images/CPU-s"), ratios, strict=True):
            if options.device == "cpu" or what == "images/s":
                middle = math.exp(statistics.mean(map(math.log, each)))
                print(f"  ratio  {middle:9.2f} in {what} ({min(each):.2f} to {max(each):.2f}; load {os.getloadavg()[0]:.1f})", flush=True)


if __name__ == "__main__":
    main()
