"""`nas.load`: a network by name, by the path of a YAML file, or of a run folder; `nas.ensemble`: several as one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nas import baselines
from nas.arch import Architecture
from nas.arch.text import MAX_BYTES, parse
from nas.ensembles import Ensemble
from nas.errors import ArchitectureError, NasError

NETWORK_FILE = "network.yaml"  # of a folder that `nas train` made
BEST_FILE = "best.yaml"  # of a folder that `nas search` made


def load(name_or_path: str | Path) -> Architecture | Ensemble:
    """The architecture of a baseline's name, or of a YAML file (`runs/NAME/best.yaml`, or the folder `runs/NAME`).

    A file whose top level has `ensemble` holds an `Ensemble`.

    Raises `UnknownNameError` with the nearest names, or `ArchitectureError` that names the file.
    """
    found = find_baseline(name_or_path)
    if found is not None:
        return found.make()
    path = Path(name_or_path)
    return load_file(_within(path) if os.path.isdir(path) else path)


def _within(folder: Path) -> Path:
    """The network's file in a run folder: what was trained there, or the best that was found."""
    trained = folder / NETWORK_FILE
    return trained if trained.is_file() else folder / BEST_FILE


def load_one(name_or_path: str | Path) -> Architecture:
    """As `load`, where only a single network will do: an ensemble is an `ArchitectureError`."""
    made = load(name_or_path)
    if isinstance(made, Ensemble):
        raise ArchitectureError(f"{name_or_path} is an ensemble; allowed: a single network")
    return made


def ensemble(members: Iterable[Architecture | str | Path], name: str = "ensemble") -> Ensemble:
    """The networks as one that averages their probabilities; each is an architecture, a name, or a path.

    Raises `ArchitectureError` that names a member which does not fit the others, or what `load` raises.
    """
    if isinstance(members, str | Path | Architecture):
        raise ArchitectureError(f"members is a single {type(members).__name__}; allowed: a list")
    return Ensemble(tuple(load_one(item) if isinstance(item, str | Path) else item for item in members), name)


def find_baseline(name_or_path: str | Path) -> baselines.Baseline | None:
    """The baseline that the name means; None for the path of a file. Raises `UnknownNameError`."""
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or Path(text).suffix.lower() in (".yaml", ".yml"):
        return None
    found = baselines.find(text)
    # Not Path.exists: that raises on a name too long for the file system.
    return found if found is not None or os.path.exists(text) else baselines.get(text)


def load_file(path: Path) -> Architecture | Ensemble:
    """The architecture or ensemble that a YAML file holds. Raises `ArchitectureError` that names the file."""
    data = parse(read_text(path), str(path))
    try:
        if isinstance(data, dict) and "ensemble" in data:
            return Ensemble.from_dict(data)
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
