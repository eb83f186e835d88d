"""Writing what a person asked for, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from nas.errors import NasError
from nas.files import write_durably


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one move: what was there stays as it was unless all of the new is there. Raises `NasError`."""
    target = path.resolve()
    part = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            # A pipe or a device, or a folder, which raises.
            target.write_bytes(data)
            return
        write_durably(target, data, aside=part)
    except OSError as error:
        raise NasError(f"cannot write {path}: {error.strerror or error}") from None


def check_writable(path: Path) -> None:
    """Raise `NasError` before any work is done where a file can certainly not be written."""
    if path.is_dir():
        raise NasError(f"cannot write {path}: Is a directory")
    parent = path.resolve().parent
    if not parent.is_dir():
        raise NasError(f"cannot write {path}: no such folder {parent}")
    if not os.access(parent if not path.exists() else path, os.W_OK):
        raise NasError(f"cannot write {path}: Permission denied")


def out_path(given: str, usual: str) -> Path:
    """The file that `--out [FILE]` means, which can be written: FILE, or without one `usual`, which is not written over.

    Raises `NasError`.
    """
    if not given and Path(usual).exists():
        raise NasError(f"{usual} is there already; allowed: --out FILE, which is written over")
    check_writable(Path(given or usual))
    return Path(given or usual)
