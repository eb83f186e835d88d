#!/usr/bin/env python
"""Made-up landscapes on which strategies are chosen, so that no table of real results is tuned to.

    python scripts/bench/toys.py [--strategies "auto;local;..."] [--draws 6] [--seeds 2] [--trials 300] [--jobs 2]

Five kinds of landscape, several random draws each: the cell of six edges and five operations, two NASNet cells, the
shipped `tiny`, twenty decisions of six options with interactions, twelve ordered decisions. In a cell a made-up signal
flows from state to state: operations add capacity with diminishing returns and damp or lift the signal, sums mix what
they get, too deep or too shallow is bad, a cut signal is a failure; on top of it single edges and pairs of edges have a
random worth. What a strategy is told carries noise that belongs to the candidate, as in a table; what is scored is the
noiseless value of the best so far by what was told.

Prints for each strategy the mean rank among those compared and the mean regret, as a share of the gap between the
median of random candidates and the best known, at 50, 100, 200 and 300 trials; then milliseconds an ask.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import Pool
from statistics import fmean, median
from typing import Any

import nas.spaces
from nas import strategies
from nas.primitives import CellGraph
from nas.spaces import Space
from nas.strategies import Context, Trial

MARKS = (50, 100, 200, 300)
KINDS = ("cell", "nasnet", "tiny", "pairs", "ordered")
Value = Callable[[Mapping[str, Any]], float | None]


@dataclass(frozen=True)
class Toy:
    """A landscape: its space, the noiseless value (None fails), what a strategy is told, and the scale of regret."""

    space: Space
    truth: Value
    told: Value
    best: float
    middle: float


def blocks(count: int, fields: Mapping[str, list[Any]]) -> Space:
    """A space of `count` blocks whose fields are all open."""
    stages = [{"block": {"conv": {k: {"choose": v} for k, v in fields.items()}}, "width": 8} for _ in range(count)]
    head = ["global_pool", {"block": "linear", "width": "classes"}]
    return Space({"name": "blocks", "input": [3, 8, 8], "classes": 10, "stages": stages, "head": head})


def space_of(kind: str) -> Space:
    """The space of a kind of landscape."""
    if kind == "cell":
        return nas.spaces.load("nas-bench-201")
    if kind == "nasnet":
        return nas.spaces.load("nasnet-cell")
    if kind == "tiny":
        return nas.spaces.load("tiny")
    if kind == "pairs":
        return blocks(20, {"activation": ["relu", "relu6", "silu", "gelu", "hardswish", "tanh"]})
    return blocks(4, {"kernel": [1, 3, 5, 7, 9], "dilation": [1, 2, 3, 4], "groups": [1, 2, 4, 8]})


class Flow:
    """A signal through a cell, and the worth of single decisions and pairs of them."""

    def __init__(self, space: Space, rng: random.Random) -> None:
        self.space = space
        draw = rng.uniform
        self.kappa, self.best_of, self.lift = draw(0.5, 3.0), draw(0.0, 1.0), draw(-0.2, 0.6)
        self.depth, self.bend = draw(1.0, 3.5), draw(0.0, 0.25)
        self.ops: dict[str, tuple[float, float, float]] = {}
        self.rng = rng
        self.edge, self.pair = rng.choice((0.0, 0.1, 0.3)), rng.choice((0.0, 0.1, 0.3))
        self.worth = Pairs(space, rng, self.pair, self.edge)

    def op(self, name: str) -> tuple[float, float, float]:
        """Capacity, gain and depth of an operation."""
        if name not in self.ops:
            if name == "none":
                made = (0.0, 0.0, 0.0)
            elif name == "skip_connect":
                made = (0.0, 1.0, 0.0)
            elif "pool" in name:
                made = (self.rng.uniform(-0.3, 0.15), self.rng.uniform(0.5, 1.0), 0.3)
            else:
                made = (self.rng.uniform(0.2, 1.0), self.rng.uniform(0.7, 1.1), 1.0)
            self.ops[name] = made
        return self.ops[name]

    def cell(self, cell: CellGraph) -> float | None:
        """What a cell is worth; None where nothing flows."""
        from nas.spaces.canonical import label

        states = [(1.0, 0.0, 0.0)] * cell.inputs
        for node in cell.nodes:
            parts = []
            for edge in node.edges:
                capacity, gain, deep = self.op(edge.op.name if edge.op.name in ("none", "skip_connect") else label(edge.op))
                g, q, d = states[edge.source]
                parts.append((g * gain, q + capacity * math.exp(-max(q, 0.0) / self.kappa), d + deep))
            states.append(self.mix(parts))
        g, q, d = self.mix([states[i] for i in cell.outputs])
        if g <= 1e-9:
            return None
        return q + self.lift * math.log(g) - self.bend * (d - self.depth) ** 2

    def mix(self, parts: list[tuple[float, float, float]]) -> tuple[float, float, float]:
        """The sum of several signals."""
        parts = [part for part in parts if part[0] > 1e-9]
        if not parts:
            return 0.0, 0.0, 0.0
        total = sum(g for g, _, _ in parts)
        mean = sum(g * q for g, q, _ in parts) / total
        top = max(q for _, q, _ in parts)
        return total, self.best_of * top + (1 - self.best_of) * mean + 0.15 * math.log(len(parts)), sum(g * d for g, _, d in parts) / total

    def __call__(self, decisions: Mapping[str, Any]) -> float | None:
        architecture = self.space.decode(decisions)
        cells = [self.cell(cell.op) for cell in architecture.cells if isinstance(cell.op, CellGraph)]
        if any(each is None for each in cells):
            return None
        return sum((0.7, 0.3)[i] * value for i, value in enumerate(cells) if value is not None) + self.worth(decisions)


class Pairs:
    """A random worth of each option, and of random pairs of options of neighbouring decisions."""

    def __init__(self, space: Space, rng: random.Random, pair: float = 0.7, single: float = 1.0) -> None:
        names = list(space.choices)
        self.single = {(n, o): single * rng.gauss(0, 1) for n in names for o in space.choices[n]}
        chosen = [(names[i], names[j]) for i in range(len(names)) for j in range(i + 1, len(names)) if rng.random() < 3 / len(names)]
        self.pairs = {(a, x, b, y): pair * rng.gauss(0, 1) for a, b in chosen for x in space.choices[a] for y in space.choices[b]}
        self.chosen, self.scale = chosen, 1 / math.sqrt(len(names))

    def __call__(self, decisions: Mapping[str, Any]) -> float:
        total = sum(self.single[each] for each in decisions.items())
        total += sum(self.pairs[a, decisions[a], b, decisions[b]] for a, b in self.chosen if a in decisions and b in decisions)
        return total * self.scale


class Ordered:
    """A smooth optimum in each ordered decision, neighbours pulling at each other."""

    def __init__(self, space: Space, rng: random.Random) -> None:
        self.choices = space.choices
        self.names = list(space.choices)
        self.at = {n: rng.uniform(0, 1) for n in self.names}
        self.weight = {n: rng.expovariate(1.0) for n in self.names}
        self.pull = {(a, b): rng.gauss(0, 1) for a in self.names for b in self.names if a < b and rng.random() < 0.15}

    def __call__(self, decisions: Mapping[str, Any]) -> float:
        x = {n: self.choices[n].index(decisions[n]) / (len(self.choices[n]) - 1) - self.at[n] for n in self.names}
        return -sum(self.weight[n] * x[n] ** 2 for n in self.names) - sum(w * x[a] * x[b] for (a, b), w in self.pull.items())


@lru_cache(maxsize=64)
def toy(kind: str, draw: int) -> Toy:
    """Landscape number `draw` of a kind. The best is that of long local climbs on the noiseless value."""
    rng, space = random.Random(f"toy:{kind}:{draw}"), space_of(kind)
    raw: Any = {"pairs": Pairs, "ordered": Ordered}.get(kind, Flow)(space, rng)
    samples = [space.sample(rng) for _ in range(400)]
    values = sorted(value for value in map(raw, samples) if value is not None)
    low, high = values[len(values) // 4], values[-len(values) // 20]
    steep, noisy = rng.uniform(1.0, 3.0), rng.choice((0.02, 0.1, 0.25))
    known: dict[Any, float | None] = {}

    def truth(decisions: Mapping[str, Any]) -> float | None:
        key = frozenset(decisions.items())
        if key not in known:
            value = raw(decisions)
            if value is None:
                known[key] = cut
            else:  # an error with a long tail: linear in the bad, flat in the good
                known[key] = 94.0 - 2.0 * math.log1p(math.exp(-steep * (value - high) / (high - low)))
        return known[key]

    cut = 10.0 if rng.random() < 0.7 else None  # a cut network is as good as chance, or its training fails
    finite = sorted(value for value in map(truth, samples) if value is not None)
    spread = noisy * (finite[int(0.95 * len(finite))] - finite[len(finite) // 2])

    def told(decisions: Mapping[str, Any]) -> float | None:
        value = truth(decisions)
        noise = random.Random(f"{draw}:{sorted((n, str(o)) for n, o in decisions.items())}").gauss(0, 1)
        return None if value is None else value + spread * noise

    return Toy(space, truth, told, climb(space, truth, rng), median(finite))


def climb(space: Space, truth: Value, rng: random.Random) -> float:
    """The best of some long climbs."""
    best = -math.inf
    for _ in range(6):
        at = space.sample(rng)
        height, idle = truth(at) or -math.inf, 0
        while idle < 250:
            other = space.mutate(at, rng) if rng.random() < 0.6 else space.mutate(space.mutate(at, rng), rng)
            value = truth(other) or -math.inf
            idle = 0 if value > height else idle + 1
            if value >= height:
                at, height = other, value
        best = max(best, height)
    return best


def one(job: tuple[str, dict[str, Any], str, int, int, int]) -> tuple[dict[int, float], float]:
    """Regret at the marks, and seconds an ask, of a strategy on a landscape."""
    name, options, kind, draw, seed, trials = job
    made = toy(kind, draw)
    strategy = strategies.create(name, made.space, seed, Context(trials=trials), **options)
    spent, best, regrets, truth = 0.0, -math.inf, {}, made.middle
    for number in range(trials):
        begun = time.process_time()
        decisions = strategy.ask(number).decisions
        spent += time.process_time() - begun
        value = made.told(decisions)
        begun = time.process_time()
        strategy.tell(Trial(number, decisions, value))
        spent += time.process_time() - begun
        if value is not None and value > best:
            best, truth = value, made.truth(decisions) or made.middle
        if number + 1 in MARKS:
            regrets[number + 1] = max(0.0, made.best - truth) / max(1e-9, made.best - made.middle)
    return regrets, spent / trials


def compare(arms: dict[str, tuple[str, dict[str, Any]]], kinds: tuple[str, ...], draws: int, seeds: int, trials: int, jobs: int) -> None:
    """Print ranks and regrets of some strategies."""
    cases = [(kind, draw, seed) for kind in kinds for draw in range(draws) for seed in range(seeds)]
    work = [(name, options, *case, trials) for name, options in arms.values() for case in cases]
    with Pool(jobs) as pool:
        done = pool.map(one, work, chunksize=1)
    table = {arm: done[i * len(cases) : (i + 1) * len(cases)] for i, arm in enumerate(arms)}
    marks = [mark for mark in MARKS if mark <= trials]
    for kind in (*kinds, "all"):
        chosen = [i for i, case in enumerate(cases) if kind in (case[0], "all")]
        titles = [f"{f'rank{m}':>8}" for m in marks] + [f"{f'regret{m}':>9}" for m in marks]
        print(f"{kind:42} {' '.join(titles)}  ms/ask")
        for arm, rows in table.items():
            ranks = [fmean(rank(rows[i][0][m], [other[i][0][m] for other in table.values()]) for i in chosen) for m in marks]
            regrets = [100 * fmean(rows[i][0][m] for i in chosen) for m in marks]
            figures = " ".join([f"{r:8.2f}" for r in ranks] + [f"{r:9.2f}" for r in regrets])
            print(f"{arm:42} {figures} {1e3 * fmean(rows[i][1] for i in chosen):7.1f}", flush=True)


def rank(regret: float, all_of_them: list[float]) -> float:
    """The rank of a regret among some that hold it, from 1; equal ones share theirs."""
    return 0.5 + sum((other < regret) + 0.5 * (other == regret) for other in all_of_them)


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", default="random;evolution;local;predictor", help='names, or NAME{"OPTION": VALUE}, joined by ;')
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    arms = {}
    for text in given.strategies.split(";"):
        name, brace, rest = text.partition("{")
        arms[text] = (name, json.loads(brace + rest) if rest else {})
    compare(arms, tuple(given.kinds.split(",")), given.draws, given.seeds, given.trials, given.jobs)


if __name__ == "__main__":
    main()
