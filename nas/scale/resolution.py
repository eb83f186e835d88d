"""The size of the image that a network is scaled to: one that it fits, and that its strides divide well."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, product

from nas.arch import Architecture, Graph, Node, lower
from nas.errors import ArchitectureError
from nas.ops import Map, Pair
from nas.ops.base import require
from nas.scale.inside import mapped

# How far from the wished size a size is taken that strides divide better; how many sizes are tried for one that fits, and of each
# side where the two differ.
NEAR = 0.03
TRIES, SIDES = 160, 40
MAX_SIDE = 2**16


def at_resolution(architecture: Architecture, factor: float, tidy: bool = True) -> Architecture:
    """The network on images `factor` times as large a side.

    Where the network's own input is a multiple of its total stride, that size within 3% of the wished one which shares most with
    the stride, so that no map is padded or cut; else, and where it need not be `tidy`, the nearest size that fits. Raises
    `ArchitectureError` where none does.
    """
    if factor == 1.0:
        return architecture
    channels, rows, columns = architecture.input
    wished = rows * factor, columns * factor
    most = max(wished)
    require(most <= MAX_SIDE, f"an image of {most:,.0f} pixels a side", f"at most {MAX_SIDE}")
    stride = total_stride(architecture) if tidy else 1
    first: ArchitectureError | None = None
    for size in _pairs(wished, (rows, columns), stride):
        made = _magnified(architecture, (channels, *size))
        try:
            lower(made)
        except ArchitectureError as error:
            first = first or error
        else:
            return made
    assert first is not None
    raise first


def _magnified(architecture: Architecture, input: tuple[int, int, int]) -> Architecture:
    """The network for that input, its windows grown with the rows."""
    factor = input[1] / architecture.input[1]
    made: Architecture = mapped(architecture.with_input(input, architecture.classes), lambda op: op.magnified(factor))
    return made


def total_stride(architecture: Architecture) -> int:
    """By how much the rows of the image are divided up to the head."""
    stride, rows = 1.0, architecture.input[1]
    for node in lower(architecture).main.nodes:
        seen = _map(node)
        if seen is None or node.name.startswith("head."):
            break
        stride *= max(1, round(rows / seen.rows))
        rows = seen.rows
    return int(stride)


def _map(node: Node) -> Map | None:
    """The map that a block writes, or the last within it where it writes tokens."""
    if isinstance(node.shape, Map):
        return node.shape
    leaves = node.op.leaves() if isinstance(node.op, Graph) else ()
    maps = [facts.shape for _, _, _, facts in leaves if isinstance(facts.shape, Map)]
    return maps[-1] if maps else None


def _pairs(wished: tuple[float, float], base: Pair, stride: int) -> Iterator[Pair]:
    """Rows and columns from the best on, both good before one of them very good."""
    rows, columns = (list(islice(_sizes(*axis, stride), TRIES)) for axis in zip(wished, base, strict=True))
    if base[0] == base[1]:
        return zip(rows, columns, strict=True)
    ranks = sorted(product(range(SIDES), range(SIDES)), key=lambda rank: (sum(rank), max(rank)))
    return ((rows[a], columns[b]) for a, b in ranks[:TRIES])


def _sizes(wished: float, base: int, stride: int) -> Iterator[int]:
    """Sizes from the best on: near ones that share most with the stride, then whole strides, then any, the nearest first."""
    tidy = stride if base % stride == 0 else 1
    whole = max(1, round(wished))
    near = range(min(whole, math.ceil(wished * (1 - NEAR))), max(whole, math.floor(wished * (1 + NEAR))) + 1)
    seen = sorted(near, key=lambda size: (-math.gcd(size, tidy), abs(size - wished)))
    yield from seen
    known = set(seen)
    for step in dict.fromkeys((tidy, 1)):
        middle = max(1, round(wished / step))
        for away in range(4 if step > 1 else TRIES):
            for count in dict.fromkeys((middle + away, middle - away)):
                if count > 0 and count * step not in known:
                    known.add(count * step)
                    yield count * step
