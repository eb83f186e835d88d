"""The picture in words, for those who do not see it."""

from __future__ import annotations

from collections.abc import Iterator

from nas.arch import Architecture, lower
from nas.draw.cells import NamedCell, named_cells
from nas.draw.layers import detail
from nas.draw.names import short_name
from nas.draw.page import Part
from nas.draw.stages import Row, Section, sections, shorter
from nas.draw.text import clean
from nas.primitives import LayerGraph

MAX_LENGTH = 20_000


def describe(architecture: Architecture, part: Part = "all") -> str:
    """Every stage and every cell that is drawn, in one paragraph."""
    cells = named_cells(architecture)
    said: list[str] = []
    if part != "cells":
        parts, beside = sections(architecture, lower(architecture), cells)
        said += [_section(section) for section in shorter(parts)]
        said += [f"{_section(branch.section)} reads stage {branch.after + 1}" for branch in beside[:12]]
    if part != "network":
        said += [_cell(item) for item in cells[:12]]
    return clean(". ".join(said) + ".")[:MAX_LENGTH]


def _section(section: Section) -> str:
    listed = ", ".join(_row(row) for row in section.rows)
    return f"{section.title}: {listed}" if section.title else listed


def _row(row: Row) -> str:
    times = f" {row.repeat} times" if row.repeat > 1 else ""
    return f"{row.name}{times}" + (f" to {row.shape}" if row.shape else "")


def _cell(item: NamedCell) -> str:
    cell = item.cell
    if isinstance(cell, LayerGraph):
        return f"{', '.join(item.names)}: {'; '.join(_layers(cell))}"
    nodes = []
    for number, node in enumerate(cell.nodes):
        edges = ", ".join(f"{short_name(edge.op)} of {edge.source}" for edge in node.edges)
        nodes.append(f"state {cell.inputs + number} is {node.combine + ' of ' if len(node.edges) > 1 else ''}{edges}")
    return f"Cell {', '.join(item.names)}: {'; '.join(nodes)}; output is {' with '.join(f'state {i}' for i in cell.outputs)}"


def _layers(graph: LayerGraph) -> Iterator[str]:
    """The layers and the output in words."""
    behind = graph.sets == "behind"
    for number, layer in enumerate(graph.layers):
        reads = " and ".join(map(str, layer.reads or (() if behind else (0,))))
        of = (f"{number}" + (f" joined with {reads}" if reads else "")) if behind else reads
        yield f"{detail(graph, number)} is {short_name(layer.op)} of {of}"
    yield f"output is {' with '.join(f'layer {state}' for state in graph.ends)}"
