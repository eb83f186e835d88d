"""Opening Optuna's storage: the run folder's journal file, or a database by its URL."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.study import StudyDirection

from nas.errors import StudyError
from nas.objectives import Objective
from nas.study.database import Database, explained
from nas.study.journal import JournalFile, check_lines, repair

JOURNAL = "study.journal"
POSTGRESQL = "postgresql+psycopg"  # the driver that nas[postgresql] brings


class Storage:
    """One study in an Optuna storage. `optuna` is the storage, `study_id` the study's number in it."""

    def __init__(self, storage: BaseStorage, name: str, kind: JournalFile | Database) -> None:
        self.optuna, self.name, self.kind = storage, name, kind
        self.study_id = -1

    def batch(self) -> AbstractContextManager[None]:
        """Alone in writing to the study. What is written within is there together at the end.

        A journal file takes it in one append, a database in one transaction. A batch within a batch is part of it.
        """
        return self.kind.batch() if isinstance(self.kind, JournalFile) else self.kind.batch(self.name, self.study_id)

    def changes(self, signs: str) -> bool:
        """Whether others may have written to the study since the last call; to be called within a batch.

        signs: what the names of attributes begin with by which drivers say that they are at work.
        """
        if isinstance(self.kind, Database):
            return self.kind.changes(self.study_id, signs)
        self.optuna.get_study_id_from_name(self.name)  # Optuna reads what there is to be read
        return self.kind.others_wrote()

    def be_patient(self, say: Callable[[str], None]) -> None:
        """From now on wait for a storage that is away, or a disk that is full, for up to `OUTAGE_SECONDS`; `say` is told of it."""
        self.kind.patient, self.kind.say = True, say

    def close(self) -> None:
        """Wait until what was written is on the disk. Raises `OSError` when it cannot be."""
        self.kind.close()

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
            return _journal(directory / JOURNAL, name, write) if url is None else _database(url, name, write)
    except StudyError:
        raise
    except OSError as error:
        raise StudyError(f"{error.filename or directory}: {error.strerror or error}") from None
    except Exception as error:  # Optuna and the database drivers raise anything on broken records
        if url is None:
            check_lines(directory / JOURNAL)
            raise StudyError(f"{directory / JOURNAL}: not a readable Optuna storage ({_line(error)})") from None
        raise StudyError(f"{without_password(url)}: {explained(error, without_password(url))}") from None


def open_nested(directory: Path, name: str, outer: Storage) -> Storage | None:
    """The storage of a run within another one's folder, to read: its own journal file, else the outer one's database.

    None while the study was not made there. Raises `StudyError`.
    """
    if (directory / JOURNAL).exists():
        storage = open_storage(directory, None, name, write=False)
    elif isinstance(outer.kind, Database):
        storage = Storage(outer.optuna, name, outer.kind)
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


def _database(url: str, name: str, write: bool) -> Storage:
    database = Database(url, write)
    return Storage(database, name, database)


def normalise_url(url: str) -> str:
    """The URL with a SQLite path made absolute, so that it names the same file from anywhere. Raises `StudyError`."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        allowed = "allowed: sqlite:///FILE, postgresql://USER@HOST/DATABASE"
        raise StudyError(f"storage={url!r} is not a database URL; {allowed}") from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise StudyError(f"storage={url!r} keeps nothing; allowed: sqlite:///FILE")
        parsed = parsed.set(database=str(Path(parsed.database).expanduser().absolute()))
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername=POSTGRESQL)
    return parsed.render_as_string(hide_password=False)


def without_password(url: str) -> str:
    """The URL as it may be shown and written down: no secret stays in a run folder."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    parsed = parsed.set(drivername="postgresql") if parsed.drivername == POSTGRESQL else parsed  # as a person writes it
    return parsed._replace(password=None).render_as_string() if parsed.password else parsed.render_as_string()


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
