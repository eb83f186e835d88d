"""Where a data set comes from: which files it needs, which of them are missing, and how to read it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nas.data.base import Dataset
from nas.registry import Registry


class Form(NamedTuple):
    """What a network must fit: the shape of an image (channels, height, width), and how many classes there are."""

    input: tuple[int, int, int]
    classes: int


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded: where it is put, the addresses to try in turn, and its published MD5."""

    path: Path
    urls: tuple[str, ...]
    md5: str


@dataclass(frozen=True)
class Source:
    """What a data set's function answers when it is asked to look into a folder, without reading any data.

    read: reads the data set; raises `DataError`. Called only when nothing is missing.
    present: whether there is something to read; only for what can't be downloaded.
    missing: the files that must be downloaded first.
    remark: a sentence for the error when they can't be (such as: what lies there is the wrong version).
    form: the form of the data where it is published, and need not be read.
    """

    read: Callable[[], Dataset]
    present: bool = True
    missing: tuple[Remote, ...] = ()
    remark: str = ""
    form: Form | None = None


NAMED: Registry[Callable[[Path], Source]] = Registry("data set")
"""Data sets with a name: a function of the data folder."""

KINDS: Registry[Callable[[str], Source]] = Registry("kind of data set")
"""Data sets given as `kind:WHERE`, a function of WHERE."""


def user_path(text: str) -> Path:
    """A path as a person writes it, `~` included. Like `os.path.isfile` and unlike `Path.expanduser`, never raises."""
    return Path(os.path.expanduser(text))
