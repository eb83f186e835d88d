"""What searches for two objectives find, beside Optuna's own samplers: the hypervolume of their fronts.

    python scripts/bench/fronts.py [--spaces tiny,case-study-cell,nasnet-cell] [--marks 100,200] [--seeds 10]

Both objectives are made up of the network, so that nothing is trained: a worth, to which every option adds a random
amount and the multiply-adds their logarithm, and few multiply-adds. Every sampler meets the same networks, values and
seeds. Printed is the hypervolume above the worst of 100 random networks, as a multiple of random search's, and the mean
seconds an ask and a tell take together. Target: ahead of both of Optuna's at every mark.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from nas import spaces
from nas.strategies import Trial, create
from nas.strategies.base import Context
from nas.strategies.dominance import hypervolume
from nas.testing import strategies as kit

Point = tuple[float, ...]
OURS = ("random", "nsga2", "pareto-evolution")
THEIRS = ("NSGAIISampler", "TPESampler")


class Problem:
    """Values of the networks of a space, each computed once."""

    def __init__(self, space: Any, seed: int) -> None:
        self.space, self._worth, self._known = space, kit.separable(space, seed), dict[str, Point]()
        sample = [self(space.sample(random.Random(f"{seed}:{number}:reference"))) for number in range(100)]
        self.reference = tuple(map(min, *sample))

    def __call__(self, decisions: Any) -> Point:
        network = self.space.decode(decisions)
        if network.digest not in self._known:
            size = math.log10(network.cost(aux=False).macs)
            self._known[network.digest] = (self._worth(decisions) + 0.1 * size, -size)
        return self._known[network.digest]


def ours(name: str, problem: Problem, seed: int, trials: int) -> tuple[list[Point], float]:
    """Values in the order of the trials, and the strategy's own seconds."""
    strategy, points, spent = create(name, problem.space, seed, Context(objectives=2)), [], 0.0
    for number in range(trials):
        start = time.process_time()
        decisions = strategy.ask(number).decisions
        middle = time.process_time()
        points.append(problem(decisions))
        after = time.process_time()
        strategy.tell(Trial(number, decisions, points[-1][0], points[-1]))
        spent += middle - start + time.process_time() - after
    return points, spent


def theirs(name: str, problem: Problem, seed: int, trials: int) -> tuple[list[Point], float]:
    """The same with a sampler of Optuna's, which is asked for one decision after another."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize"] * 2, sampler=getattr(optuna.samplers, name)(seed=seed))
    points, spent = [], 0.0
    for _ in range(trials):
        start = time.process_time()
        trial = study.ask()
        decisions = problem.space.record(Suggestions(trial))
        middle = time.process_time()
        points.append(problem(decisions))
        after = time.process_time()
        study.tell(trial, points[-1])
        spent += middle - start + time.process_time() - after
    return points, spent


class Suggestions:
    """Decisions as Optuna's sampler makes them."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def choose(self, name: str, options: tuple[Any, ...]) -> Any:
        return self._trial.suggest_categorical(name, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", default="tiny,case-study-cell,nasnet-cell")
    parser.add_argument("--marks", default="100,200")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    marks = [int(mark) for mark in options.marks.split(",")]
    runs: list[tuple[str, Callable[..., tuple[list[Point], float]]]] = [(name, ours) for name in OURS] + [(name, theirs) for name in THEIRS]
    for space in options.spaces.split(","):
        found: dict[str, list[list[float]]] = {name: [] for name, _ in runs}
        seconds = dict.fromkeys(found, 0.0)
        for seed in range(options.seeds):
            problem = Problem(spaces.load(space), seed)
            for name, search in runs:
                points, spent = search(name, problem, seed, max(marks))
                found[name].append([hypervolume(points[:mark], problem.reference) for mark in marks])
                seconds[name] += spent / max(marks) / options.seeds
        print(f"{space}, hypervolume after {' and '.join(map(str, marks))} trials to that of random search, {options.seeds} seeds")
        for name, volumes in found.items():
            pairs = [[mine[i] / base[i] for mine, base in zip(volumes, found["random"], strict=True)] for i in range(len(marks))]
            text = "   ".join(f"{statistics.mean(ratios):.3f} +- {statistics.stdev(ratios):.3f}" for ratios in pairs)
            print(f"  {name:18} {text}   {1000 * seconds[name]:.2f} ms a trial", flush=True)


if __name__ == "__main__":
    main()
