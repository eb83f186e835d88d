"""The network as a column: input, stem, stages, head from top to bottom, auxiliary heads on the right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from nas.arch import Architecture, Block, Graph, Lowered, Primitive
from nas.arch.codec import encode
from nas.draw.cells import NamedCell
from nas.draw.geometry import COPY, Box, Drawing, Line, Rect, Text, widest
from nas.draw.names import family, short_name
from nas.draw.text import clean, fitted, text_width

T = TypeVar("T")
Names = Mapping[Primitive, str]

SIZE, SMALL = 12.0, 10.5
LOW, HIGH = 27.0, 42.0
GAP, SECTION_GAP, PAD = 13.0, 20.0, 8.0
MAX_NAME = 240.0
# Height of the title of an auxiliary head.
TITLE = 20.0
# What a reader can take in; the rest is counted, not drawn.
MAX_ROWS, MAX_SECTIONS, MAX_AUXILIARY = 160, 40, 12


class Row(NamedTuple):
    """A box of the column: a block, its repeats, what is said of it, and the shape that leaves it."""

    name: str
    style: str
    shape: str = ""
    detail: str = ""
    note: str = ""
    repeat: int = 1
    # Whether it reads the row above, as nearly all do.
    follows: bool = True


class Section(NamedTuple):
    """The input, the stem, a stage or the head; `numbers` are the stages that end in it."""

    title: str
    rows: tuple[Row, ...]
    numbers: tuple[int, ...] = ()


class Branch(NamedTuple):
    """An auxiliary head on the output of stage `after`."""

    after: int
    section: Section


def sections(architecture: Architecture, lowered: Lowered, cells: Sequence[NamedCell]) -> tuple[list[Section], list[Branch]]:
    """Everything that stands in the column, from the input on, and the branches beside it."""
    graph, start = lowered.main, 0
    names: Names = {item.cell: item.names[0] for item in cells}
    parts = [Section("", (Row("input", "state", str(architecture.shape)),))]
    named = [("stem", architecture.stem, ()), *((f"stage {i + 1}", stage, (i,)) for i, stage in enumerate(architecture.stages))]
    for title, blocks, numbers in [*named, ("head", architecture.head, ())]:
        if blocks:
            parts.append(Section(title, rows(architecture, blocks, graph, start, names), numbers))
        start += sum(block.repeat for block in blocks)
    return parts, list(branches(architecture, lowered, names))


def branches(architecture: Architecture, lowered: Lowered, names: Names) -> Iterable[Branch]:
    """Each auxiliary head as a branch."""
    for item, (graph, _, weight) in zip(architecture.aux, lowered.aux, strict=True):
        title = f"auxiliary head, weight {weight:g}"
        yield Branch(item.after, Section(title, rows(architecture, item.head, graph, 0, names)))


def rows(architecture: Architecture, blocks: Sequence[Block], graph: Graph, start: int, names: Names) -> tuple[Row, ...]:
    """A row a block; `start` is the number of its first copy among the nodes of the graph."""
    made = []
    for block in blocks:
        start += block.repeat
        shape, op = str(graph.nodes[start - 1].shape), architecture.operation(block)
        name = names.get(block.op) or short_name(block.op)
        follows = block.reads is None or 1 in block.reads
        made.append(Row(name, family(op), shape, detail(block), clean(str(encode(block)))[:300], block.repeat, follows))
    return tuple(made)


def detail(block: Block) -> str:
    """Width, stride and what is read, as far as they are said."""
    parts = [f"width {block.width}"] if isinstance(block.width, int) else []
    parts += [f"stride {block.stride}"] if block.stride > 1 else []
    parts += [f"reads {', '.join(map(str, block.reads))} back"] if block.reads else []
    return ", ".join(parts)


def shorten(items: Sequence[T], most: int) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """The first, those left out, the last."""
    if len(items) <= most:
        return items, (), ()
    tail = max(1, most // 5)
    return items[: most - tail], items[most - tail : -tail], items[-tail:]


def shorter_section(section: Section, most: int = 20) -> Section:
    """A section of at most `most` rows, and one that counts the others."""
    first, hidden, last = shorten(section.rows, most)
    gap = (Row(f"{len(hidden):,} more blocks", "state"),) if hidden else ()
    return section._replace(rows=(*first, *gap, *last))


def shorter(parts: list[Section]) -> list[Section]:
    """About `MAX_ROWS` rows in at most `MAX_SECTIONS` sections, and rows that count the others."""
    first, hidden, last = shorten(parts, MAX_SECTIONS)
    numbers = tuple(number for section in hidden for number in section.numbers)
    gap = [Section("", (Row(f"{len(hidden):,} more stages", "state"),), numbers)] if hidden else []
    shown = [*first, *gap, *last]
    few = sum(len(section.rows) for section in shown) <= MAX_ROWS
    return [section if few else shorter_section(section, MAX_ROWS // len(shown)) for section in shown]


def draw_stages(architecture: Architecture, lowered: Lowered, cells: Sequence[NamedCell]) -> Drawing:
    """The network, its corner at (0, 0)."""
    parts, beside = sections(architecture, lowered, cells)
    parts = shorter(parts)
    width = row_width(row for section in parts for row in section.rows)
    gutter = widest([section.title for section in parts], SMALL) + 2 * PAD
    out, ends = Drawing(), {}
    y = 0.0
    last: Rect | None = None
    for section in parts:
        y, last = add_section(out, section, gutter, y, width, last)
        ends.update(dict.fromkeys(section.numbers, last))
        y += SECTION_GAP
    out.width, out.height = gutter + width + PAD, y - SECTION_GAP
    add_branches(out, beside, ends)
    return out


def add_section(out: Drawing, section: Section, x: float, y: float, width: float, last: Rect | None) -> tuple[float, Rect]:
    """The rows of a section in their frame, its title in the gutter left of them. Its lower end, and its last box."""
    if not section.title:
        last = add_rows(out, section.rows, Rect(x, y, width, 0), last)
        return last.bottom, last
    title = Text(section.title, PAD, y + PAD + row_height(section.rows[0]) / 2, SMALL, muted=True)
    last = add_rows(out, section.rows, Rect(x, y + PAD, width, 0), last)
    out.frames.append(Box(Rect(0, y, x + width + PAD, last.bottom + PAD - y), "stage", (title,), round=8))
    return last.bottom + PAD, last


def add_rows(out: Drawing, rows: Sequence[Row], start: Rect, last: Rect | None) -> Rect:
    """Boxes from `start` down, each with an arrow from the one before, the first from the box `last`. The lowest box."""
    y = start.y
    for row in rows:
        rect = Rect(start.x, y, start.width, row_height(row))
        if last is not None and row.follows:
            x = rect.x + rect.width / 2
            out.lines.append(Line(((x, last.bottom + (COPY if out.boxes[-1].copies else 0)), (x, y)), arrow=True))
        out.boxes.append(row_box(row, rect))
        last, y = rect, rect.bottom + GAP
    assert last is not None
    return last


def row_height(row: Row) -> float:
    """One line, or two where there is a detail to tell."""
    return HIGH if row.detail or row.repeat > 1 else LOW


def row_width(rows: Iterable[Row]) -> float:
    """Room for the widest row."""
    widths = [0.0]
    for row in rows:
        first = min(MAX_NAME, text_width(row.name, SIZE, bold=True))
        right = text_width(row.shape, SMALL)
        second = text_width(f"{times(row)}{row.detail}", SMALL)
        widths.append(max(first + right, second) + 20 + 18)
    return max(widths)


def times(row: Row) -> str:
    """How often a block stands there."""
    return "" if row.repeat == 1 else f"× {row.repeat}" + (", " if row.detail else "")


def row_box(row: Row, rect: Rect) -> Box:
    """Name left, shape right, and below them the repeats, the width and the stride."""
    high = rect.height == HIGH
    y = rect.y + 14 if high else rect.middle
    room = rect.width - 38 - text_width(row.shape, SMALL)
    texts = [Text(fitted(row.name, SIZE, room, bold=True), rect.x + 10, y, SIZE, bold=True)]
    if row.shape:
        texts.append(Text(row.shape, rect.right - 10, y, SMALL, "end"))
    if high:
        texts.append(Text(fitted(times(row) + row.detail, SMALL, rect.width - 20), rect.x + 10, rect.y + 30, SMALL))
    return Box(rect, row.style, tuple(texts), row.note, copies=row.repeat > 1)


def add_branches(out: Drawing, beside: list[Branch], ends: dict[int, Rect]) -> None:
    """Auxiliary heads in a column of their own, each below the one before and not above the stage that it reads."""
    ranked = sorted(beside, key=lambda branch: branch.after)
    shown, hidden = ranked[:MAX_AUXILIARY], len(ranked[MAX_AUXILIARY:])
    if not shown:
        return
    drawn = [shorter_section(branch.section) for branch in shown]
    drawn += [Section("not drawn", (Row(f"{hidden:,} more auxiliary heads", "state"),))] if hidden else []
    width = max(row_width(row for section in drawn for row in section.rows), widest([s.title for s in drawn], SMALL))
    # Each has a channel of its own to come down in; the later ones turn off first, so that none cross.
    left = out.width + 24 + 10 * len(shown)
    y = 0.0
    for number, (branch, section) in enumerate(zip(shown, drawn, strict=False)):
        source = ends[branch.after]
        y = add_branch(out, section, max(y, source.middle - PAD - TITLE - row_height(section.rows[0]) / 2), left, width)
        entry = out.boxes[-len(section.rows)].rect
        out.lines.append(_way(source, entry, out.frames[-1].rect.x - 12 - 10 * number))
    if hidden:
        y = add_branch(out, drawn[-1], y, left, width)
    out.width, out.height = left + width + 2 * PAD, max(out.height, y - SECTION_GAP)


def _way(source: Rect, entry: Rect, channel: float) -> Line:
    """From a stage to its auxiliary head."""
    start, end = (source.right, source.middle), (entry.x, entry.middle)
    if abs(source.middle - entry.middle) < 1:
        return Line((start, end), arrow=True)
    return Line((start, (channel, source.middle), (channel, entry.middle), end), arrow=True)


def add_branch(out: Drawing, section: Section, top: float, left: float, width: float) -> float:
    """The rows of an auxiliary head under its title. Where the next may begin."""
    top = max(0.0, top)
    bottom = add_rows(out, section.rows, Rect(left + PAD, top + PAD + TITLE, width, 0), None).bottom + PAD
    title = Text(section.title, left + PAD, top + PAD + 6, SMALL, muted=True)
    out.frames.append(Box(Rect(left, top, width + 2 * PAD, bottom - top), "stage", (title,), round=8))
    return bottom + SECTION_GAP
