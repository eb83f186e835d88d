"""A network and its cells as a graph in the DOT language, for Graphviz and what else reads it.

Every block and every operation is a node, none is left out; edges are those of the network's graph. Colours as in the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat

from nas.arch import Architecture, Graph, Lowered, lower
from nas.arch.codec import encode
from nas.draw.cell import input_name
from nas.draw.cells import NamedCell, named_cells
from nas.draw.layers import units
from nas.draw.names import family, short_name
from nas.draw.page import Part, cells_of, used
from nas.draw.render import FONT, title
from nas.draw.stages import Section, sections, times
from nas.draw.style import DARK, FAMILIES, LIGHT, Theme
from nas.draw.text import clean
from nas.primitives import CellGraph, LayerGraph

MAX_LABEL, MAX_TIP = 80, 300
ESCAPE = "\\"
# Blocks are as wide as this, in inches, at least, so that the line into the first does not cross the title of its stage.
WIDTH = 2.2


def dot(architecture: Architecture, *, dark: bool = False, part: Part = "all") -> str:
    """A network as the text of a DOT file: a cluster a stage and a cell, a node a block and an operation, or a `part` of that.

    Raises `ArchitectureError` when the shapes of the network do not fit, `NasError` when there is no such part.
    """
    cells = cells_of(architecture, part)
    out = _Dot(DARK if dark else LIGHT)
    if part != "cells":
        out.network(architecture, lower(architecture))
    for number, item in enumerate(cells):
        out.cell(item, f"cell{number}")
    out.legend()
    head = [f"digraph {quoted(title(architecture, part))} {{", *out.defaults()]
    return "\n".join([*head, *(f"  {line}" for line in out.lines), "}", ""])


def quoted(text: str) -> str:
    """A user's text as a string of DOT that means itself: no escapes, no entities, one line."""
    plain = clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{plain}"'


def label(*lines: str, end: str = "\\n") -> str:
    """Lines, empty ones left out, as a label; each ends with the escape that centres it, or puts it to a side."""
    short = (line if len(line) <= MAX_LABEL else line[: MAX_LABEL - 1] + "…" for line in map(clean, lines) if line)
    return '"' + "".join(quoted(line)[1:-1] + end for line in short).removesuffix("\\n") + '"'


