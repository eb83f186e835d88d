"""What a format of export is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import NasError

if TYPE_CHECKING:
    from torch import Tensor

    from nas.export.source import Source


class ExportError(NasError):
    """A network that cannot be written in a format, or a file that does not compute what the network does."""


class BaseFormat:
    """Writes a network into a file, and runs the file. `needs` are the packages of writing, `needs_check` those of running."""

    needs: tuple[str, ...] = ()
    needs_check: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def ready(self, check: bool) -> None:
        """Raise `ExportError` where a package is missing."""
        require_packages(self.name, (*self.needs, *(self.needs_check if check else ())))

    def beside(self, path: Path, weights: bool) -> tuple[Path, ...]:
        """The other files that may be written with `path`; `weights` says whether the network was given any."""
        return ()

    def write(self, source: Source, path: Path, batch: int | None) -> dict[str, Any]:
        """Write into `path`, and what goes with it beside; returns what else is worth telling. Raises `ExportError`."""
        raise NotImplementedError

    def run(self, path: Path, source: Source) -> Callable[[Tensor], Tensor]:
        """What the file computes: images (N, C, H, W) to logits (N, classes). Raises `ExportError`."""
        raise NotImplementedError


def require_packages(what: str, names: tuple[str, ...]) -> None:
    """Raise `ExportError` that tells how to install what is missing; nothing is imported."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(f"format {what} needs {', '.join(missing)}; to install: pip install 'nas[export]'")
