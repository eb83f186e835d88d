"""What a picture is made of: rectangles, texts, boxes, lines. Pure coordinates in pixels, y pointing down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from nas.draw.text import LINE_HEIGHT, text_width

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]
# How far the second outline of a box that stands for several is shifted, to the right and down.
COPY = 3.0


class Rect(NamedTuple):
    """A rectangle by its top left corner and size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The largest x."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The largest y."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """The y of the centre."""
        return self.y + self.height / 2

    def moved(self, dx: float, dy: float) -> Rect:
        """The same rectangle elsewhere."""
        return Rect(self.x + dx, self.y + dy, self.width, self.height)

    def grown(self, by: float) -> Rect:
        """Larger by so much on every side."""
        return Rect(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def overlaps(self, other: Rect) -> bool:
        """Whether the two share more than a border."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def contains(self, other: Rect, slack: float = 1e-6) -> bool:
        """Whether the other lies inside."""
        left, right = self.x - slack <= other.x, other.right <= self.right + slack
        return left and right and self.y - slack <= other.y and other.bottom <= self.bottom + slack


@dataclass(frozen=True)
class Text:
    """One line of text; `x` is its `anchor`, `y` the middle of its height, `size` that of the font."""

    text: str
    x: float
    y: float
    size: float = 12.0
    anchor: Anchor = "start"
    bold: bool = False
    muted: bool = False

    @property
    def rect(self) -> Rect:
        """The room that the text may take."""
        width, height = text_width(self.text, self.size, self.bold), self.size * LINE_HEIGHT
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return Rect(left, self.y - height / 2, width, height)

    def moved(self, dx: float, dy: float) -> Text:
        """The same text elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Box:
    """A rectangle of a `style` (a family of operations, or a part of the picture) and its texts.

    `note` is what a reader gets who points at it; `copies` shows that it stands for several.
    """

    rect: Rect
    style: str
    texts: tuple[Text, ...] = ()
    note: str = ""
    round: float = 5.0
    copies: bool = False

    def moved(self, dx: float, dy: float) -> Box:
        """The same box elsewhere."""
        return replace(self, rect=self.rect.moved(dx, dy), texts=tuple(text.moved(dx, dy) for text in self.texts))


@dataclass(frozen=True)
class Line:
    """A line through `points`; a `curved` one leaves and arrives level, or plumb if it leads `down`.

    An `arrow` points along its last piece.
    """

    points: tuple[Point, ...]
    arrow: bool = False
    curved: bool = False
    down: bool = False

    def moved(self, dx: float, dy: float) -> Line:
        """The same line elsewhere."""
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass
class Drawing:
    """Frames lie behind lines, lines behind boxes. No two boxes overlap, nor do two frames; `size` holds everything."""

    width: float = 0.0
    height: float = 0.0
    frames: list[Box] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def add(self, other: Drawing, dx: float, dy: float) -> None:
        """Put another drawing with its corner at (dx, dy); the size grows to hold it."""
        self.frames += [item.moved(dx, dy) for item in other.frames]
        self.boxes += [item.moved(dx, dy) for item in other.boxes]
        self.lines += [item.moved(dx, dy) for item in other.lines]
        self.texts += [item.moved(dx, dy) for item in other.texts]
        self.width, self.height = max(self.width, dx + other.width), max(self.height, dy + other.height)

    def all_texts(self) -> list[Text]:
        """Texts of boxes and frames, and those that stand alone."""
        return [*self.texts, *(text for box in (*self.frames, *self.boxes) for text in box.texts)]


def widest(texts: Iterable[str], size: float, bold: bool = False) -> float:
    """Room for the widest of the texts, in pixels."""
    return max((text_width(text, size, bold) for text in texts), default=0.0)
