"""How repeatable a measured latency is, beside one pass between two looks at the clock.

    python scripts/bench/latency.py [--networks resnet20,mobilenet_v2,resnet18] [--times 10] [--pause 2] [--threads 1]

The networks are measured `--times` times, `--pause` seconds apart, each time built anew: as `nas latency` does, and by
`time.time()` around one pass of a network just built, as a first try would. Spread is (largest - smallest) / median of the
medians; the ratio is to the first network, measured in the same call.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))


def naive(network: object) -> float:
    """Milliseconds of one pass."""
    import torch

    module, image = network.build().eval(), torch.randn(1, *network.input)  # type: ignore[attr-defined]
    with torch.no_grad():
        begun = time.time()
        module(image)
        return 1000.0 * (time.time() - begun)


def spread(values: Sequence[float]) -> str:
    """The median, and how far apart the others lie."""
    middle = statistics.median(values)
    return f"{middle:9.4g}  {(max(values) - min(values)) / middle:7.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default="resnet20,mobilenet_v2,resnet18")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--pause", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    import torch

    import nas
    from nas.latency import Setting, measure, turn

    torch.set_num_threads(options.threads)
    networks = [nas.load(name) for name in options.networks.split(",")]
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    cores: list[float] = []
    for _ in range(options.times):
        with turn("cpu"):
            found = measure(networks, Setting(threads=options.threads))
            ours.append([each.median_ms for each in found])
            cores.append(min(each.core for each in found))
            theirs.append([naive(network) for network in networks])
        time.sleep(options.pause)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{options.times} times; load {load}; the core was ours for {min(cores):.0%} to {max(cores):.0%} of the time")
    print(f"{'network':16} {'':10} {'median':>9}  {'spread':>7}     {'ratio':>9}  {'spread':>7}")
    for index, network in enumerate(networks):
        for name, rows in (("nas latency", ours), ("one pass", theirs)):
            values, ratios = [row[index] for row in rows], [row[index] / row[0] for row in rows]
            print(f"{network.name:16} {name:11} {spread(values)} ms  {spread(ratios)}")


if __name__ == "__main__":
    main()
