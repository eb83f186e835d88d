"""Run folders: making one, opening one, and keeping two drivers out of one."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import StudyError
from nas.study.recorder import Recorder
from nas.study.settings import RUN_FILE, Settings, read_settings, write_settings
from nas.study.storage import JOURNAL, Storage, normalise_url, open_storage, without_password
from nas.study.study import Study, require

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from nas.spaces import Space

LOCK = "driver.lock"
LEFT = (LOCK, f"{RUN_FILE}.tmp")  # by a driver that was killed before there was a run, beside a journal in which nothing stands
PathLike = str | os.PathLike[str]


def check_new(directory: PathLike) -> Path:
    """The absolute path of a folder that a new run may use. Raises `StudyError`; makes nothing."""
    path = Path(directory).expanduser().absolute()
    try:
        if (path / RUN_FILE).exists():
            raise StudyError(f"{path}: has a run already; `nas resume {path}` goes on with it, or choose another --out")
        if path.exists() and (not path.is_dir() or not all(map(_left, path.iterdir()))):
            raise StudyError(f"{path}: is not an empty folder; nothing was written; choose another --out")
    except OSError as error:
        raise StudyError(f"{path}: cannot be used ({error.strerror or error})") from None
    return path


def _left(entry: Path) -> bool:
    """Whether a driver may have left it that was killed before there was a run."""
    return entry.name in LEFT or (entry.name == JOURNAL and entry.stat().st_size == 0)


def create_study(directory: PathLike, settings: Settings, space: Space | None = None) -> Recorder:
    """Make the run folder and its empty study, open for writing.

    Raises `StudyError` when the folder is in use, foreign or cannot be written, or the storage has such a study.
    """
    path = check_new(directory)
    url = normalise_url(settings.storage) if settings.storage else None
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{path}: cannot be made ({error.strerror or error})") from None
    lock = _acquire(path)
    try:
        check_new(path)  # another driver may have been faster
        storage = open_storage(path, url, settings.study, write=True)
        if storage.find():
            raise StudyError(f"the storage has a study {settings.study!r} already; choose another --out")
        settings = dataclasses.replace(settings, storage=without_password(url) if url else None)
        write_settings(path, settings)
        storage.create(settings.goals)
        return Recorder(path, settings, storage, lock, space)
    except BaseException:
        lock.release()
        raise


def open_study(directory: PathLike, *, storage: str | None = None, space: Space | None = None, made: bool = True) -> Study:
    """The study of a run folder, to read, also while it grows. `storage` overrides the URL, say to add a password.

    made: without it also one whose driver was killed between the settings and the study; only its settings can be read.
    Raises `StudyError`.
    """
    path = Path(directory).expanduser().absolute()
    settings = read_settings(path)
    opened = _open(path, settings, storage, write=False)
    if made:
        require(opened, path)
    return Study(path, settings, opened, space)


def resume_study(directory: PathLike, *, storage: str | None = None, space: Space | None = None) -> Recorder:
    """The study of a run folder, to go on with: mends what a kill left. Raises `StudyError`, also when it is in use."""
    path = Path(directory).expanduser().absolute()
    settings = read_settings(path)
    lock = _acquire(path)
    try:
        opened = _open(path, settings, storage, write=True)
        if not opened.find():  # killed between writing the settings and the study
            opened.create(settings.goals)
        return Recorder(path, settings, opened, lock, space)
    except BaseException:
        lock.release()
        raise


def _open(path: Path, settings: Settings, url: str | None, *, write: bool) -> Storage:
    url = url or settings.storage
    return open_storage(path, normalise_url(url) if url else None, settings.study, write=write)


def _acquire(path: Path) -> BaseFileLock:
    """The lock of the one driver; the system lets go of it when the process dies, however it dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StudyError(f"{path}: another `nas search` or `nas resume` is at work here") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be written ({error.strerror or error})") from None
    return lock
