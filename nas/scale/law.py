"""Compound scaling: depth, width and resolution together (Tan & Le, arXiv 1905.11946, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

from nas.arch import Architecture
from nas.scale.size import resize


class Coefficients(NamedTuple):
    """Factors on repeats, on channels, and on the side of the image; 1 leaves that as it is.

    As the paper's alpha, beta and gamma they are what one step of phi multiplies by: see `power`.
    """

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def power(self, phi: float) -> Coefficients:
        """d = alpha^phi, w = beta^phi, r = gamma^phi (equation 3)."""
        return Coefficients(self.depth**phi, self.width**phi, self.resolution**phi)

    @property
    def growth(self) -> float:
        """By what multiply-adds grow: alpha * beta^2 * gamma^2, close to 2 where phi doubles them (equation 3)."""
        return self.depth * self.width**2 * self.resolution**2


# The paper's own, found by a grid search on EfficientNet-B0 (section 4.2).
PAPER = Coefficients(1.2, 1.1, 1.15)


def compound(architecture: Architecture, by: Coefficients) -> Architecture:
    """The network `by.depth` times as deep, `by.width` as wide, on images `by.resolution` times as large a side.

    Raises `ArchitectureError` where that is no network, or larger than is allowed.
    """
    channels, rows, columns = architecture.input
    size = (channels, max(1, round(rows * by.resolution)), max(1, round(columns * by.resolution)))
    return resize(architecture, by.width, by.depth).with_input(size, architecture.classes)
