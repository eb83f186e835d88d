"""Speed of exported Python files: seconds to write each baseline, and their forward pass to that of the network.

    python scripts/bench/export.py [--clock wall] [--rounds 60] [NETWORK ...]

Targets: every baseline is written in under 1 s; a forward pass in evaluation takes at most 1.02 of the original's. Both are run
in turns on one thread; the ratio is the median over rounds of the ratio within a round. The clock of a forward pass is the
thread's own (what others do on the machine does not count) or the wall's. The allocator decides as much as the file does: glibc's
gives large freed blocks back to the system, and which ones depends on what the process did before, so run it several times, or
with MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296, which keeps them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import nas
from nas.build import build
from nas.export.python import to_python

NETWORKS = (
    "lenet5", "resnet20", "resnet50", "densenet121", "googlenet", "mobilenet_v3_large", "efficientnet_b0", "shufflenet_v2_x1_0",
    "nasnet_a_mobile", "darts_v2", "vit_s16", "swin_t",
)  # fmt: skip

CLOCKS = {"thread": time.thread_time, "wall": time.perf_counter}


def written(name: str) -> nn.Module:
    """The network of a baseline's file."""
    space: dict[str, Any] = {"__name__": "exported"}
    exec(compile(to_python(nas.load(name)), f"{name}.py", "exec"), space)
    made: nn.Module = space["Network"]()
    return made


def seconds(module: nn.Module, image: Tensor, times: int, clock: Callable[[], float]) -> float:
    """Seconds of a forward pass, the mean of a few."""
    start = clock()
    for _ in range(times):
        module(image)
    return (clock() - start) / times


def compare(name: str, rounds: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Median ratio of the forward passes, written file to original, and the original's median seconds."""
    architecture = nas.load(name)
    ours, theirs = build(architecture).eval(), written(name).eval()
    theirs.load_state_dict(ours.state_dict())
    image = torch.randn(1, *architecture.input)
    first = max(*[seconds(module, image, n, clock) for module, n in ((ours, 1), (theirs, 1), (ours, 2))])
    times = max(1, round(0.02 / first))
    ratios, base = [], []
    for number in range(rounds):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        taken = {id(module): seconds(module, image, times, clock) for module in order}
        ratios.append(taken[id(theirs)] / taken[id(ours)])
        base.append(taken[id(ours)])
    return statistics.median(ratios), statistics.median(base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--clock", choices=CLOCKS, default="thread")
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    args = parser.parse_args()
    torch.set_num_threads(1)
    taken = {}
    to_python(nas.load("lenet5"))
    for name in nas.baselines.names():
        start = time.perf_counter()
        to_python(nas.load(name))
        taken[name] = time.perf_counter() - start
    slowest = sorted(taken, key=lambda name: -taken[name])[:3]
    print(f"{len(taken)} baselines written in {sum(taken.values()):.1f} s; slowest:", *[f"{name} {taken[name]:.2f} s" for name in slowest])
    with torch.inference_mode():
        for name in args.networks:
            ratio, base = compare(name, args.rounds, CLOCKS[args.clock])
            print(f"{name:20} {1000 * base:7.1f} ms ({args.clock}), written file to original {ratio:.3f}")


if __name__ == "__main__":
    main()
