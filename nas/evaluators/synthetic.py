"""A made-up table of the cells of NAS-Bench-201: a formula in place of 15,625 trainings.

For tests and first tries, where no table is at hand. Its accuracies are of no network: nothing learnt from them, and no
ranking of strategies, may be quoted. What it has in common with a real table: a cell is as good as its paths from input
to output, most cells are middling, many are one network written differently, and the signal is noisy.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from nas.evaluators.table import EDGES, OPERATIONS

PATHS = (("0>3",), ("0>1", "1>3"), ("0>2", "2>3"), ("0>1", "1>2", "2>3"))  # from the input of the cell to its output
# What an operation adds to the depth of a path, and to seconds an epoch.
DEPTH = {"skip_connect": 0.0, "nor_conv_1x1": 0.62, "nor_conv_3x3": 1.0, "avg_pool_3x3": -0.12}
SECONDS = {"none": 0.0, "skip_connect": 0.1, "nor_conv_1x1": 1.6, "nor_conv_3x3": 3.1, "avg_pool_3x3": 1.1}
Paths = tuple[tuple[str, ...], ...]


def effective(cell: Mapping[str, str]) -> Paths:
    """The operations along every path that no `none` cuts, sorted: equal for cells that are one network."""
    found = (tuple(cell[edge] for edge in path) for path in PATHS)
    return tuple(sorted(tuple(op for op in path if op != "skip_connect") for path in found if "none" not in path))


def worth(paths: Paths, depth: Mapping[str, float] = DEPTH) -> float:
    """How good a cell of these effective paths is, in [0, 1]: its deepest path most of all, then how many there are.

    A cell of depth without a short path loses a little, as a network without residual connections does.
    """
    if not paths:
        return 0.0
    depths = sorted((sum(depth[op] for op in path) for path in paths), reverse=True)
    deep = 1.0 - math.exp(-0.9 * max(0.0, depths[0]))
    wide = 1.0 - math.exp(-0.8 * sum(max(0.0, each) for each in depths[1:]))
    short = 0.06 if depths[-1] <= 0.0 and depths[0] > 0.0 else 0.0
    return min(1.0, max(0.0, 0.05 + 0.66 * deep + 0.2 * wide + short))


def cells() -> Iterator[tuple[int, ...]]:
    """All cells as codes into `OPERATIONS`, an edge each."""
    return itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))


@cache
def _accuracies(paths: Paths) -> tuple[float, float]:
    """Validation accuracy after 12 epochs and test accuracy after 200, in percent; 10 is chance."""
    if not paths:
        return 10.0, 10.0
    true, noise = worth(paths), random.Random(f"synthetic:{paths}")
    test = 94.5 - 24.0 * (1.0 - true) ** 2.2 + noise.gauss(0.0, 0.12)
    signal = 82.0 - 34.0 * (1.0 - true) ** 1.9 + noise.gauss(0.0, 1.5)
    return round(signal, 3), round(min(test, 94.5), 3)


def columns() -> dict[str, Any]:
    """The columns of the table, as an archive has them. A third of a second."""
    import numpy

    codes = list(cells())
    rows = [_row(tuple(OPERATIONS[code] for code in cell)) for cell in codes]
    signal, test, seconds = (list(column) for column in zip(*rows, strict=True))
    return {
        "ops": numpy.array(codes, dtype="uint8"),
        "op_names": numpy.array(OPERATIONS),
        "val12": numpy.array(signal),
        "test200": numpy.array(test),
        "train_s_per_epoch": numpy.array(seconds),
    }


def _row(ops: Sequence[str]) -> tuple[float, float, float]:
    signal, test = _accuracies(effective(dict(zip(EDGES, ops, strict=True))))
    return signal, test, 7.0 + sum(SECONDS[op] for op in ops)
