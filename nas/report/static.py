"""The complexity figure as SVG or PNG, drawn by matplotlib."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nas.report.figure import Figure, Point, front_colour, sizes
from nas.units import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

WIDTH, HEIGHT = 11.0, 7.8  # inches
LARGEST = 2000.0  # area of the largest bubble in square points
INK, MUTED, GRID = "#16191d", "#555d67", "#e3e6ea"
STYLE: Any = {
    "svg.hashsalt": "nas", "text.parse_math": False, "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "xtick.color": MUTED, "ytick.color": MUTED,
}  # fmt: skip
# Where a name may stand around its bubble, the best first: a direction, and how the text lies to it.
PLACES = (
    (-1, 1, "right", "bottom"), (0, 1, "center", "bottom"), (-1, 0, "right", "center"), (1, -1, "left", "top"), (1, 0, "left", "center"),
    (0, -1, "center", "top"), (1, 1, "left", "bottom"), (-1, -1, "right", "top"),
)  # fmt: skip
# How far from the bubble's rim, in points; only a name of the front goes further than the first.
DISTANCES = (2.0, 10.0, 18.0, 26.0, 34.0, 44.0, 56.0)
# A name keeps this many points from the bubbles of others, of which it may cover the rim where they are larger than this.
CLEAR, RIM = 1.5, 8.0
Box = tuple[float, float, float, float]


def picture(figure: Figure, form: str) -> bytes:
    """The bytes of an `svg` or `png` file. No date and no chance: the same figure gives the same bytes."""
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no news for the terminal.
        warnings.simplefilter("ignore", UserWarning)
        # What matplotlib would write of itself and of the time is left out.
        none = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        canvas(figure).savefig(out, format=form, dpi=160, metadata=none)
    return out.getvalue()


def canvas(figure: Figure) -> Any:
    """The matplotlib figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    made = Canvas(figsize=(WIDTH, HEIGHT), facecolor="white")
    FigureCanvasAgg(made)
    axes = made.add_axes((0.065, 0.085 + 0.02 * len(figure.notes), 0.735, 0.86 - 0.02 * len(figure.notes)))
    made.text(0.065, 0.965, figure.title, fontsize=12, fontweight="bold")
    for i, note in enumerate(figure.notes):
        made.text(0.065, 0.012 + 0.02 * (len(figure.notes) - 1 - i), note, fontsize=7.5, color=MUTED)
    _axes(axes, figure)
    _bubbles(axes, figure)
    _legends(axes, figure)
    _names(axes, figure)
    return made


def _axes(axes: Axes, figure: Figure) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlabel("multiply-adds for one image")
    axes.set_ylabel(figure.axis)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    x, y = [point.macs for point in figure.points], [point.value for point in figure.points]
    room = 0.08 * ((max(y) - min(y)) or 1.0)
    axes.set_xlim(min(x) / 1.6, max(x) * 1.6)
    axes.set_ylim(min(y) - room, max(y) + 1.5 * room)


def tick(count: float) -> str:
    """`2e8` as `200M`."""
    return format_count(count).replace(".0", "")


def area(point_params: float, most: int) -> float:
    """Square points of a bubble: in proportion to the parameters, the largest network's being the same in every figure."""
    return LARGEST * point_params / max(most, 1)


def _bubbles(axes: Axes, figure: Figure) -> None:
    most = max(point.params for point in figure.points)
    for line in figure.fronts:
        # A staircase: what the best network of at most so many multiply-adds reaches.
        x = [*(point.macs for point in line), axes.get_xlim()[1]]
        y = [*(point.value for point in line), line[-1].value]
        axes.plot(x, y, drawstyle="steps-post", color=front_colour(figure, line, MUTED), linewidth=1.1, linestyle=(0, (4, 2)), zorder=2)
    # The largest first, so that none hides a smaller one.
    for point in sorted(figure.points, key=lambda point: (-point.params, point.name)):
        colour = figure.colours[point.group]
        axes.scatter(
            [point.macs], [point.value], s=area(point.params, most), facecolors=[("white", 0.0) if point.hollow else (colour, 0.5)],
            edgecolors=colour, linewidths=1.6 if point.front else 0.8, zorder=3, gid=point.name,
        )  # fmt: skip
        axes.scatter([point.macs], [point.value], s=3, color=colour, linewidths=0, zorder=4)


def _legends(axes: Axes, figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linestyle="", marker="o", markersize=6, color=colour) for colour in figure.colours.values()]
    # matplotlib drops a text that begins with an underscore.
    texts = [textwrap.fill(f" {group}" if group.startswith("_") else group, 24) for group in figure.colours]
    handles.append(Line2D([], [], color=MUTED, linewidth=1.1, linestyle=(0, (4, 2))))
    axes.legend(
        handles, [*texts, "Pareto front"], title=figure.groups, loc="upper left", bbox_to_anchor=(1.02, 1.0), labelspacing=0.35,
        frameon=False, fontsize=8, alignment="left", borderaxespad=0,
    )  # fmt: skip
    _sizes(axes, figure)


