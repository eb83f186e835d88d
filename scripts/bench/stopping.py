#!/usr/bin/env python
"""What stopping hopeless candidates saves and loses, where the truth is known: all are trained to the end, then stopped on paper.

    python scripts/bench/stopping.py [--dataset digits] [--space tiny] [--trials 60] [--epochs 9] [--orders 200]

About five minutes on one core. Random candidates are trained by a search without a rule, whose record has their curves.
The rule of the engine is then run over them in many random orders, at several quantiles. Printed are the epochs saved (in
all), how many candidates of the best quarter were stopped, how often the best one of all was, and how much worse the best
one that is left is. Then one search with the rule, as a person would start it, and what it says of itself.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import nas
from nas.engine import stopping
from nas.evaluators import Fidelity
from nas.objectives import Objective
from nas.report.fidelity import stopping_lines

GOAL = Objective("accuracy")


def replay(trials: list[Any], quantile: float, epochs: int, order: random.Random) -> tuple[float, int, bool, float]:
    """One order: the share of epochs saved, good ones stopped, whether the best was stopped, and the regret in points."""
    mixed = order.sample(trials, len(trials))
    rule, done, left = stopping.Stopping(GOAL, quantile, 0), 0.0, []
    for number, trial in enumerate(mixed):
        bar, curve = rule.bar(number, 1.0, epochs), trial.curve
        end = next((i for i in range(1, len(curve)) if not bar.spared and bar.fails(curve[:i])), None)
        kept = curve if end is None else curve[:end]
        rule.learn(1.0, kept, end is not None)
        done += kept[-1][0]
        left += [trial] if end is None else []
    ranked = sorted(trials, key=lambda trial: -trial.value)
    good = ranked[: math.ceil(len(trials) / 4)]
    lost = sum(trial not in left for trial in good)
    return 1 - done / (epochs * len(trials)), lost, ranked[0] not in left, 100 * (ranked[0].value - max(t.value for t in left))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--depth", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {
            "strategy": "random", "dataset": options.dataset, "fidelity": Fidelity(options.epochs, options.width, options.depth),
            "budget": f"{options.trials}trials", "engine": "local",
        }  # fmt: skip
        study = nas.search(options.space, **given, out=Path(folder) / "all")
        trials = [trial for trial in study.trials if trial.judged]
        print(f"{options.dataset}, {options.space}: {len(trials)} random candidates, {options.epochs} epochs; {options.orders} orders")
        for quantile in (0.25, 0.5, 0.75):
            order = random.Random(0)
            made = [replay(trials, quantile, options.epochs, order) for _ in range(options.orders)]
            saved, lost, best, regret = (fmean(map(float, column)) for column in zip(*made, strict=True))
            good = math.ceil(len(trials) / 4)
            print(
                f"quantile {quantile:g}: {saved:.1%} of the epochs saved; of the best {good} {lost:.2f} stopped; "
                f"the best one in {best:.0%} of the orders; regret {regret:.2f} points"
            )
        whole = study.ledger().device_seconds
        study = nas.search(options.space, **given, stop_early=True, out=Path(folder) / "stopped")
        print(f"a search with the median: {study.ledger().device_seconds / whole:.2f} of the device seconds of that without")
        print("\n".join(stopping_lines(study)))


if __name__ == "__main__":
    main()
