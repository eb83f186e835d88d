"""Every network in every format: seconds of export, and how far the file is from the network.

    python scripts/bench/exports.py                                    # baselines of up to 100M parameters at their own size
    python scripts/bench/exports.py --formats onnx --most 1000 --only swin
    python scripts/bench/exports.py --spaces 3                         # three samples of every space instead

Weights are drawn so that every part counts (`nas.testing.exports`). Seconds are of the whole verb, the check on four images
included. All baselines in one format take about half an hour on one core.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
from collections.abc import Iterator

import torch

import nas
from nas import spaces
from nas.arch import Architecture
from nas.errors import NasError
from nas.testing import exports as kit


def networks(samples: int, most: float, only: str) -> Iterator[tuple[str, Architecture]]:
    """Baselines by their size, or samples of spaces."""
    if samples:
        for name in spaces.names():
            draw = random.Random(0)
            for number in range(samples):
                space = spaces.load(name)
                yield f"{name} {number}", space.decode(space.sample(draw))
        return
    made = {name: nas.load(name) for name in nas.baselines.names() if only in name}
    sizes = {name: network.cost(aux=False).params for name, network in made.items()}  # type: ignore[union-attr]
    for name in sorted(made, key=sizes.__getitem__):
        if sizes[name] <= most * 1e6:
            yield name, made[name]  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", default="onnx,torch")
    parser.add_argument("--most", type=float, default=100, help="millions of parameters")
    parser.add_argument("--only", default="", help="part of a name")
    parser.add_argument("--spaces", type=int, default=0, help="samples of each space, in place of baselines")
    given = parser.parse_args()
    torch.set_num_threads(1)
    failed, total = 0, 0
    print("| network | parameters | format | seconds | MB | largest difference |\n|---|---|---|---|---|---|")
    for format in given.formats.split(","):
        taken, worst = [], 0.0
        for name, network in networks(given.spaces, given.most, given.only):
            gc.collect()
            total += 1
            start = time.perf_counter()
            try:
                made = kit.check(network, format)
            except (NasError, AssertionError) as error:
                failed += 1
                print(f"| {name} | | {format} | {time.perf_counter() - start:.1f} | | FAILED: {error} |", flush=True)
                continue
            taken.append(made.seconds)
            worst = max(worst, made.difference or 0.0)
            row = (name, f"{made.params:,}", format, f"{made.seconds:.1f}", f"{made.bytes / 1e6:.1f}", f"{made.difference:.1e}")
            print("| " + " | ".join(row) + " |", flush=True)
        if taken:
            middle = statistics.median(taken)
            print(f"{format}: {len(taken)} written, median {middle:.1f} s, longest {max(taken):.1f} s, worst {worst:.1e}", flush=True)
    print(f"{total - failed} of {total}")


if __name__ == "__main__":
    main()
