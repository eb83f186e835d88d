"""Shapes have a kind: a map of features, a sequence of tokens, or a vector. The batch is never part of a shape."""

from __future__ import annotations

from typing import NamedTuple


class Map(NamedTuple):
    """Feature map: `width` channels of `rows` x `columns` pixels; a tensor (N, width, rows, columns)."""

    width: int
    rows: int
    columns: int

    @property
    def elements(self) -> int:
        """Numbers in one example."""
        return self.width * self.rows * self.columns

    def __str__(self) -> str:
        return f"{self.width}x{self.rows}x{self.columns}"


class Tokens(NamedTuple):
    """Sequence of `length` tokens of `width` features; a tensor (N, length, width)."""

    length: int
    width: int

    @property
    def elements(self) -> int:
        """Numbers in one example."""
        return self.length * self.width

    def __str__(self) -> str:
        return f"{self.length}x{self.width}"


class Vector(NamedTuple):
    """Vector of `width` features; a tensor (N, width)."""

    width: int

    @property
    def elements(self) -> int:
        """Numbers in one example."""
        return self.width

    def __str__(self) -> str:
        return f"{self.width}"


class Reach(NamedTuple):
    """Along one axis: pixel i of the output reads the pixels from i * stride + low to i * stride + high of the input."""

    low: int
    high: int
    stride: int


POINT = Reach(0, 0, 1)
Shape = Map | Tokens | Vector
Pair = tuple[int, int]


def pair(value: int | Pair) -> Pair:
    """`3` as (3, 3): (rows, columns)."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def rounded(width: float, step: int = 8) -> int:
    """The nearest multiple of `step`, at least one, and never below 90% of `width`.

    The rule by which MobileNet and EfficientNet scale widths (arXiv 1905.11946, released code).
    """
    near = max(step, int(width + step / 2) // step * step)
    return near if near >= 0.9 * width else near + step


def window(size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1) -> int:
    """Positions of a sliding window: W' = (W - F + 2P) / S + 1, rounded down, F the dilated kernel."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
