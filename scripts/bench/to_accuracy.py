"""Seconds to a validation accuracy: our pipeline beside the loop that most people would write (`_plain.py`), the same network.

    python scripts/bench/to_accuracy.py [--network resnet20] [--dataset digits] [--accuracy 0.97] [--epochs 10] [--plain-epochs 30]
                                        [--device cpu] [--threads 1] [--batch 128] [--loaders 2] [--lr 0.1] [--seeds 1]

Ours is the plain recipe of the toolkit (one cosine with warm-up, squeezed into `--epochs`), with steps run as a measurement finds
best, whose seconds count. The other has a common recipe: rate 0.1, a tenth after a half and three quarters of `--plain-epochs`,
weight decay 5e-4. Both are validated after every epoch on the same tenth of the training images; what counts is the wall clock,
and on a CPU the process's own CPU seconds, up to the first epoch that reaches the accuracy. For CIFAR-10 and 0.91 on a GPU:

    python scripts/bench/to_accuracy.py --dataset cifar10 --device cuda --accuracy 0.91 --epochs 20 --plain-epochs 100
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent.parent)]


class Watch:
    """Wall and CPU seconds to the accuracy, and the best accuracy seen."""

    def __init__(self, wanted: float) -> None:
        self.wanted, self.best, self.wall, self.cpu, self.epochs = wanted, 0.0, math.nan, math.nan, 0
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def tell(self, accuracy: float) -> bool:
        """Whether it is reached, after one more epoch."""
        self.best, self.epochs = max(self.best, accuracy), self.epochs + 1
        if accuracy < self.wanted:
            return False
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return True

    def line(self, name: str) -> str:
        return f"{name:6} {self.wall:8.1f} s  {self.cpu:8.1f} CPU-s  {self.epochs:3d} epochs, best {self.best:.2%}"


class Reached(Exception):
    """The accuracy is reached."""


def ours(options: argparse.Namespace, build: Callable[[], Any], dataset: Any, seed: int) -> Watch:
    import torch

    from nas.training.dataset import TrainingData
    from nas.training.loop import train
    from nas.training.recipe import Recipe
    from nas.training.tuning import Tuning

    watch = Watch(options.accuracy)
    data = TrainingData.of(dataset, 0.1, 0, torch.device(options.device))
    recipe = Recipe.from_dict({**Recipe.default(len(data.train), min(data.shape[1:])).to_dict(), "batch": options.batch, "lr": options.lr})
    choice = Tuning([(build, None)], data, recipe, seed, time.monotonic() + options.choice, fixed={"threads": options.threads}).choose()
    if seed == 0:
        print(choice.line())

    def report(metrics: dict[str, float]) -> None:
        if watch.tell(metrics["accuracy"]):
            raise Reached

    with contextlib.suppress(Reached):
        train(build(), data, recipe, options.epochs, seed=seed, report=report, execution=choice.execution)
    return watch


def plain(options: argparse.Namespace, build: Callable[[], Any], dataset: Any, seed: int) -> Watch:
    import torch
    from _plain import Pictures, PlainLoop

    torch.manual_seed(seed)
    watch = Watch(options.accuracy)
    trained, held_out = dataset.split(0.1, 0)
    pictures = [
        Pictures(dataset.x_train[rows], dataset.y_train[rows], train, dataset.flip) for rows, train in ((trained, True), (held_out, False))
    ]
    pictures[1].mean, pictures[1].std = pictures[0].mean, pictures[0].std
    loop = PlainLoop(build(), pictures[0], torch.device(options.device), options.batch, options.loaders, options.lr)
    for epoch in range(options.plain_epochs):
        drops = sum(epoch >= part * options.plain_epochs for part in (0.5, 0.75))
        for group in loop.optimiser.param_groups:
            group["lr"] = options.lr * 0.1**drops
        for _ in loop.steps():
            pass
        if watch.tell(loop.accuracy(pictures[1])):
            break
    return watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--dataset", default="digits", help="name, npz:FILE, folder:DIR; of bytes")
    parser.add_argument("--accuracy", type=float, default=0.97)
    parser.add_argument("--epochs", type=int, default=10, help="of ours")
    parser.add_argument("--plain-epochs", type=int, default=30)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loaders", type=int, default=2, help="processes that load the plain loop's images")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--choice", type=float, default=5.0, help="seconds for the choice of how steps are run")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()

    import torch

    import nas
    from nas import data as datasets
    from nas.repeatable import parameters_from

    torch.set_num_threads(options.threads)
    dataset = datasets.load(options.dataset)
    network = nas.load(options.network).with_input(dataset.input, dataset.classes)
    print(f"{options.network}, {dataset.name}, {len(dataset.x_train)} images, to {options.accuracy:.1%} on {options.device}")
    for seed in range(options.seeds):

        def build(seed: int = seed) -> Any:
            with parameters_from(seed):
                return network.build()

        theirs = plain(options, build, dataset, seed)
        print(theirs.line("plain"), flush=True)
        own = ours(options, build, dataset, seed)
        print(own.line("ours"))
        print(f"ratio  {own.wall / theirs.wall:.2f} in seconds, {own.cpu / theirs.cpu:.2f} in CPU seconds (load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()
