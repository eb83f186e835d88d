"""Every network in every format: seconds of export, and how far the file is from the network.

    python scripts/bench/exports.py                                    # baselines of up to 100M parameters at their own size
    python scripts/bench/exports.py --most 15 --shrink                 # those of more at a quarter of the width, a third of the depth
    python scripts/bench/exports.py --formats onnx --most 1000 --only swin
    python scripts/bench/exports.py --spaces 3                         # three samples of every space instead
    python scripts/bench/exports.py --minutes 20 --out rows.jsonl      # again with the same file: goes on where it stopped

Weights are drawn so that every part counts (`nas.testing.exports`). Seconds are of the whole verb, the check on four images
included. All baselines in one format take about half an hour on one core.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import nas
from nas import spaces
from nas.arch import Architecture
from nas.errors import NasError
from nas.scale import resize
from nas.testing import exports as kit


def networks(samples: int, most: float, only: str, shrink: bool) -> Iterator[tuple[str, Architecture]]:
    """Baselines, or samples of spaces, in a drawn order: a run that is broken off has seen some of all. `most` is in millions."""
    made = list(sampled(samples) if samples else baselines(only))
    random.Random(0).shuffle(made)
    for name, network in made:
        if network.cost(aux=False).params <= most * 1e6:
            yield name, network
        elif shrink:
            yield f"{name}, reduced", resize(network, width=0.25, depth=0.34)


def baselines(only: str) -> Iterator[tuple[str, Architecture]]:
    for name in nas.baselines.names():
        if only in name:
            yield name, nas.load(name)  # type: ignore[misc]


def sampled(count: int) -> Iterator[tuple[str, Architecture]]:
    for name in spaces.names():
        draw, space = random.Random(0), spaces.load(name)
        for number in range(count):
            yield f"{name} {number}", space.decode(space.sample(draw))


def row(name: str, network: Architecture, format: str) -> dict[str, Any]:
    """Of one export; `failed` says why there is none."""
    start = time.perf_counter()
    made: dict[str, Any] = {"name": name, "format": format, "failed": None}
    try:
        done = kit.check(network, format)
        made |= {"params": done.params, "MB": done.bytes / 1e6, "difference": done.difference, "seconds": done.seconds}
        made["rounding"] = done.checked and done.checked.rounding
    except (NasError, AssertionError) as error:
        made |= {"failed": str(error), "seconds": time.perf_counter() - start}
    return made


def summary(rows: list[dict[str, Any]], format: str) -> str:
    mine = [each for each in rows if each["format"] == format]
    good = [each for each in mine if each["failed"] is None]
    if not good:
        return f"{format}: 0 of {len(mine)}"
    seconds, apart = {each["name"]: each["seconds"] for each in good}, {each["name"]: each["difference"] for each in good}
    slowest, worst = max(seconds, key=seconds.__getitem__), max(apart, key=apart.__getitem__)
    return (
        f"{format}: {len(good)} of {len(mine)} written, median {statistics.median(seconds.values()):.1f} s, "
        f"longest {seconds[slowest]:.1f} s ({slowest}), worst difference {apart[worst]:.1e} ({worst})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", default="onnx,torch")
    parser.add_argument("--most", type=float, default=100, help="millions of parameters")
    parser.add_argument("--shrink", action="store_true", help="networks of more parameters are made smaller, not left out")
    parser.add_argument("--only", default="", help="part of a name")
    parser.add_argument("--spaces", type=int, default=0, help="samples of each space, in place of baselines")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no other network after them")
    parser.add_argument("--out", type=Path, help="file of a row a line; what it holds is not done again")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out and given.out.exists() else []
    start, had, left = time.perf_counter(), {(each["name"], each["format"]) for each in rows}, 0
    formats = given.formats.split(",")
    for name, network in networks(given.spaces, given.most, given.only, given.shrink):
        for format in formats:
            if (name, format) in had:
                continue
            if time.perf_counter() - start > given.minutes * 60:
                left += 1
                continue
            gc.collect()
            rows.append(row(name, network, format))
            print(json.dumps(rows[-1]), flush=True)
            if given.out:
                with given.out.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    for format in formats:
        print(summary(rows, format))
    print(f"{left} not begun")


if __name__ == "__main__":
    main()
