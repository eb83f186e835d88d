"""What the benchmark of strategies gives where others have published figures, and how fast strategies are.

    python scripts/bench/strategies.py --table nb201.npz [--seeds 500] [--workers N]

About ten minutes on two cores with 500 seeds, most of it the controller; `--without-rl` half a minute. Prints, each
with its target: test accuracy under 12,000 simulated seconds beside the figures of arXiv 2001.00326 (at most 0.1 points
apart); random search and evolution after 50 to 300 cells beside an independent measurement of 200 seeds on the same
table (at most three standard errors of their difference and 0.05 points apart); trials a second of evolution on one core
(at least 15,000); and the time a trial of the last tenth of 100,000 trials, to that of the first.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from nas import bench, spaces, strategies
from nas.bench.problems import Source
from nas.errors import NasError
from nas.strategies import Trial

REINFORCE = "rl:reinforce(hidden=0,rate=0.001,entropy=0,decay=0.9,tries=1)"  # as the paper has it: no LSTM, repetitions
PUBLISHED = {"random": (93.70, 0.36), "evolution(population=10,sample=3)": (93.92, 0.30), REINFORCE: (93.85, 0.37)}
MEASURED = {
    "random": (93.47, 93.71, 93.89, 93.96),
    "evolution(population=10,sample=3)": (93.62, 93.97, 94.14, 94.21),
    "evolution(population=50,sample=10)": (93.49, 94.05, 94.27, 94.31),
}
MARKS = (50, 100, 200, 300)
SECONDS = 12_000.0
SPEED = 15_000


def verdict(good: bool) -> str:
    """For the last column."""
    return "ok" if good else "MISSED"


def reproduction(table: str, seeds: int, workers: int, names: list[str]) -> bool:
    """Means under the published budget."""
    report = bench.measure("nas-bench-201", names, table=table, seconds=SECONDS, seeds=seeds, workers=workers)
    good = True
    print(f"{seeds} seeds of {SECONDS:,.0f} simulated seconds: published, here, difference, cells")
    for result in report.results:
        ((cells, mean),) = result.end.mean.items()
        target, spread = PUBLISHED[result.strategy]
        close = abs(mean - target) <= 0.1
        good &= close
        here = f"{mean:.2f} ± {result.end.std[cells]:.2f}"
        print(f"  {result.strategy:62} {target:.2f} ± {spread:.2f}   {here}   {mean - target:+.2f}   {cells:5.1f}   {verdict(close)}")
    return good


def agreement(table: str, seeds: int, workers: int) -> bool:
    """Means after numbers of cells."""
    report = bench.measure("nas-bench-201", list(MEASURED), table=table, trials=MARKS[-1], seeds=seeds, workers=workers)
    good = True
    print(f"{seeds} seeds, after {', '.join(map(str, MARKS))} cells: measured elsewhere / here")
    for result in report.results:
        line = []
        for mark, target in zip(MARKS, MEASURED[result.strategy], strict=True):
            mean, std = result.evaluations.mean[mark], result.evaluations.std[mark]
            close = abs(mean - target) <= 0.05 + 3 * std * (1 / seeds + 1 / 200) ** 0.5
            good &= close
            line.append(f"{target:.2f} / {mean:.2f} {verdict(close)}")
        print(f"  {result.strategy:36} {'   '.join(line)}")
    return good


def speed(table: str) -> bool:
    """Trials a second of evolution: ask, look up, tell, by the CPU's clock."""
    source = Source(spaces.load("nas-bench-201").to_yaml(), table)
    strategy, problem = strategies.create("evolution", source.space(), 0), source.problem(0)
    begun = time.process_time()
    found = bench.run(strategy, problem, name="evolution", seed=0, trials=5000)
    rate = found.asks / (time.process_time() - begun)
    print(f"evolution: {rate:,.0f} trials a second (target {SPEED:,}), {found.cost / found.asks * 1e6:.0f} µs an ask and tell")
    return rate >= SPEED


def growth(trials: int = 100_000) -> bool:
    """Time a trial of a long search, the last tenth to the first; n log n would be 1.25 to 1."""
    space = spaces.load("nasnet-cell")
    source = Source(space.to_yaml(), toy="separable")
    strategy, problem = strategies.create("evolution", space, 0), source.problem(0)
    times = []
    for number in range(trials):
        if number % (trials // 10) == 0:
            times.append(time.process_time())
        decisions = strategy.ask(number).decisions
        strategy.tell(Trial(number, decisions, problem.look(decisions, 1.0)[0]))
    times.append(time.process_time())
    ratio = (times[-1] - times[-2]) / (times[1] - times[0])
    print(f"evolution on nasnet-cell, {trials:,} trials: the last tenth took {ratio:.2f} times the first (target 1.25)")
    return ratio <= 1.25


def main() -> int:
    """All of it; the exit status says whether all targets were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--without-rl", action="store_true")
    given = parser.parse_args()
    names = [name for name in PUBLISHED if not (given.without_rl and name.startswith("rl"))]
    good = [
        reproduction(given.table, given.seeds, given.workers, names),
        agreement(given.table, given.seeds, given.workers),
        speed(given.table),
        growth(),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NasError as error:
        sys.exit(f"error: {error}")
