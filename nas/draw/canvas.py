"""A picture as PNG or PDF: the same geometry and colours as the SVG, drawn by matplotlib in the DejaVu Sans that it brings along.

The same network gives the same bytes: no date, no chance, no font of the machine.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from nas.arch import Architecture
from nas.draw.geometry import COPY, Box, Drawing, Line, Text
from nas.draw.page import Part, picture
from nas.draw.paths import BORDER_WIDTH, LINE_WIDTH, Path, rounded, strokes
from nas.draw.render import title
from nas.draw.style import DARK, LIGHT, Theme
from nas.draw.text import KNOWN
from nas.errors import NasError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

# Pixels of the geometry to an inch, as in CSS; a point of a font or a stroke is 1/72 inch.
PIXELS, POINTS = 96.0, 72.0 / 96.0
# Two dots a pixel.
DPI = 192
MIN_DPI, MAX_DPI = 24, 2400
# Dots of a PNG: 4 bytes each while it is drawn.
MAX_DOTS = 120_000_000
# TrueType, so that what is written stays text; no notation of formulas, so that a name is what is written.
STYLE: Any = {"font.family": "DejaVu Sans", "text.parse_math": False, "pdf.fonttype": 42, "path.snap": False}


def png(architecture: Architecture, *, dark: bool = False, part: Part = "all", dpi: int = DPI) -> bytes:
    """A picture as the bytes of a PNG file, `dpi` / 96 dots to each pixel of the SVG; see `nas.draw.svg`.

    Raises what `nas.draw.svg` does, and `NasError` for a `dpi` at which the picture is too small or too large.
    """
    drawing = picture(architecture, part)
    check_dpi(drawing, dpi)
    told = {"Title": title(architecture, part), "Software": None}
    return _bytes(drawing, DARK if dark else LIGHT, "png", dpi, told)


def pdf(architecture: Architecture, *, dark: bool = False, part: Part = "all") -> bytes:
    """A picture as the bytes of a PDF file of one page, lines and text as such, as large as the SVG; see `nas.draw.svg`."""
    told = {"Title": title(architecture, part), "Creator": None, "Producer": None, "CreationDate": None}
    return _bytes(picture(architecture, part), DARK if dark else LIGHT, "pdf", int(POINTS * PIXELS), told)


def check_dpi(drawing: Drawing, dpi: int) -> None:
    """Raise `NasError` where a picture would have next to no dots, or more than memory should be asked for."""
    most = min(MAX_DPI, int(PIXELS * (MAX_DOTS / (drawing.width * drawing.height)) ** 0.5))
    if not MIN_DPI <= dpi <= most:
        raise NasError(f"dpi={dpi}; allowed: {MIN_DPI} to {most} for this picture, or a format without dots")


def _bytes(drawing: Drawing, theme: Theme, form: str, dpi: int, told: dict[str, str | None]) -> bytes:
    import matplotlib

    out = io.BytesIO()
    # What a user has set for figures of his own is not for these.
    settings = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")}
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes, and some settings are to go: no news for the terminal.
        warnings.simplefilter("ignore")
        with matplotlib.rc_context({**settings, **STYLE}):
            figure(drawing, theme).savefig(out, format=form, dpi=dpi, metadata=told)
    return out.getvalue()


def figure(drawing: Drawing, theme: Theme) -> Figure:
    """The matplotlib figure, in the order of the SVG: frames, lines and their arrows, boxes, texts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    made = Figure(figsize=(drawing.width / PIXELS, drawing.height / PIXELS), facecolor=theme.background)
    FigureCanvasAgg(made)
    place = Affine2D().scale(1, -1).translate(0, drawing.height).scale(1 / PIXELS) + made.dpi_scale_trans
    page = _Page(made, place, theme)
    for frame in drawing.frames:
        page.box(frame)
    for line in drawing.lines:
        page.line(line)
    for box in drawing.boxes:
        page.box(box)
    for text in drawing.texts:
        page.text(text)
    return made


class _Page:
    """Puts one thing after another on a figure, each above those before."""

    def __init__(self, figure: Figure, place: Affine2D | Any, theme: Theme) -> None:
        self.figure, self.place, self.theme = figure, place, theme
        self.count = 0

    def box(self, box: Box) -> None:
        paint = self.theme.paints[box.style]
        for shift in (COPY, 0.0) if box.copies else (0.0,):
            outline = rounded(box.rect.moved(shift, shift), box.round)
            self.path(outline, facecolor=paint.fill, edgecolor=paint.border, linewidth=BORDER_WIDTH * POINTS, closed=True)
        for text in box.texts:
            self.text(text, paint.text)

    def line(self, line: Line) -> None:
        stroke, head = strokes(line)
        self.path(stroke, facecolor="none", edgecolor=self.theme.line, linewidth=LINE_WIDTH * POINTS)
        if head is not None:
            self.path(head, facecolor=self.theme.line, edgecolor="none", linewidth=0, closed=True)

    def path(self, path: Path, closed: bool = False, **paint: Any) -> None:
        from matplotlib import path as paths
        from matplotlib.patches import PathPatch

        points, codes = [path.start], [paths.Path.MOVETO]
        for piece in path.pieces:
            points += piece
            codes += [paths.Path.LINETO] if len(piece) == 1 else [paths.Path.CURVE4] * 3
        if closed:
            points.append(path.start)
            codes.append(paths.Path.CLOSEPOLY)
        self.add(PathPatch(paths.Path(points, codes), transform=self.place, capstyle="butt", joinstyle="miter", **paint))

    def text(self, text: Text, colour: str | None = None) -> None:
        from matplotlib.text import Text as Written

        across: Any = {"start": "left", "middle": "center", "end": "right"}[text.anchor]
        # The baseline, as in the SVG.
        made = Written(
            text.x, text.y + 0.35 * text.size, text.text, color=colour or (self.theme.muted if text.muted else self.theme.text),
            fontsize=text.size * POINTS, fontweight="bold" if text.bold else "normal", horizontalalignment=across,
            verticalalignment="baseline", transform=self.place,
        )  # fmt: skip
        self.add(made)
        if not KNOWN.issuperset(text.text):
            self.narrow(made, text.rect.width)

    def narrow(self, made: Any, room: float) -> None:
        """No estimate is safe for what is not ASCII: a text that is wider than its room gets a smaller font."""
        wide = made.get_window_extent().width / self.figure.get_dpi() * PIXELS
        if wide > room:
            made.set_fontsize(made.get_fontsize() * room / wide)

    def add(self, artist: Any) -> None:
        self.count += 1
        artist.set(zorder=self.count, clip_on=False, snap=False)
        self.figure.add_artist(artist)
