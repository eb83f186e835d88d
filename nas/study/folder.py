"""Run folders: making one, opening one, and joining the study of another."""

from __future__ import annotations

import dataclasses
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import StudyError
from nas.study.drivers import Lease, is_lock, making
from nas.study.recorder import SETTINGS, Recorder
from nas.study.settings import RUN_FILE, Settings, parse_settings, read_settings, write_settings
from nas.study.storage import JOURNAL, Storage, normalise_url, open_storage, without_password
from nas.study.study import Study, require

if TYPE_CHECKING:
    from nas.spaces import Space

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
    if entry.name == JOURNAL:
        return entry.stat().st_size == 0
    return is_lock(entry.name) or (entry.name.startswith(f"{RUN_FILE}.") and entry.name.endswith("tmp"))


def create_study(directory: PathLike, settings: Settings, space: Space | None = None, *, join: bool = False) -> Recorder:
    """Make the run folder and its empty study, open for writing.

    join: where there is such a run, or its storage has such a study, go on with that together with who is at work there.
    Raises `StudyError` when the folder is in use, foreign or cannot be written, or the storage has such a study.
    """
    path = Path(directory).expanduser().absolute()
    if not (join and (path / RUN_FILE).exists()):
        path = check_new(directory)
    url = normalise_url(settings.storage) if settings.storage else None
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{path}: cannot be made ({error.strerror or error})") from None
    with making(path):
        if join and (path / RUN_FILE).exists():  # another driver was faster
            return _writer(path, read_settings(path), settings.storage, space)
        check_new(path)
        storage = open_storage(path, url, settings.study, write=True)
        there = storage.find()
        storage.close()
        if there and not join:
            raise StudyError(f"the storage has a study {settings.study!r} already; choose another --out")
        write_settings(path, dataclasses.replace(settings, storage=without_password(url) if url else None))
        return _writer(path, read_settings(path), settings.storage, space)


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
    """The study of a run folder, to go on with, alone or beside others: mends what a kill left. Raises `StudyError`."""
    path = Path(directory).expanduser().absolute()
    settings = read_settings(path)
    with making(path):
        return _writer(path, settings, storage, space)


def join_study(directory: PathLike, settings: Settings) -> None:
    """Make a run folder of a study that is in its storage already, for `resume_study`. Raises `StudyError`."""
    path = check_new(directory)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{path}: cannot be made ({error.strerror or error})") from None
    with making(path):
        url = normalise_url(settings.storage) if settings.storage else None
        write_settings(check_new(path), dataclasses.replace(settings, storage=without_password(url) if url else None))


def recorded(directory: PathLike, url: str, name: str) -> Settings | None:
    """The settings of the study `name` in the database at `url`; None where there is none.

    Raises `StudyError` where they can't be read, as of a study that an older version made.
    """
    path = Path(directory).expanduser().absolute()
    url = normalise_url(url)
    if _no_file(url):
        return None
    storage = open_storage(path, url, name, write=False)
    if not storage.find():
        return None
    text = storage.optuna.get_study_user_attrs(storage.study_id).get(SETTINGS)
    if not isinstance(text, str):
        raise StudyError(f"the storage has a study {name!r} already, of an older nas or just being made; choose another --out")
    return parse_settings(text, f"{without_password(url)}: study {name!r}")


def _no_file(url: str) -> bool:
    """Whether that is a SQLite file that is not there, and would be made by opening it."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


def same_storage(settings: Settings, url: str | None) -> bool:
    """Whether a run's record lies at `url`, whatever the password; None means the run folder."""
    return settings.storage == (without_password(normalise_url(url)) if url else None)


def _writer(path: Path, settings: Settings, url: str | None, space: Space | None) -> Recorder:
    with ExitStack() as undo:
        lease = Lease(path)
        undo.callback(lease.release)
        opened = _open(path, settings, url, write=True)
        undo.callback(opened.close)
        if not opened.find():  # it is new, or who made the folder was killed before it was there
            _make(opened, settings)
        made = Recorder(path, settings, opened, lease, space)
        undo.pop_all()
        return made


def _make(storage: Storage, settings: Settings) -> None:
    try:
        storage.create(settings.goals)
    except StudyError:
        if not storage.find():  # or another driver was faster, from another folder
            raise


def _open(path: Path, settings: Settings, url: str | None, *, write: bool) -> Storage:
    url = url or settings.storage
    return open_storage(path, normalise_url(url) if url else None, settings.study, write=write)
