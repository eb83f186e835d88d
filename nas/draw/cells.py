"""The distinct cells of a network, graphs of layers among them, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nas.arch import Architecture, Block
from nas.ops import Frozen
from nas.primitives import CellGraph, LayerGraph

# What is drawn in a panel of its own; a graph of more layers than this stays one box.
Panelled = CellGraph | LayerGraph
MAX_LAYERS = 64


class NamedCell(NamedTuple):
    """A cell that is drawn, all its names, and how often and at which strides blocks are it."""

    cell: Panelled
    names: tuple[str, ...]
    uses: int
    strides: tuple[int, ...]


def named_cells(architecture: Architecture) -> list[NamedCell]:
    """Every distinct cell: those with a name, then those written where they stand."""
    names: dict[Panelled, list[str]] = {}
    for cell in architecture.cells:
        for graph in inner_cells(cell.op):
            names.setdefault(graph, []).append(cell.name if graph is cell.op else f"inside {cell.name}")
    parts = [architecture.stem, *architecture.stages, architecture.head, *(item.head for item in architecture.aux)]
    uses: dict[Panelled, list[Block]] = {}
    for block in (block for part in parts for block in part):
        for graph in inner_cells(architecture.operation(block)):
            names.setdefault(graph, [])
            uses.setdefault(graph, []).append(block)
    return [_named(graph, found, number, uses.get(graph, [])) for number, (graph, found) in enumerate(names.items())]


def _named(graph: Panelled, names: list[str], number: int, blocks: list[Block]) -> NamedCell:
    strides = tuple(sorted({block.stride for block in blocks}))
    word = "cell" if isinstance(graph, CellGraph) else "layers"
    return NamedCell(graph, tuple(dict.fromkeys(names)) or (f"{word} {number + 1}",), sum(block.repeat for block in blocks), strides)


def inner_cells(value: Any) -> Iterator[Panelled]:
    """All cells and graphs of layers in a value of the language, the outer ones first."""
    if isinstance(value, CellGraph) or (isinstance(value, LayerGraph) and len(value.layers) <= MAX_LAYERS):
        yield value
    if isinstance(value, Frozen):
        value = [value.__dict__[name] for name in type(value).__match_args__]  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from inner_cells(item)
