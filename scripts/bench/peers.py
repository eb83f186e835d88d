"""Our strategies beside those of other packages: one table, the same seeds, one run, judged by the same code.

    python scripts/bench/peers.py --table nb201.npz [--seeds 200] [--trials 300] [--only optuna,pyglove] [--out FILE.json]

The packages are installed into a virtual environment of their own (`--venv`, kept for the next time); this project does
not depend on them. One that cannot be installed, or fails, is named and left out. With 200 seeds of 300 trials about an
hour on two cores, most of it Optuna's TPE and deephyper. "P20 S10": the population and sample of our evolution; without
it a package's own defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from _peers import PEERS

from nas import bench, spaces, strategies
from nas.bench.report import summarise
from nas.bench.run import Run
from nas.errors import NasError
from nas.report.bench import tables
from nas.report.tables import console

TOP = Path(__file__).resolve().parents[2]
OURS = ("auto", "predictor", "local", "evolution")
NEEDED = ("numpy", "pyyaml")  # of this project, to read the table and the space
MARKS = (50.0, 100.0, 200.0, 300.0)
CHUNK = 10  # seeds a process


def environment(folder: Path, packages: set[str]) -> tuple[Path, dict[str, str]]:
    """The interpreter of the environment, and why each package that is missing could not be installed."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    missing: dict[str, str] = {}
    for package in (*NEEDED, *sorted(packages)):
        known = subprocess.run([python, "-m", "pip", "show", "-q", package], capture_output=True, check=False)
        if known.returncode == 0:
            continue
        print(f"installing {package}", file=sys.stderr)
        done = subprocess.run([python, "-m", "pip", "install", "-q", package], capture_output=True, text=True, check=False)
        if done.returncode:
            missing[package] = (done.stderr.strip().splitlines() or ["unknown"])[-1]
    return python, missing


def peer_runs(python: Path, peer: str, job: dict[str, Any]) -> list[Run]:
    """The runs of one peer under some seeds, in a process of its environment. Raises `NasError` with its last line."""
    variables = {**os.environ, "PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [python, TOP / "scripts" / "bench" / "_peers.py", json.dumps({"peer": peer, **job})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    if done.returncode:
        raise NasError((done.stderr.strip().splitlines() or ["killed"])[-1])
    return [Run(**{**each, "steps": tuple(map(tuple, each["steps"]))}) for each in json.loads(done.stdout.strip().splitlines()[-1])]


def all_peers(python: Path, peers: list[str], job: dict[str, Any], workers: int) -> Iterator[tuple[str, list[Run] | NasError]]:
    """(peer, its runs or why there are none), a chunk of seeds at a time."""
    seeds = job["seeds"]
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(peer_runs, python, peer, {**job, "seeds": chunk}): peer for peer in peers for chunk in chunks}
        for count, future in enumerate(as_completed(futures), start=1):
            print(f"\r{count}/{len(futures)}", end="", file=sys.stderr, flush=True)
            try:
                yield futures[future], future.result()
            except NasError as error:
                yield futures[future], error
    print(file=sys.stderr)


def main() -> None:
    """Run all and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="an .npz archive, or synthetic")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--ours", default=",".join(name for name in OURS if name in strategies.names()))
    parser.add_argument("--only", default="", help=f"words of which a peer has one: {', '.join(PEERS)}")
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "nas-peers-venv")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="results as JSON")
    given = parser.parse_args()

    words = [word.strip() for word in given.only.split(",") if word.strip()]
    peers = [name for name in PEERS if not words or any(word in name for word in words)]
    python, missing = environment(given.venv.resolve(), {PEERS[name][0] for name in peers})
    left_out = {name: f"not installed: {missing[PEERS[name][0]]}" for name in peers if PEERS[name][0] in missing}
    table = given.table if given.table == "synthetic" else str(Path(given.table).resolve())
    space = spaces.load("nas-bench-201")
    marks = [mark for mark in MARKS if mark <= given.trials] or [float(given.trials)]

    report = bench.measure(space, given.ours, table=table, trials=given.trials, seeds=given.seeds, workers=given.workers)
    runs = list(report.runs)
    job = {"space_yaml": space.to_yaml(), "table": table, "trials": given.trials, "seeds": list(range(given.seeds))}
    for name, found in all_peers(python, [name for name in peers if name not in left_out], job, given.workers):
        if isinstance(found, NasError):
            left_out[name] = f"failed: {found}"
        else:
            runs += found
    names = [result.strategy for result in report.results] + [name for name in peers if name not in left_out]
    runs = sorted((run for run in runs if run.strategy in names), key=lambda run: run.seed)
    whole = summarise(runs, names, marks, float("inf"), report.settings)
    console().print(tables(whole))
    for name, why in left_out.items():
        print(f"{name} is left out; {why}")
    versions = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=False).stdout.split()
    print("versions: " + ", ".join(line for line in versions if line.split("==")[0] in {PEERS[name][0] for name in peers}))
    if given.out:
        given.out.write_text(json.dumps({**whole.to_dict(), "left_out": left_out}, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except NasError as error:
        sys.exit(f"error: {error}")
