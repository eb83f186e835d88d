"""A named number of an architecture, and the registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.registry import Registry

if TYPE_CHECKING:
    from nas.arch import Architecture


@dataclass(frozen=True)
class Measure:
    """`function(architecture)` gives the number. `about` is a line for a person; `larger` whether more is better."""

    function: Callable[[Architecture], float]
    about: str
    larger: bool


MEASURES: Registry[Measure] = Registry("measure")


def names() -> tuple[str, ...]:
    """Names of all measures."""
    return MEASURES.names()


def measure(architecture: Architecture, name: str) -> float:
    """One measure of an architecture. Raises `UnknownNameError`, and `ArchitectureError` when the shapes do not fit."""
    return MEASURES.get(name).function(architecture)
