"""Recipes by name: each is a YAML file beside this one. A user's own is the path of such a file. No torch."""

from __future__ import annotations

from pathlib import Path

from nas.arch.text import parse
from nas.errors import NasError, unknown
from nas.loading import read_text
from nas.training.recipe import Recipe, without_effect

FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The names of the recipes that come with the toolkit."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(name_or_path: str | Path) -> Recipe:
    """The recipe of a name, or of a YAML file with fields of `Recipe`; what it leaves out keeps its default.

    Raises `UnknownNameError` with the nearest names, or `NasError` that names the file and the field.
    """
    path = _path(name_or_path)
    text = read_text(path)
    fields = parse(text, str(path))
    try:
        recipe = Recipe.from_dict({} if fields is None else fields)
    except NasError as error:
        raise NasError(f"{path}: {error}") from None
    if (idle := without_effect(fields or {}, recipe)) is not None:
        raise NasError(f"{path}: recipe.{idle[0]} has no effect here; allowed: with {idle[1]}")
    return recipe


def about(name: str) -> str:
    """What the file of the recipe called `name` says in its first line."""
    return read_text(FOLDER / f"{name}.yaml").splitlines()[0].removeprefix("#").strip()


def _path(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, str) and text in names():
        return FOLDER / f"{text}.yaml"
    if isinstance(name_or_path, Path) or "/" in text or Path(text).suffix.lower() in (".yaml", ".yml"):
        return Path(name_or_path)
    raise unknown("recipe", text, names())