def _sizes(axes: Axes, figure: Figure) -> None:
    """Bubbles of round sizes within each other, below the other legend."""
    most = max(point.params for point in figure.points)
    wide, high, across = 120, 74, 26
    # A coordinate of this corner is a point, so that its bubbles are as large as those of the figure.
    box = axes.get_position()
    made = axes.figure.add_axes((box.x1 + 0.015, box.y0, wide / 72 / WIDTH, high / 72 / HEIGHT))
    made.set(xlim=(0, wide), ylim=(0, high))
    made.axis("off")
    made.text(2, high - 12, "parameters", fontsize=9)
    for size in sizes(figure.points):
        across_it = area(size, most) ** 0.5
        made.scatter([across], [across_it / 2], s=area(size, most), facecolors="none", edgecolors=MUTED, linewidths=0.8, clip_on=False)
        made.plot([across, 58], [across_it, across_it], color=MUTED, linewidth=0.4)
        made.text(61, across_it, tick(size), fontsize=8, va="center")


def _names(axes: Axes, figure: Figure) -> None:
    """Names of the front at all events, then of as many others as have room, the most accurate of each group first."""
    taken: list[Box] = []
    bubbles = _circles(axes, figure)
    for point in ordered(figure):
        text, box = _place(axes, point, figure, taken, bubbles)
        if box is None:
            text.remove()
        else:
            taken.append(box)


def ordered(figure: Figure) -> list[Point]:
    """The points in the order in which they are named."""
    best: dict[str, Point] = {}
    for point in sorted(figure.points, key=lambda point: (-point.value, point.macs, point.name)):
        best.setdefault(point.group, point)
    return sorted(figure.points, key=lambda point: (not point.front, point is not best[point.group], -point.value, point.name))


def _circles(axes: Axes, figure: Figure) -> list[tuple[float, float, float]]:
    """Centre and radius of every bubble in pixels."""
    most = max(point.params for point in figure.points)
    centres = axes.transData.transform([(point.macs, point.value) for point in figure.points])
    scale = _scale(axes)
    return [(float(x), float(y), area(p.params, most) ** 0.5 / 2 * scale) for (x, y), p in zip(centres, figure.points, strict=True)]


def _scale(axes: Axes) -> float:
    """Pixels a point."""
    return float(axes.figure.get_dpi()) / 72


def _place(
    axes: Axes, point: Point, figure: Figure, taken: Sequence[Box], bubbles: Sequence[tuple[float, float, float]]
) -> tuple[Annotation, Box | None]:
    """Write a name where it covers no other and no small bubble; None where there is no such place and it is not of the front."""
    radius = area(point.params, max(p.params for p in figure.points)) ** 0.5 / 2
    others = [bubble for other, bubble in zip(figure.points, bubbles, strict=True) if other is not point]
    colour = INK if point.front else MUTED
    text = axes.annotate(
        point.name, (point.macs, point.value), (0, 0), textcoords="offset points", fontsize=7.5 if point.front else 6.2, color=colour,
        fontweight="bold" if point.front else "normal", zorder=6, arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5},
    )  # fmt: skip
    tries = enumerate(_tries(axes, text, radius, point.front))
    tried = [(_cost(box, taken, others, axes), i, box, place) for i, (box, place) in tries]
    cost, _, box, (dx, dy, across, along, far) = min(tried, key=lambda item: item[:2])
    text.set(position=(dx, dy), ha=across, va=along)
    if not far and text.arrow_patch is not None:
        text.arrow_patch.set_visible(False)
    return text, box if point.front or cost == 0 else None


def _tries(axes: Axes, text: Annotation, radius: float, far: bool) -> Iterator[tuple[Box, tuple[float, float, str, str, bool]]]:
    """Every place that a name may stand at, with its box in pixels."""
    from matplotlib.text import Text

    x, y = axes.transData.transform(text.xy)
    scale = _scale(axes)
    # The extent of the text alone, not of the line to its bubble.
    extent = Text.get_window_extent(text, axes.figure.canvas.get_renderer())  # type: ignore[attr-defined]
    wide, high = extent.width, extent.height
    for distance in DISTANCES if far else DISTANCES[:1]:
        for right, up, across, along in PLACES:
            reach = (radius + distance) * (0.75 if right and up else 1.0)
            dx, dy = right * reach, up * reach
            left = x + dx * scale - wide * {"left": 0, "center": 0.5, "right": 1}[across]
            low = y + dy * scale - high * {"bottom": 0, "center": 0.5, "top": 1}[along]
            yield (left, low, left + wide, low + high), (dx, dy, across, along, distance > DISTANCES[0])


def _frame(axes: Axes) -> Box:
    box = axes.get_window_extent()
    return float(box.x0), float(box.y0), float(box.x1), float(box.y1)


def _cost(box: Box, taken: Sequence[Box], bubbles: Sequence[tuple[float, float, float]], axes: Axes) -> float:
    """How much a box covers: other names most of all, then the middles of bubbles; endless outside the frame."""
    left, low, right, high = box
    frame, scale = _frame(axes), _scale(axes)
    if left < frame[0] or low < frame[1] or right > frame[2] or high > frame[3]:
        return 1e9
    cost = 10.0 * sum(left < b[2] and b[0] < right and low < b[3] and b[1] < high for b in taken)
    for x, y, radius in bubbles:
        # A small bubble is to be seen whole, of a large one the middle.
        reach = min(radius + CLEAR * scale, RIM * scale)
        cost += left - reach < x < right + reach and low - reach < y < high + reach
    return cost
