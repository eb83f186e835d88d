"""What each recipe reaches in the same number of epochs, and what it costs beside the plain one.

    python scripts/bench/recipes.py [--network resnet20] [--dataset digits] [--width 0.5] [--epochs 10] [--seeds 2] [--batch 32]

The recipe's own epochs, batch and warm-up are for long runs: epochs are those given here, so the schedule is squeezed
into them; `--batch` replaces the batch, by which a rate is scaled that its recipe gives for a batch. The last column is
the time a step takes beside that of the plain recipe at the same batch, the median of five pairs of single steps.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from pathlib import Path

import torch

import nas
from nas import data as datasets
from nas.repeatable import parameters_from
from nas.training import recipes
from nas.training.dataset import TrainingData
from nas.training.loop import Run, train
from nas.training.recipe import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--width", type=float, default=1.0, help="of the network, a fraction")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--recipes", nargs="*", default=["plain", *recipes.names()], help="names or files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = TrainingData.of(datasets.load(options.dataset), 0.2, 0, torch.device("cpu"))
    default = Recipe.default(len(data.train), min(data.shape[1:]))
    network = nas.load(options.network).with_input(data.shape, data.classes).resized(width=options.width, depth=1.0)
    print(f"{options.network} at width {options.width:g}, {options.dataset}, {len(data.train)} images, {options.epochs} epochs")
    print("| recipe | batch | accuracy, % | training loss | step |\n|---|---|---|---|---|")
    for name in options.recipes:
        recipe = default if name == "plain" else recipes.load(name)
        if options.batch:
            recipe = dataclasses.replace(recipe, batch=options.batch)
        reached = []
        for seed in range(options.seeds):
            with parameters_from(seed):
                module = network.build(drop_path=recipe.drop_path)
            reached.append(train(module, data, recipe, options.epochs, seed=seed))
        accuracy = ", ".join(f"{100 * each['accuracy']:.1f}" for each in reached)
        loss = statistics.mean(each["train_loss"] for each in reached)
        cost = ratio(network, data, recipe, dataclasses.replace(default, batch=recipe.batch))
        print(f"| {Path(name).stem} | {recipe.batch} | {accuracy} | {loss:.2f} | {cost:.2f} |", flush=True)


def ratio(network: nas.Architecture, data: TrainingData, recipe: Recipe, plain: Recipe) -> float:
    """The time of a step by `recipe` beside one by `plain`, steps of both in turn."""
    runs = [Run(network.build(drop_path=each.drop_path), data, each, 1, 0, lambda: None) for each in (recipe, plain)]
    times: list[list[float]] = [[], []]
    for _ in range(6):
        for run, spent in zip(runs, times, strict=True):
            start = time.perf_counter()
            run.module.train()
            run.train_step(data.train[: run.batch])
            spent.append(time.perf_counter() - start)
    return statistics.median(a / b for a, b in zip(*(spent[1:] for spent in times), strict=True))


if __name__ == "__main__":
    main()
