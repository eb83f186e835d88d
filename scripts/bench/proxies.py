"""How well each zero-cost proxy ranks cells of NAS-Bench-201: Spearman's rho with the accuracies of a table, and its time.

    python scripts/bench/proxies.py --table nb201_cifar10.npz
    python scripts/bench/proxies.py --table nb201_cifar10.npz --data npz:cifar10.npz      # on real images, not noise

150 random cells take about fifteen minutes on one core. Columns of the table: `ops`, `op_names`, `val12`, `test200`; its own
`naswot` and `logsynflow` are compared where it has them.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

import nas
import nas.data
import nas.spaces
from nas import measures
from nas.evaluators.zerocost import probe as images_of

EDGES = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, those of equal values their mean."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[where]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rho."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, metavar="FILE")
    parser.add_argument("--cells", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--proxies", default=",".join(measures.proxies()))
    parser.add_argument("--data", metavar="DATASET", help="A data set whose training images are shown; default noise.")
    parser.add_argument("--out", metavar="FILE", help="The scores as JSON.")
    options = parser.parse_args()

    table = np.load(options.table)
    space = nas.spaces.load("nas-bench-201")
    rows = np.random.default_rng(options.seed).choice(len(table["ops"]), options.cells, replace=False)
    cells = [
        space.decode({edge: str(table["op_names"][code]) for edge, code in zip(EDGES, table["ops"][row], strict=True)}) for row in rows
    ]  # fmt: skip
    probe = images_of(nas.data.load(options.data), options.seed) if options.data else measures.Probe(options.seed)
    columns = [name for name in ("val12", "test200", "naswot", "logsynflow") if name in table]
    print(f"{'proxy':12}" + "".join(f"{name:>12}" for name in columns) + f"{'ms a cell':>12}", flush=True)
    kept = {}
    for name in measures.find_proxies(options.proxies):
        start = time.perf_counter()
        scores = np.array([measures.measure(cell, name, probe) for cell in cells])
        ms = 1000 * (time.perf_counter() - start) / len(cells)
        kept[name] = scores.tolist()
        print(f"{name:12}" + "".join(f"{spearman(scores, table[column][rows]):12.3f}" for column in columns) + f"{ms:12.1f}", flush=True)
    if options.out:
        with open(options.out, "w") as file:
            json.dump({"rows": rows.tolist(), "scores": kept}, file)


if __name__ == "__main__":
    main()
