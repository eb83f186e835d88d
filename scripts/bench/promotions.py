#!/usr/bin/env python
"""Does a promoted candidate that goes on with its training reach what starting over reaches, and what does that save?

    python scripts/bench/promotions.py [--dataset digits] [--space tiny] [--candidates 8] [--seeds 3] [--rungs 1,3,9]

About six minutes on one core. Random candidates are trained to the last rung in four ways, with the same seeds: over
(all epochs at once), on (each rung goes on with the one below, by a whole schedule over its epochs, as searches do), last
(only the last rung goes on with the one below it), restart (as last, but a run of its own over the epochs that are
left). Prints mean accuracies, differences to over in points with their 95% intervals over all pairs,
and the CPU seconds of training and validation, of all rungs and of the last one.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import fmean
from typing import Any

import torch

import nas.spaces
from nas.evaluators import Fidelity
from nas.evaluators.training import TrainingEvaluator
from nas.repeatable import one_thread
from nas.study.interval import t_interval
from nas.training.run import Run


class Trainings:
    """Runs of one candidate and seed."""

    def __init__(self, evaluator: TrainingEvaluator, candidate: Any, fidelity: Fidelity, seed: int) -> None:
        self.data = evaluator._part(torch.device("cpu"), fidelity.samples)
        self.recipe = evaluator._recipe(self.data)
        self._evaluator, self._candidate, self._size = evaluator, candidate, (fidelity.width, fidelity.depth)
        self.seed = seed

    def run(self, epochs: int, begin: Callable[[Run], None] = lambda run: None) -> tuple[float, float, dict[str, Any]]:
        """Last accuracy, CPU seconds, and the state at the end, of a run over `epochs`."""
        module = self._evaluator._build(self._candidate, self._size, self.recipe, self.seed)
        run = Run(module, self.data, self.recipe, epochs, self.seed + epochs, lambda: None)
        begin(run)
        start, accuracy = time.process_time(), 0.0
        while run.epochs < epochs:
            accuracy = run.epoch()["accuracy"]
        return accuracy, time.process_time() - start, run.state()


def warm(state: dict[str, Any]) -> Callable[[Run], None]:
    """Begin with the weights and buffers of a state, and nothing else."""

    def begin(run: Run) -> None:
        run.module.load_state_dict(state["module"])
        run.optimiser.restore(state["optimiser"])

    return begin


def ways(trainings: Trainings, rungs: list[int]) -> dict[str, tuple[float, float, float]]:
    """(accuracy, CPU seconds of all rungs, CPU seconds of the last) of each way."""
    *below, last = rungs
    accuracy, seconds, _ = trainings.run(last)
    low = [trainings.run(epochs) for epochs in below]
    first = sum(each[1] for each in low)  # each rung anew
    found = {"over": (accuracy, first + seconds, seconds)}
    spent, state = low[0][1], low[0][2]
    for epochs in rungs[1:]:
        accuracy, seconds, state = trainings.run(epochs, lambda run, state=state: run.go_on(state))
        spent += seconds
    found["on"] = (accuracy, spent, seconds)
    accuracy, seconds, _ = trainings.run(last, lambda run: run.go_on(low[-1][2]))
    found["last"] = (accuracy, first + seconds, seconds)
    accuracy, seconds, _ = trainings.run(last - below[-1], warm(low[-1][2]))
    found["restart"] = (accuracy, first + seconds, seconds)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rungs", default="1,3,9", help="epochs, the lowest first")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--depth", type=float, default=1.0)
    options = parser.parse_args()
    rungs = [int(each) for each in options.rungs.split(",")]
    evaluator, fidelity = TrainingEvaluator(options.dataset), Fidelity(rungs[-1], options.width, options.depth)
    space, rng = nas.spaces.load(options.space).with_input(*evaluator.task()), random.Random(0)
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    with one_thread():
        for _ in range(options.candidates):
            candidate = space.decode(space.sample(rng))
            for seed in range(options.seeds):
                for way, made in ways(Trainings(evaluator, candidate, fidelity, seed), rungs).items():
                    found[way].append(made)
    print(f"{options.dataset}, {options.space}, rungs {rungs}, {options.candidates} candidates x {options.seeds} seeds")
    over = found["over"]
    for way, made in found.items():
        gaps = [100 * (own[0] - other[0]) for own, other in zip(made, over, strict=True)]
        low, high = t_interval(gaps) or (0.0, 0.0)
        shares = [sum(each[index] for each in made) / sum(each[index] for each in over) for index in (1, 2)]
        print(
            f"{way:>8}: {100 * fmean(each[0] for each in made):.2f}%, to over {fmean(gaps):+.2f} ({low:+.2f} to {high:+.2f}) points; "
            f"time of all rungs {shares[0]:.2f}, of the last {shares[1]:.2f} of over's"
        )


if __name__ == "__main__":
    main()
