"""The distinct cells of a network, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nas.arch import Architecture, Block
from nas.ops import Frozen
from nas.primitives import CellGraph


class NamedCell(NamedTuple):
    """A cell that is drawn, all its names, and how often and at which strides blocks are it."""

    cell: CellGraph
    names: tuple[str, ...]
    uses: int
    strides: tuple[int, ...]


def named_cells(architecture: Architecture) -> list[NamedCell]:
    """Every distinct cell: those with a name, then those written where they stand."""
    names: dict[CellGraph, list[str]] = {}
    for cell in architecture.cells:
        for graph in inner_cells(cell.op):
            names.setdefault(graph, []).append(cell.name if graph is cell.op else f"inside {cell.name}")
    parts = [architecture.stem, *architecture.stages, architecture.head, *(item.head for item in architecture.aux)]
    uses: dict[CellGraph, list[Block]] = {}
    for block in (block for part in parts for block in part):
        for graph in inner_cells(architecture.operation(block)):
            names.setdefault(graph, [])
            uses.setdefault(graph, []).append(block)
    return [_named(graph, found, number, uses.get(graph, [])) for number, (graph, found) in enumerate(names.items())]


def _named(graph: CellGraph, names: list[str], number: int, blocks: list[Block]) -> NamedCell:
    strides = tuple(sorted({block.stride for block in blocks}))
    return NamedCell(graph, tuple(dict.fromkeys(names)) or (f"cell {number + 1}",), sum(block.repeat for block in blocks), strides)


def inner_cells(value: Any) -> Iterator[CellGraph]:
    """All cells in a value of the language, the outer ones first."""
    if isinstance(value, CellGraph):
        yield value
    if isinstance(value, Frozen):
        value = [value.__dict__[name] for name in type(value).__match_args__]  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from inner_cells(item)
