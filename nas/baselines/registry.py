"""Names of the hand-designed networks. Look-up ignores case, `_`, `-` and `.`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from nas.arch import Architecture
from nas.errors import UnknownNameError


class Maker(Protocol):
    """A function that returns the network for any input shape (channels, rows, columns) and number of classes."""

    def __call__(self, input: tuple[int, int, int] = ..., classes: int = ...) -> Architecture: ...


class Baseline(NamedTuple):
    """A hand-designed network: how to make it, and where it was published."""

    name: str
    make: Maker
    paper: str
    aliases: tuple[str, ...]


_BASELINES: dict[str, Baseline] = {}
_LOOKUP: dict[str, str] = {}


def plain(name: str) -> str:
    """The form that look-up compares."""
    return re.sub(r"[_\-.]", "", name.lower())


def baseline(name: str, paper: str, *aliases: str) -> Callable[[Maker], Maker]:
    """Decorator: register a function under a name, torchvision's and timm's own names as aliases."""

    def decorate(make: Maker) -> Maker:
        for known in (name, *aliases):
            key = plain(known)
            if _LOOKUP.setdefault(key, name) != name:
                raise ValueError(f"baseline name {known!r} is taken by {_LOOKUP[key]!r}")
        _BASELINES[name] = Baseline(name, make, paper, aliases)
        return make

    return decorate


def names() -> tuple[str, ...]:
    """Names of all baselines, in the order of registration."""
    return tuple(_BASELINES)


def find(name: str) -> Baseline | None:
    """The baseline of that name, or None."""
    known = _LOOKUP.get(plain(name))
    return _BASELINES[known] if known else None


def get(name: str) -> Baseline:
    """The baseline of that name. Raises `UnknownNameError` with the nearest names."""
    found = find(name)
    if found is None:
        shown = name if len(name) <= 60 else name[:57] + "..."
        near = difflib.get_close_matches(plain(name)[:60], list(_LOOKUP), n=3, cutoff=0.5)
        allowed = f"nearest: {', '.join(dict.fromkeys(_LOOKUP[key] for key in near))}" if near else f"known: {', '.join(_BASELINES)}"
        raise UnknownNameError(f"unknown network {shown!r}; {allowed}; or the path of a YAML file")
    return found
