"""How fast the command line starts, as ratios of whole processes timed in turn, and that it imports no torch.

    python scripts/bench/startup.py [--runs N]

Target: `nas --help` in at most 0.3 of the time of `optuna --help`; `nas show resnet50` and `nas scale efficientnet --phi 3` import no
torch, and the latter takes less than 0.5 s of processor time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall seconds of one run, and seconds of processor time, which other work on the machine does not stretch."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, worked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    commands = {
        "nas --help": [str(BIN / "nas"), "--help"],
        "optuna --help": [str(BIN / "optuna"), "--help"],
        "nas show resnet50": [str(BIN / "nas"), "show", "resnet50"],
        "nas scale efficientnet --phi 3": [str(BIN / "nas"), "scale", "efficientnet", "--phi", "3"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    work: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            taken, worked = seconds(command)
            if run:  # the first fills the caches of the disk
                times[name].append(taken)
                work[name].append(worked)
    for name, each in times.items():
        wall = f"median {1000 * statistics.median(each):6.0f} ms   min {1000 * min(each):6.0f} ms"
        print(f"{name:32} {wall}   processor {1000 * statistics.median(work[name]):6.0f} ms")
    ratios = [a / b for a, b in zip(times["nas --help"], times["optuna --help"], strict=True)]
    print(f"nas --help / optuna --help: median {statistics.median(ratios):.2f} (target 0.30)")
    for name in ("nas show resnet50", "nas scale efficientnet --phi 3"):
        command = [sys.executable, "-X", "importtime", *commands[name]]
        imported = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        found = sorted({line.split("|")[-1].strip() for line in imported.splitlines()} & {"torch", "ray", "optuna", "numpy"})
        print(f"{name} imports of torch, ray, optuna, numpy: {', '.join(found) or 'none'}")


if __name__ == "__main__":
    main()
