"""A search that nobody watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.engine import Observer, Start

if TYPE_CHECKING:
    from pathlib import Path


class Silence(Observer):
    """Remembers the folder of the search, and says nothing."""

    def __init__(self) -> None:
        self.directory: Path | None = None

    def begin(self, start: Start) -> None:
        """The search's folder, not that of what follows it."""
        self.directory = self.directory or start.directory
