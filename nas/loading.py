"""`nas.load`: a network by name, by the path of a YAML file, or of a run folder."""

from __future__ import annotations

import os
from pathlib import Path

from nas import baselines
from nas.arch import Architecture
from nas.arch.text import MAX_BYTES, parse
from nas.errors import ArchitectureError, NasError


def load(name_or_path: str | Path) -> Architecture:
    """The architecture of a baseline's name, or of a YAML file (`runs/NAME/best.yaml`, or the folder `runs/NAME`).

    Raises `UnknownNameError` with the nearest names, or `ArchitectureError` that names the file.
    """
    text = str(name_or_path)
    path = Path(name_or_path)
    looks_like_path = isinstance(name_or_path, Path) or "/" in text or path.suffix.lower() in (".yaml", ".yml")
    if not looks_like_path:
        found = baselines.find(text)
        if found is not None:
            return found.make()
        # Not Path.exists: that raises on a name too long for the file system.
        if not os.path.exists(path):
            return baselines.get(text).make()
    return load_file(path / "best.yaml" if os.path.isdir(path) else path)


def load_file(path: Path) -> Architecture:
    """The architecture that a YAML file holds. Raises `ArchitectureError` that names the file."""
    data = parse(read_text(path), str(path))
    try:
        return Architecture.from_dict(data)
    except NasError as error:
        raise ArchitectureError(f"{path}: {error}") from None


def read_text(path: Path) -> str:
    """A small text file. Raises `ArchitectureError` where it is missing, too large, or not text."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ArchitectureError(f"{path} is too large; allowed: {MAX_BYTES} bytes")
        return data.decode("utf-8")
    except OSError as error:
        raise ArchitectureError(f"cannot read {path}: {error.strerror or error}; allowed: a YAML file") from None
    except UnicodeDecodeError:
        raise ArchitectureError(f"{path} is not text; allowed: UTF-8 YAML") from None
    except ValueError:
        raise ArchitectureError(f"cannot read {str(path)!r}; allowed: the path of a YAML file") from None
