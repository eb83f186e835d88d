"""Where a network is written: aside first, on the same disk, and under its name when all is there and checked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import NasError


@contextmanager
def aside(path: Path, beside: tuple[Path, ...]) -> Iterator[Path]:
    """A folder to write `path` and the files `beside` it in. At the end they get their places; after an error nothing does.

    The file that the user named is written over, and with it the files that belong to it; one beside it that stands there alone
    is another's and stays. Raises `NasError` where they cannot be written, before anything else is done.
    """
    target = path.resolve()
    try:
        _check(path, target, beside)
        folder = Path(tempfile.mkdtemp(prefix=".nas-export-", dir=target.parent))
    except OSError as error:
        raise NasError(f"cannot write {path}: {error.strerror or error}") from None
    try:
        yield folder
        # The main one last: so it never stands there without the others.
        for file in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
            file.replace(target if file.name == path.name else target.with_name(file.name))
    except OSError as error:
        raise NasError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(path: Path, target: Path, beside: tuple[Path, ...]) -> None:
    if not path.name or target.is_dir():
        raise NasError(f"cannot write {path}: it is a folder; allowed: the name of a file")
    if not target.parent.is_dir():
        raise NasError(f"cannot write {path}: no such folder {target.parent}")
    if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
        raise NasError(f"cannot write {path}: no regular file that can be written; allowed: the name of a file")
    for file in beside:
        if file.exists() and not (path.exists() and file.is_file()):
            raise NasError(f"{file} exists already, and would be written beside {path.name}; allowed: another name")
