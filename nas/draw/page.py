"""The whole picture: title, network, cells, legend."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Literal, get_args

from nas.arch import Architecture
from nas.cost import cost
from nas.draw.cell import draw_cell
from nas.draw.cells import NamedCell, named_cells
from nas.draw.geometry import Box, Drawing, Rect, Text
from nas.draw.layers import draw_layers
from nas.draw.stages import draw_stages
from nas.draw.style import FAMILIES
from nas.draw.text import fitted, text_width
from nas.ensembles import Ensemble
from nas.errors import NasError, unknown
from nas.primitives import LayerGraph
from nas.units import format_count

Part = Literal["all", "network", "cells"]
PARTS: tuple[Part, ...] = get_args(Part)

MARGIN, GAP, PAD = 24.0, 28.0, 18.0
TITLE, SMALL = 18.0, 11.0
# Between two families of the legend.
SPACE = 20.0
MAX_TITLE = 560.0
# What a reader can take in; the rest is counted, not drawn.
MAX_CELLS = 12


def picture(architecture: Architecture, part: Part = "all") -> Drawing:
    """The geometry of the picture of a network: of everything, or without its cells, or of the cells alone, which have no title.

    Raises `ArchitectureError` when its shapes do not fit, `NasError` when it has no such part, or is no single network.
    """
    cells = cells_of(architecture, part)
    out = Drawing()
    x = y = MARGIN
    if part != "cells":
        y = add_network(out, architecture)
        x = out.width + GAP
    for drawing in panels(cells):
        out.add(drawing, x, y)
        y += drawing.height + GAP
    # What stands beside the stages stands under the title.
    out.width = max([out.width, *(text.rect.right for text in out.texts)])
    add_legend(out, MARGIN, out.height + GAP)
    out.width, out.height = float(ceil(out.width + MARGIN)), float(ceil(out.height + MARGIN))
    return out


def cells_of(architecture: Architecture, part: Part) -> list[NamedCell]:
    """The cells that are drawn. Raises `NasError` for what is no single network, and for a part that there is not."""
    single(architecture)
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    cells = named_cells(architecture) if part != "network" else []
    if part == "cells" and not cells:
        raise NasError(f"{architecture.name} has no cells of its own; allowed: part network, all")
    return cells


def single(network: object) -> Architecture:
    """The network, if it is one. Raises `NasError`."""
    if isinstance(network, Ensemble):
        raise NasError(f"a picture of {network.name!r}, an ensemble of {len(network.members)}; allowed: a single network")
    if not isinstance(network, Architecture):
        raise NasError(f"a picture of a {type(network).__name__}; allowed: a network, such as `nas.load` returns")
    return network


def add_network(out: Drawing, architecture: Architecture) -> float:
    """Title and stages; where what stands beside the stages begins."""
    numbers = cost(architecture, aux=False)
    y = add_title(out, architecture, f"{format_count(numbers.params)} parameters, {format_count(numbers.macs)} multiply-adds")
    out.add(draw_stages(architecture, numbers.lowered, named_cells(architecture)), MARGIN, y)
    return y


def add_title(out: Drawing, architecture: Architecture, numbers: str) -> float:
    """Name and size of the network; where the rest may begin."""
    name = Text(fitted(architecture.name, TITLE, MAX_TITLE, bold=True), MARGIN, MARGIN + 10, TITLE, bold=True)
    extra = " without auxiliary heads" if architecture.aux else ""
    below = Text(f"{architecture.classes:,} classes, {numbers}{extra}", MARGIN, MARGIN + 34, SMALL, muted=True)
    out.texts += [name, below]
    return MARGIN + 58


def panels(cells: list[NamedCell]) -> Iterator[Drawing]:
    """Each cell in a frame under its names."""
    for item in cells[:MAX_CELLS]:
        yield panel(item)
    if len(cells) > MAX_CELLS:
        text = Text(f"{len(cells) - MAX_CELLS:,} more cells are not drawn", 0, 10, SMALL, muted=True)
        yield Drawing(text.rect.width, 20, texts=[text])


def panel(item: NamedCell) -> Drawing:
    """A cell in its frame."""
    inside = draw_layers(item.cell) if isinstance(item.cell, LayerGraph) else draw_cell(item.cell)
    title = Text(fitted(", ".join(item.names), 14, MAX_TITLE, bold=True), PAD, PAD + 8, 14, bold=True)
    below = Text(used(item), PAD, PAD + 28, SMALL, muted=True)
    out = Drawing()
    out.add(inside, PAD, PAD + 54)
    out.width, out.height = max(out.width, title.rect.right, below.rect.right) + PAD, out.height + PAD
    out.frames.append(Box(Rect(0, 0, out.width, out.height), "frame", (title, below), round=10))
    return out


def used(item: NamedCell) -> str:
    """How often a cell is used, and whether it reduces."""
    if item.uses == 0:
        return "not used"
    times = {1: "once", 2: "twice"}.get(item.uses, f"{item.uses:,} times")
    strided = [str(stride) for stride in item.strides if stride > 1]
    what = "the input has" if isinstance(item.cell, LayerGraph) else "operations on states 0 and 1 have"
    return f"used {times}" + (f"; {what} stride {', '.join(strided)}" if strided else "")


def add_legend(out: Drawing, x: float, y: float) -> None:
    """A swatch and a name for each family that is in the picture: in one row if they fit, else in columns."""
    styles = {box.style for box in out.boxes}
    shown = [(key, name) for key, name in FAMILIES.items() if key in styles]
    widths = [24 + SPACE + text_width(name, SMALL) for _, name in shown]
    if sum(widths) - SPACE > out.width - x:
        widths = [max(widths)] * len(widths)
    start, right = x, max(out.width, x + max(widths, default=SPACE) - SPACE)
    for (key, name), width in zip(shown, widths, strict=True):
        if x + width - SPACE > right:
            x, y = start, y + 22
        out.boxes.append(Box(Rect(x, y, 16, 14), key, round=3))
        out.texts.append(Text(name, x + 22, y + 7, SMALL))
        x += width
    out.width, out.height = right, y + 14
