"""The frozen settings of a training and their file, `train.yaml`. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from nas.arch.text import parse
from nas.errors import NasError
from nas.files import write_durably

FORMAT = 1
TRAIN_FILE = "train.yaml"


class TrainingError(NasError):
    """A training folder that is foreign, newer, in use, unwritable or damaged, or a training that cannot be begun."""


@dataclass(frozen=True)
class Settings:
    """Everything that a training was started with, but the network, whose digest stands here: it is a file of its own.

    `recipe` is in full, epochs included, `recipe_name` what it was called; `weights` and `reference` are the files that
    the parameters start from; `threads` are those of each of `workers` processes; `compile` whether torch.compile is used.
    """

    network: str
    digest: str
    dataset: str
    recipe: dict[str, Any]
    seed: int
    recipe_name: str = ""
    data_dir: str | None = None
    validation: float = 0.1
    checkpoint_seconds: float = 300.0
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    compile: bool = False
    weights: str | None = None
    reference: str | None = None
    versions: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    created: str = ""


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "dict[str, Any]": (dict,),
    "list[str]": (list,),
}


def write_settings(directory: Path, settings: Settings) -> None:
    """Write `train.yaml` whole or not at all. Raises `TrainingError`."""
    note = "# The frozen settings of a training by `nas train`; `nas resume` on this folder goes on with it.\n"
    text = yaml.safe_dump({"format": FORMAT, **asdict(settings)}, sort_keys=False, allow_unicode=True, width=120)
    try:
        write_durably(directory / TRAIN_FILE, (note + text).encode())
    except OSError as error:
        raise TrainingError(f"{directory / TRAIN_FILE}: cannot be written ({error.strerror or error})") from None


def read_settings(directory: Path) -> Settings:
    """The settings of a training's folder. Raises `TrainingError` when it is none, of a newer version, or damaged."""
    path = directory / TRAIN_FILE
    try:
        data = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "no such folder" if not directory.exists() else f"not a training's folder (it has no {TRAIN_FILE})"
        raise TrainingError(f"{directory}: {what}; allowed: a folder that `nas train` made") from None
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (NasError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: damaged ({' '.join(str(error).split())[:160]})") from None
    return _checked(path, data)


def _checked(path: Path, data: Any) -> Settings:
    if not isinstance(data, Mapping) or not isinstance(data.get("format"), int):
        raise TrainingError(f"{path}: damaged; allowed: a mapping with `format: {FORMAT}`")
    if data["format"] != FORMAT:
        hint = "written by a newer nas: update nas to go on with it" if data["format"] > FORMAT else "no such version"
        raise TrainingError(f"{path}: format {data['format']}, {hint}; allowed: {FORMAT}")
    values = {key: value for key, value in data.items() if key != "format"}
    known = {item.name: str(item.type) for item in fields(Settings)}
    for key, value in values.items():
        if key not in known:
            raise TrainingError(f"{path}: {key!r} is unknown; allowed: {', '.join(known)}")
        if not isinstance(value, _KINDS[known[key]]) or (isinstance(value, bool) and known[key] != "bool"):
            raise TrainingError(f"{path}: {key}={value!r:.60} is of the wrong type; allowed: {known[key]}")
    for name in ("network", "digest", "dataset", "recipe", "seed"):
        if name not in values:
            raise TrainingError(f"{path}: {name} is missing")
    return Settings(**values)