class _Dot:
    """Collects lines, and the families of what it has made."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self.lines: list[str] = []
        self.styles: set[str] = set()

    def defaults(self) -> Iterator[str]:
        theme, font = self.theme, quoted(FONT.split(",")[0])
        yield f'  graph [bgcolor="{theme.background}", rankdir=TB, nodesep=0.25, ranksep=0.35, fontname={font}, fontsize=12];'
        yield f'  node [shape=box, style="filled,rounded", fontname={font}, fontsize=11, height=0.3, margin="0.12,0.05"];'
        yield f'  edge [color="{theme.line}", arrowsize=0.6, fontname={font}];'

    def node(self, name: str, style: str, text: str, tip: str = "", **attributes: str | float) -> None:
        self.styles.add(style)
        paint = self.theme.paints[style]
        said = [f"label={text}", f'fillcolor="{paint.fill}"', f'color="{paint.border}"', f'fontcolor="{paint.text or self.theme.text}"']
        said += [f"tooltip={quoted(clean(tip)[:MAX_TIP])}"] if tip else []
        said += [f"{key}={value}" for key, value in attributes.items()]
        self.lines.append(f"{name} [{', '.join(said)}];")

    def edge(self, start: str, end: str) -> None:
        self.lines.append(f"{start} -> {end};")

    def open(self, name: str, style: str, *title: str, side: str = "l") -> None:
        paint = self.theme.paints[style]
        self.lines.append(f"subgraph cluster_{name} {{")
        # The escape at the end of a line puts it to that side.
        self.lines.append(f'label={label(*title, end=ESCAPE + side)}; labeljust={side}; fontcolor="{self.theme.muted}";')
        self.lines.append(f'style="filled,rounded"; fillcolor="{paint.fill}"; color="{paint.border}";')

    def close(self) -> None:
        self.lines.append("}")

    def network(self, architecture: Architecture, lowered: Lowered) -> None:
        """Stages as clusters; an edge for every value that a block reads, though only one for all copies of a block."""
        parts, beside = sections(architecture, lowered, named_cells(architecture))
        owners = [name for i, section in enumerate(parts) for name in self.section(section, f"part{i}", "main")]
        self.edges(lowered.main, owners)
        for i, (branch, (graph, value, _)) in enumerate(zip(beside, lowered.aux, strict=True)):
            self.edges(graph, [owners[value], *self.section(branch.section, f"aux{i}", f"aux{i}")])

    def section(self, section: Section, name: str, group: str) -> list[str]:
        """Nodes of a section, which Graphviz keeps in a line with those of their group; for each value the node that makes it."""
        if section.title:
            # Into an auxiliary head a line comes from the left.
            self.open(name, "stage", *section.title.split(", "), side="l" if group == "main" else "r")
        made = []
        for i, row in enumerate(section.rows):
            node = f"{name}_block{i}"
            self.node(node, row.style, label(row.name, row.shape, times(row) + row.detail), row.note, width=WIDTH, group=group)
            made.append(repeat(node, row.repeat))
        if section.title:
            self.close()
        return list(chain.from_iterable(made))

    def edges(self, graph: Graph, owners: Sequence[str]) -> None:
        """Edges between the owners of a graph's values, the first of which is its input."""
        ways = dict.fromkeys((owners[value], owners[i + 1]) for i, node in enumerate(graph.nodes) for value in node.inputs)
        for start, end in ways:
            if start != end:
                self.edge(start, end)

    def cell(self, item: NamedCell, name: str) -> None:
        """A cell as a cluster."""
        self.open(name, "frame", ", ".join(item.names), used(item))
        if isinstance(item.cell, LayerGraph):
            self.layers(item.cell, name)
        else:
            self.states(item.cell, name)
        self.close()

    def states(self, cell: CellGraph, name: str) -> None:
        """Input states, the operations of each node, what combines them, and the output."""
        states = [f"{name}_state{i}" for i in range(cell.inputs + len(cell.nodes))]
        for i in range(cell.inputs):
            self.node(states[i], "state", label(f"state {i}", input_name(cell, i)))
        for i, node in enumerate(cell.nodes, cell.inputs):
            self.node(states[i], "state", label(node.combine if len(node.edges) > 1 else "", f"state {i}"))
            for k, edge in enumerate(node.edges):
                op = f"{name}_op{i}_{k}"
                self.node(op, family(edge.op), label(short_name(edge.op)), str(encode(edge.op)))
                self.edge(states[edge.source], op)
                self.edge(op, states[i])
        self.node(f"{name}_output", "state", label("concat" if len(cell.outputs) > 1 else "", "output"))
        for i in cell.outputs:
            self.edge(states[i], f"{name}_output")

    def layers(self, graph: LayerGraph, name: str) -> None:
        """The boxes of a graph of layers, as in the pictures."""
        for i, unit in enumerate(units(graph)):
            self.node(f"{name}_box{i}", unit.style, label(unit.first, unit.second), unit.note)
            for read in unit.reads:
                self.edge(f"{name}_box{read}", f"{name}_box{i}")

    def legend(self) -> None:
        """A table with a swatch and a name for each family of operations that is there."""
        rows = (self.swatch(key, name) for key, name in FAMILIES.items() if key in self.styles)
        table = f'<table border="0" cellborder="0" cellspacing="4">{"".join(rows)}</table>'
        self.lines.append(f'legend [shape=plain, style="", fontcolor="{self.theme.text}", label=<{table}>];')

    def swatch(self, style: str, name: str) -> str:
        paint = self.theme.paints[style]
        box = f'<td border="1" style="rounded" bgcolor="{paint.fill}" color="{paint.border}" width="18"> </td>'
        return f'<tr>{box}<td align="left">{name}</td></tr>'
