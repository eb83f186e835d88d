"""Spaces that are shipped, and a user's own by path."""

from __future__ import annotations

import itertools
import re
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
    name = str(name_or_path)
    is_path = isinstance(name_or_path, Path) or "/" in name or name.endswith((".yaml", ".yml"))
    if not is_path and name not in names():
        raise unknown("space", name, names())
    path = Path(name) if is_path else folder() / f"{name}.yaml"
    try:
        text = read_text(path)
        space = Space(parse(text, str(path)))
        space.about = summary(text)
        return space
    except SpaceError as error:
        raise SpaceError(f"{path}: {error}") from None


def summary(text: str) -> str:
    """The first sentence of the comment at the head of a file, without what stands in brackets."""
    lines = itertools.takewhile(lambda line: line.startswith("# "), text.splitlines())
    head = " ".join(line.removeprefix("# ").strip() for line in lines)
    return re.split(r"\.(?:\s|$)", re.sub(r" \([^)]*\)", "", head), maxsplit=1)[0]
