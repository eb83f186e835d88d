"""Spaces that are shipped, and a user's own by path."""

from __future__ import annotations

from pathlib import Path

from nas.arch.text import parse
from nas.errors import SpaceError, unknown
from nas.loading import read_text
from nas.spaces.space import Space


def folder() -> Path:
    """Where the shipped spaces lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "searchspaces"
    return inside if inside.is_dir() else package.parent / "searchspaces"


def names() -> tuple[str, ...]:
    """Names of the shipped spaces."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def load(name_or_path: str | Path | Space) -> Space:
    """A shipped space by name, or a user's by the path of its YAML file.

    Raises `UnknownNameError` with the nearest names, or `SpaceError` that names the file.
    """
    if isinstance(name_or_path, Space):
        return name_or_path
    text = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml"))
    if not is_path and text not in names():
        raise unknown("space", text, names())
    path = Path(text) if is_path else folder() / f"{text}.yaml"
    try:
        return Space(parse(read_text(path), str(path)))
    except SpaceError as error:
        raise SpaceError(f"{path}: {error}") from None
