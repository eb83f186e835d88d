"""`nas.load`: a network by name, by the path of a YAML file, or of a run folder."""

from __future__ import annotations

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
        if not path.exists():
            return baselines.get(text).make()
    return load_file(path / "best.yaml" if path.is_dir() else path)


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
        if path.is_file() and path.stat().st_size > 4 * MAX_BYTES:
            raise ArchitectureError(f"{path} has {path.stat().st_size} bytes; allowed: {MAX_BYTES}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArchitectureError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ArchitectureError(f"{path} is not text; allowed: UTF-8 YAML") from None
