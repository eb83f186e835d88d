"""What the lines of a picture are on paper: straight and cubic pieces, the same for every renderer."""

from __future__ import annotations

from typing import NamedTuple

from nas.draw.geometry import Line, Point, Rect

ARROW = 6.0
# The stroke of lines and of borders, in pixels.
LINE_WIDTH, BORDER_WIDTH = 1.3, 1.2
# How far the control points of a cubic stand from the ends of a quarter of a circle of radius 1, the nearest to a circle.
QUARTER = 0.5523


class Path(NamedTuple):
    """From `start` along the pieces: one point is the end of a straight piece, three are the controls and the end of a cubic."""

    start: Point
    pieces: tuple[tuple[Point, ...], ...]


def strokes(line: Line) -> tuple[Path, Path | None]:
    """The stroke of a line and the triangle of its arrow, which is filled; the stroke ends where the triangle begins."""
    points = list(line.points)
    tip, head = points[-1], None
    if line.arrow:
        down = line.down or (not line.curved and points[-2][0] == tip[0])
        points[-1] = (tip[0], tip[1] - ARROW) if down else (tip[0] - ARROW, tip[1])
        head = _triangle(tip, points[-1])
    stroke = _curve(points[0], points[-1], line.down) if line.curved else Path(points[0], tuple((point,) for point in points[1:]))
    return stroke, head


def _triangle(tip: Point, back: Point) -> Path:
    dx, dy = (tip[1] - back[1]) * 0.5, (tip[0] - back[0]) * 0.5
    return Path(tip, (((back[0] - dx, back[1] - dy),), ((back[0] + dx, back[1] + dy),), (tip,)))


def _curve(start: Point, end: Point, down: bool) -> Path:
    if abs(start[0] - end[0] if down else start[1] - end[1]) < 0.05:
        return Path(start, ((end,),))
    if down:
        level = (start[1] + end[1]) / 2
        return Path(start, (((start[0], level), (end[0], level), end),))
    middle = (start[0] + end[0]) / 2
    return Path(start, (((middle, start[1]), (middle, end[1]), end),))


def rounded(rect: Rect, radius: float) -> Path:
    """The outline of a rectangle with round corners, from the end of the upper left one on clockwise."""
    r = min(radius, rect.width / 2, rect.height / 2)
    k = r * (1 - QUARTER)
    x, y, right, bottom = rect.x, rect.y, rect.right, rect.bottom
    return Path((x + r, y), (
        ((right - r, y),), ((right - k, y), (right, y + k), (right, y + r)),
        ((right, bottom - r),), ((right, bottom - k), (right - k, bottom), (right - r, bottom)),
        ((x + r, bottom),), ((x + k, bottom), (x, bottom - k), (x, bottom - r)),
        ((x, y + r),), ((x, y + k), (x + k, y), (x + r, y)),
    ))  # fmt: skip
