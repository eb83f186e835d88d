"""Speed of the language: cost against tracing, and sampled and costed candidates a second.

    python scripts/bench/cost.py

Targets: `nas.load("resnet50").cost()` at least 150 times faster than building on the meta device and running
`torch.utils.flop_counter`, with the same MACs; 3,000 NASNet candidates a second on one core.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

import nas
from nas.spaces import RandomChooser, load


def median(call: Callable[[], object], runs: int) -> float:
    """Median wall seconds of a call, after one that is not counted."""
    call()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def traced(name: str) -> int:
    """Multiply-adds by building on the meta device and counting what torch runs."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    architecture = nas.load(name)
    with torch.device("meta"):
        module = architecture.build().eval()
        image = torch.empty(1, *architecture.input)
    with FlopCounterMode(display=False) as counter:
        module(image)
    return int(counter.get_total_flops()) // 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=3000)
    candidates = parser.parse_args().candidates
    space, rng = load("nasnet-cell"), random.Random(0)
    for _ in range(300):
        space.decide(RandomChooser(rng)).cost()
    rates = []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(candidates // 10):
            space.decide(RandomChooser(rng)).cost()
        rates.append(candidates // 10 / (time.perf_counter() - start))
    print(f"nasnet-cell: {statistics.median(rates):,.0f} sampled and costed a second, best slice {max(rates):,.0f} (target 3,000)")
    for name in ("resnet50", "vit_b16", "nasnet_a_cifar"):
        counted = nas.load(name).cost(aux=False).macs
        fast, slow = median(lambda name=name: nas.load(name).cost(), 50), median(lambda name=name: traced(name), 5)
        same = "same MACs" if counted == traced(name) else "MACs DIFFER"
        print(f"{name:15} cost {1000 * fast:6.2f} ms, traced {1000 * slow:6.0f} ms: {slow / fast:5.0f} times ({same})")


if __name__ == "__main__":
    main()
