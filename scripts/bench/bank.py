"""Building candidates of a space from a weight bank, beside ordinary building; what the bank holds; what a child inherits.

    python scripts/bench/bank.py [--space nasnet-cell] [--count 1000] [--size proxy|full] [--source] [--clock wall]

Targets: a NASNet candidate from a warm bank in under 8 ms (median), under 20 ms at worst, whatever number was seen before.
`proxy` is 16 channels and 2 cells a stage. Warm: the bank has seen `count` networks; these are built once more (`again`), and
as many others of which it may lack a few parameters (`others`). From architecture to module, lowering included; ordinary building
in turns with it. The clock is the thread's own, on which other work of the machine costs little, or the wall's.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Callable, Iterable

import torch

from nas import spaces
from nas.arch import Architecture
from nas.bank import Bank
from nas.build import build
from nas.parts import keys
from nas.repeatable import parameters_from
from nas.spaces import Space

CLOCKS = {"thread": time.thread_time, "wall": time.perf_counter}
SIZES = {"proxy": (0.5, 1 / 3), "full": (1.0, 1.0)}


def networks(space: Space, size: tuple[float, float], count: int, seed: int) -> Iterable[Architecture]:
    """So many samples, at a fraction of the width and the depth."""
    rng = random.Random(seed)
    for _ in range(count):
        yield space.decode(space.sample(rng)).resized(*size)


def milliseconds(make: Callable[[Architecture], object], architecture: Architecture, clock: Callable[[], float]) -> float:
    """Of one building, without Python's collector, as `timeit` measures: that runs wherever the process happens to be."""
    gc.disable()
    start = clock()
    made = make(architecture)
    seconds = clock() - start
    del made
    gc.enable()
    return 1e3 * seconds


def line(name: str, times: list[float]) -> str:
    """Median, 99th percentile and worst."""
    ordered = sorted(times)
    return f"{name:34} median {statistics.median(times):7.2f} ms   99% {ordered[int(0.99 * len(ordered))]:7.2f}   worst {ordered[-1]:7.2f}"


def speed(space: Space, size: tuple[float, float], count: int, source: bool, clock: Callable[[], float]) -> None:
    """Times of building, and what the bank holds."""
    bank, marks = Bank(0, source=source), {round(count * part) for part in (0.03, 0.1, 0.3, 1)}
    cold = []
    for number, network in enumerate(networks(space, size, count, 0), 1):
        cold.append(milliseconds(bank.build, network, clock))
        if number in marks:
            held = sum(item.numel() for item in bank.parameters().values())
            few = list(networks(space, size, min(30, number), 0))
            warm = [milliseconds(bank.build, each, clock) for each in few]
            again = statistics.median(warm)
            print(f"  {number:5} seen: {len(bank):6} tensors, {held * 4 / 2**20:7.1f} MiB; the first again {again:6.2f} ms", flush=True)
    print(line("cold bank, in order of coming", cold))
    repeated, others, plain = [], [], []
    for number, network in enumerate(networks(space, size, count, 0)):
        repeated.append(milliseconds(bank.build, network, clock))
        if number % 20 == 0:
            plain.append(milliseconds(build, network, clock))
    before = len(bank)
    for network in networks(space, size, count, 1):
        others.append(milliseconds(bank.build, network, clock))
    print(line("ordinary building", plain))
    print(line(f"warm bank, {count} again", repeated), f"  ratio {statistics.median(plain) / statistics.median(repeated):.1f}")
    print(line(f"warm bank, {count} others", others), f"  {len(bank) - before} tensors new")


def inherited(space: Space, size: tuple[float, float], source: bool, count: int = 60) -> list[float]:
    """Fractions of a child's parameters whose keys its parent has, after one mutation."""
    rng, found = random.Random(2), []
    for _ in range(count):
        decisions = space.sample(rng)
        parent, child = (_keys(space, each, size, source) for each in (decisions, space.mutate(decisions, rng)))
        kept = sum(number for key, number in child.items() if key in parent)
        found.append(kept / sum(child.values()))
    return found


def _keys(space: Space, decisions: dict[str, object], size: tuple[float, float], source: bool) -> dict[str, int]:
    """Keys of a network's parameters, with their sizes."""
    with torch.device("meta"):
        module = space.decode(decisions).resized(*size).build()  # type: ignore[arg-type]
    named = keys(module, source)
    return {named[name]: item.numel() for name, item in module.named_parameters()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="nasnet-cell")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", choices=SIZES, default="proxy")
    parser.add_argument("--source", action="store_true", help="parameters of their own for every state that an edge may read")
    parser.add_argument("--clock", choices=CLOCKS, default="thread")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, size = spaces.load(options.space), SIZES[options.size]
    with parameters_from(0):
        build(next(iter(networks(space, size, 1, 9))))  # what torch does once a process
    speed(space, size, options.count, options.source, CLOCKS[options.clock])
    for source in (False, True):
        fractions = inherited(space, size, source)
        print(f"inherited after a mutation, source {'counts' if source else 'does not count'}: "
              f"mean {statistics.mean(fractions):.1%}, median {statistics.median(fractions):.1%}, least {min(fractions):.1%}")  # fmt: skip


if __name__ == "__main__":
    main()
