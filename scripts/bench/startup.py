"""How fast the command line starts, as ratios of whole processes timed in turn, and that it imports no torch.

    python scripts/bench/startup.py [--runs N]

Target: `nas --help` in at most 0.3 of the time of `optuna --help`; `nas show resnet50` imports no torch.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent


def seconds(command: list[str]) -> float:
    """Wall seconds of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    commands = {
        "nas --help": [str(BIN / "nas"), "--help"],
        "optuna --help": [str(BIN / "optuna"), "--help"],
        "nas show resnet50": [str(BIN / "nas"), "show", "resnet50"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if run:  # the first fills the caches of the disk
                times[name].append(taken)
    for name, taken in times.items():
        print(f"{name:20} median {1000 * statistics.median(taken):6.0f} ms   min {1000 * min(taken):6.0f} ms")
    ratios = [a / b for a, b in zip(times["nas --help"], times["optuna --help"], strict=True)]
    print(f"nas --help / optuna --help: median {statistics.median(ratios):.2f} (target 0.30)")
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", str(BIN / "nas"), "show", "resnet50"], check=True, capture_output=True, text=True
    ).stderr
    found = sorted({line.split("|")[-1].strip() for line in imported.splitlines()} & {"torch", "ray", "optuna", "numpy"})
    print(f"nas show resnet50 imports of torch, ray, optuna, numpy: {', '.join(found) or 'none'}")


if __name__ == "__main__":
    main()
