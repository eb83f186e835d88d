"""Typed errors. Each names the place, the value, and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NasError(Exception):
    """Bad input or an impossible request: one clear line; the command line exits with `exit_status`."""

    exit_status = 2

    def __init__(self, message: object = "") -> None:
        super().__init__(cut(" ".join(str(message).splitlines())))  # a name may hold line ends


def cut(text: str, limit: int = 390) -> str:
    """A text of at most `limit` characters. The middle goes: the place stands at the front, what is allowed at the end."""
    return text if len(text) <= limit else f"{text[: limit * 2 // 3]} ... {text[len(text) - limit // 3 + 5 :]}"


class ArchitectureError(NasError):
    """An architecture that cannot be read, or whose shapes do not fit."""


class SpaceError(NasError):
    """A search space that cannot be read, or decisions that do not belong to it."""


class DataError(NasError):
    """A data set that is missing, corrupt, or of the wrong form."""


class StudyError(NasError):
    """A run folder or storage that is foreign, newer, unwritable, or damaged."""


class BudgetError(NasError):
    """A budget that cannot be read."""


class UnknownNameError(NasError):
    """A name that no registry knows; the message carries the nearest ones."""


class NothingFinishedError(NasError):
    """A search in which no candidate finished within the budget."""

    exit_status = 3


def unknown(kind: str, name: object, known: Iterable[str], *, where: str = "", hint: str = "") -> UnknownNameError:
    """The error for an unknown `name` of a `kind`, with the nearest known names, and a `hint` at its end.

    Example: `unknown primitive 'botleneck' at stages[0].block; nearest: bottleneck; `nas list primitives` shows all`.
    """
    names = sorted(known)
    text = str(name)
    shown = text if len(text) <= 60 else text[:57] + "..."
    near = difflib.get_close_matches(text[:60], names, n=3, cutoff=0.5)
    allowed = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(names[:20])}" + (", ..." if len(names) > 20 else "")
    return UnknownNameError(f"unknown {kind} {shown!r}{f' at {where}' if where else ''}; {allowed}{hint and f'; {hint}'}")
