"""A picture as SVG text: self-contained, the same in every process."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from nas.arch import Architecture
from nas.draw.describe import describe
from nas.draw.geometry import COPY, Box, Drawing, Line, Point, Text
from nas.draw.page import Part, picture
from nas.draw.paths import BORDER_WIDTH, LINE_WIDTH, Path, strokes
from nas.draw.style import DARK, LIGHT, Theme
from nas.draw.text import KNOWN, clean

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg(architecture: Architecture, *, dark: bool = False, part: Part = "all") -> str:
    """A picture of a network as the text of an SVG file: its stages, and each distinct cell as a graph, or a `part` of that.

    Raises `ArchitectureError` when the shapes of the network do not fit, `NasError` when there is no such part.
    """
    theme = DARK if dark else LIGHT
    drawing = picture(architecture, part)
    root = _root(drawing, architecture, part, "-dark" if dark else "")
    _add(root, "rect", width=drawing.width, height=drawing.height, fill=theme.background)
    for frame in drawing.frames:
        _box(root, frame, theme)
    lines = _add(root, "g", fill="none", stroke=theme.line, stroke_width=LINE_WIDTH)
    heads = _add(root, "g", fill=theme.line)
    for line in drawing.lines:
        _line(lines, heads, line)
    for box in drawing.boxes:
        _box(root, box, theme)
    for text in drawing.texts:
        _text(root, text, theme)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def _root(drawing: Drawing, architecture: Architecture, part: Part, theme: str) -> ET.Element:
    width, height = _number(drawing.width), _number(drawing.height)
    # A page may hold the picture twice, light and dark.
    key = f"nas-{architecture.digest[:12]}{theme}"
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height, "viewBox": f"0 0 {width} {height}",
        "role": "img", "aria-labelledby": f"{key}-title {key}-desc", "font-family": FONT,
    })  # fmt: skip
    _add(root, "title", id=f"{key}-title").text = title(architecture, part)
    _add(root, "desc", id=f"{key}-desc").text = describe(architecture, part)
    return root


def title(architecture: Architecture, part: Part) -> str:
    """What the picture shows, in a few words."""
    return f"{'Cells' if part == 'cells' else 'Architecture'} of {clean(architecture.name)}"


def _number(value: object) -> str:
    return f"{round(value, 2):g}" if isinstance(value, float) and abs(value) < 1e5 else str(value)


def _add(parent: ET.Element, tag: str, **attributes: object) -> ET.Element:
    return ET.SubElement(parent, tag, {key.replace("_", "-"): _number(value) for key, value in attributes.items()})


def _box(parent: ET.Element, box: Box, theme: Theme) -> None:
    group = _add(parent, "g")
    if box.note:
        _add(group, "title").text = box.note
    rect, paint = box.rect, theme.paints[box.style]
    for shift in (COPY, 0.0) if box.copies else (0.0,):
        _add(
            group, "rect", x=rect.x + shift, y=rect.y + shift, width=rect.width, height=rect.height, rx=box.round,
            fill=paint.fill, stroke=paint.border, stroke_width=BORDER_WIDTH,
        )  # fmt: skip
    for text in box.texts:
        _text(group, text, theme, paint.text)


def _text(parent: ET.Element, text: Text, theme: Theme, colour: str | None = None) -> None:
    # A third of the size below the middle is the baseline; `dominant-baseline` is not the same in all renderers.
    fill = colour or (theme.muted if text.muted else theme.text)
    made = _add(parent, "text", x=text.x, y=text.y + 0.35 * text.size, font_size=text.size, fill=fill)
    if text.anchor != "start":
        made.set("text-anchor", text.anchor)
    if text.bold:
        made.set("font-weight", "bold")
    if not KNOWN.issuperset(text.text):
        made.set("textLength", _number(text.rect.width))
        made.set("lengthAdjust", "spacingAndGlyphs")
    made.text = text.text


def _line(lines: ET.Element, heads: ET.Element, line: Line) -> None:
    stroke, head = strokes(line)
    _add(lines, "path", d=_data(stroke))
    if head is not None:
        _add(heads, "path", d=_data(head) + "Z")


def _data(path: Path) -> str:
    """The pieces in the letters of SVG."""
    pieces = (("L" if len(piece) == 1 else "C") + " ".join(map(_point, piece)) for piece in path.pieces)
    return f"M{_point(path.start)}{''.join(pieces)}"


def _point(point: Point) -> str:
    return f"{_number(float(point[0]))},{_number(float(point[1]))}"
