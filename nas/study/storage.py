"""Opening Optuna's storage: the run folder's journal file, or a database by its URL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.study import StudyDirection

from nas.errors import StudyError
from nas.objectives import Objective
from nas.study.journal import JournalFile, check_lines, repair

JOURNAL = "study.journal"


class Storage:
    """One study in an Optuna storage. `optuna` is the storage, `study_id` the study's number in it."""

    def __init__(self, storage: BaseStorage, name: str, journal: JournalFile | None) -> None:
        self.optuna, self.name, self._journal = storage, name, journal
        self.study_id = -1

    def batch(self) -> AbstractContextManager[None]:
        """What is written within reaches a journal file in one append; a database takes one write after another."""
        return self._journal.batch() if self._journal else self._stand_in()

    def _stand_in(self):
        if not hasattr(self, "_fl"):
            import filelock
            self._fl = filelock.FileLock(str(self.optuna._backend.engine.url.database) + ".lock")
        return self._fl

    def changes(self) -> bool:
        """Stand-in."""
        return True

    def close(self) -> None:
        """Wait until what was written is on the disk. Raises `OSError` when it cannot be."""
        if self._journal:
            self._journal.close()

    def find(self) -> bool:
        """Look the study up; False when the storage has none of that name."""
        try:
            self.study_id = self.optuna.get_study_id_from_name(self.name)
        except KeyError:
            return False
        return True

    def create(self, goals: Sequence[Objective]) -> None:
        """Create the study, with the direction of each goal. Raises `StudyError` when the name is taken."""
        directions = [StudyDirection.MAXIMIZE if goal.maximise else StudyDirection.MINIMIZE for goal in goals]
        try:
            with quiet():
                self.study_id = self.optuna.create_new_study(directions, self.name)
                if len(goals) > 1:
                    self._name([goal.name for goal in goals])
        except optuna.exceptions.DuplicatedStudyError:
            raise StudyError(f"the storage has a study {self.name!r} already; choose another --out name") from None

    def _name(self, names: list[str]) -> None:
        """What Optuna's pictures write on their axes."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.load_study(study_name=self.name, storage=self.optuna).set_metric_names(names)


def open_storage(directory: Path, url: str | None, name: str, *, write: bool) -> Storage:
    """The storage of a run folder: its journal file, or the database at `url`. A writer mends what a kill left.

    Raises `StudyError` when it is missing, damaged or cannot be reached.
    """
    try:
        with quiet():
            return _journal(directory / JOURNAL, name, write) if url is None else _database(url, name)
    except StudyError:
        raise
    except OSError as error:
        raise StudyError(f"{error.filename or directory}: {error.strerror or error}") from None
    except Exception as error:  # Optuna and the database drivers raise anything on broken records
        if url is None:
            check_lines(directory / JOURNAL)
        place = directory / JOURNAL if url is None else without_password(url)
        raise StudyError(f"{place}: not a readable Optuna storage ({_line(error)})") from None


def open_nested(directory: Path, name: str, outer: Storage) -> Storage | None:
    """The storage of a run within another one's folder, to read: its own journal file, else the outer one's database.

    None while the study was not made there. Raises `StudyError`.
    """
    if (directory / JOURNAL).exists():
        storage = open_storage(directory, None, name, write=False)
    elif outer._journal is None:
        storage = Storage(outer.optuna, name, None)
    else:
        return None
    return storage if storage.find() else None


def _journal(path: Path, name: str, write: bool) -> Storage:
    if write:
        path.touch()
        repair(path)
    elif not path.exists():
        raise StudyError(f"{path}: no such file; a run folder without its journal cannot be read")
    journal = JournalFile(path)
    return Storage(JournalStorage(journal), name, journal)


def _database(url: str, name: str) -> Storage:
    return Storage(optuna.storages.get_storage(url), name, None)


def normalise_url(url: str) -> str:
    """The URL with a SQLite path made absolute, so that it names the same file from anywhere. Raises `StudyError`."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        allowed = "allowed: sqlite:///FILE or another SQLAlchemy URL"
        raise StudyError(f"storage={url!r} is not a database URL; {allowed}") from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StudyError(f"storage={url!r} keeps nothing; allowed: sqlite:///FILE")
        parsed = parsed.set(database=str(Path(parsed.database).expanduser().absolute()))
    return parsed.render_as_string(hide_password=False)


def without_password(url: str) -> str:
    """The URL as it may be shown and written down: no secret stays in a run folder."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    return parsed._replace(password=None).render_as_string() if parsed.password else url


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's notes on the terminal."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
