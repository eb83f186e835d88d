"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_durably(path: Path, data: bytes | memoryview, aside: Path | None = None) -> None:
    """Put `data` in the place of the file at `path` in one move, once all of it lies on the disk.

    A process that is killed at any moment, or a disk that is full, leaves what was there. Only one process may write
    a path at a time: what a kill left aside is written over. Where there may be several, each gives a name of its own
    in the same folder, `aside`, for what is not yet whole. Raises `OSError`.
    """
    aside = aside or path.with_name(f".{path.name}.part")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The renaming too is to survive a loss of power, where the system lets a folder be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
