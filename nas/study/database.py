"""Studies in a database, PostgreSQL or SQLite: a batch is one transaction, alone, and outages are waited for.

Optuna commits after every write. Within a batch its sessions are all one, which commits at the end: so a batch is there
whole or not at all, costs one wait for the disk, and nobody else writes meanwhile: an advisory lock of PostgreSQL, or SQLite's
own, both of which end with the transaction. A connection that breaks takes the lock and what was not committed with it; then
what the batch had written is written again over a new one, unless the commit had got through, which a mark in it tells.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event, exc, text
from sqlalchemy.orm import Session

from nas.errors import StudyError
from nas.study.patience import LOCK_SECONDS, patiently, reason

ACTIVE_SECONDS = 60.0  # since a driver's last sign, for which others look closely at what it writes
MARK = "batch"  # the study's attribute that says which batch was committed last
BACKENDS = ("sqlite", "postgresql")
T = TypeVar("T")


def explained(error: BaseException, url: str) -> str:
    """In one line, why a database cannot be used, and what to do about it."""
    if isinstance(error, RuntimeError) and "storage upgrade" in str(error):
        return f"its tables are of an older Optuna; `optuna storage upgrade --storage {url}` brings them up to date (after a backup)"
    if isinstance(error, RuntimeError) and "updat" in str(error):
        return "its tables are of a newer Optuna; update optuna to open it"
    if isinstance(error, exc.DBAPIError | optuna.exceptions.StorageInternalError):
        return f"cannot be used ({reason(error)})"
    return f"not a readable Optuna storage ({type(error).__name__}: {reason(error)})"


class Database(BaseStorage):
    """Optuna's storage in the database at `url`, with batches. `say` is told of outages, once they are waited for (`patient`).

    Raises `StudyError` for a database of another kind, or one whose driver is not installed.
    """

    def __init__(self, url: str, write: bool = True) -> None:
        """write: whether connections are kept open; else each is closed once it was read by."""
        self._kind = sqlalchemy.engine.make_url(url).get_backend_name()
        if self._kind not in BACKENDS:
            raise StudyError(f"storage of kind {self._kind!r}; allowed: {', '.join(BACKENDS)}, or none for a file in the run folder")
        try:
            self._rdb = RDBStorage(url, engine_kwargs=_ENGINE[self._kind] | ({} if write else {"poolclass": sqlalchemy.NullPool}))
        except ImportError:
            raise StudyError(f"storage of kind {self._kind!r} needs its driver: pip install 'nas[postgresql]'") from None
        if self._kind == "sqlite":
            _tune_sqlite(self._rdb.engine)
        self._optuna = optuna.storages.get_storage(self._rdb)
        self._sessions = self._rdb.scoped_session
        self._session: _Batch | None = None  # the batch's
        self._alone = False  # within a batch
        self._written: list[_Write] = []  # in it
        self._renamed: dict[int, int] = {}  # ids of trials that were made again in another transaction
        self._key = 0  # of the lock
        self._study = -1
        self._signs: dict[str, tuple[str, float]] = {}
        self.patient = False
        self.say: Callable[[str], None] = lambda line: None

    # ---- batches -------------------------------------------------------------------------------------------------

    @contextmanager
    def batch(self, name: str, study: int) -> Iterator[None]:
        """Alone in writing to the study of that name and id. What is written within is there at the end, all of it or nothing.

        It is there too where the batch ends by an exception: what was written until then. A batch within a batch is part of it.
        """
        if self._alone:
            yield
            return
        self._key = int.from_bytes(hashlib.sha256(f"nas:{name}".encode()).digest()[:8], "big", signed=True)
        self._study = study
        try:
            self._patiently(self._begin)
            self._alone = True
            try:
                yield
            finally:
                self._patiently(lambda: self._inside(self._commit))
        finally:
            self._alone = False
            self._written.clear()
            self._end()

    def changes(self, study: int, prefix: str) -> bool:
        """Whether others may have written to the study since the last call; to be called within a batch.

        It looks at the drivers' signs alone, attributes that begin with `prefix`: whoever writes has just given one.
        """
        query = text("SELECT key, value_json FROM study_user_attributes WHERE study_id = :study AND key LIKE :prefix")
        rows: Any = self._patiently(lambda: self._inside(lambda: self._execute(query, study=study, prefix=f"{prefix}%").all()))
        now, changed = time.monotonic(), False
        for key, value in rows:
            if self._signs.get(key, ("", 0.0))[0] != value:
                self._signs[key], changed = (value, now), True
        return changed or sum(now < seen + ACTIVE_SECONDS for _, seen in self._signs.values()) > 1

    def _execute(self, query: Any, **values: Any) -> Any:
        return self._rdb.scoped_session().execute(query, values)

    def _begin(self) -> None:
        """A transaction that nobody else has one beside."""
        self._end()
        self._session = _Batch(bind=self._rdb.engine.execution_options(nas_batch=True))
        self._rdb.scoped_session = cast(Any, self._usable)
        try:
            if self._kind == "postgresql":
                self._execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS:g}s'"))
                self._execute(text("SELECT pg_advisory_xact_lock(:key)"), key=self._key)
            else:
                self._session.connection()  # begins, see `_tune_sqlite`
        except BaseException:
            self._end()
            raise

    def _usable(self) -> _Batch:
        """The batch's session; Optuna would go on in a new transaction where an error has ended the first."""
        if self._session is None or self._session.broken:
            raise exc.InvalidRequestError("the transaction has ended")
        return self._session

    def _end(self) -> None:
        """Without a commit, what was written is gone."""
        session, self._session = self._session, None
        self._rdb.scoped_session = self._sessions
        if session is not None:
            with suppress(Exception):
                session.really_close()

    def _commit(self) -> None:
        if self._written:
            mark = _Write("set_study_user_attr", (self._study, MARK, uuid.uuid4().hex))
            self._written.append(mark)
            self._optuna.set_study_user_attr(*mark.args)
        self._usable().really_commit()

    def _inside(self, action: Callable[[], T]) -> T | None:
        """What the action returns. In a batch whose transaction has ended, first a new one, with all that was written before.

        None where that was the commit, and it had got through.
        """
        if not self._alone:
            return action()
        if self._session is None or self._session.broken:
            self._begin()
            if self._got_through():
                return None
            self._write_again()
        try:
            return action()
        except BaseException:
            if self._session is not None:
                self._session.broken = True  # half of it may be written
            raise

    def _got_through(self) -> bool:
        """Whether the commit did of which we heard nothing: its mark is there."""
        marks = [item for item in self._written if item.args[1] == MARK]
        if marks and self._optuna.get_study_user_attrs(self._study).get(MARK) == marks[-1].args[2]:
            return True
        self._written = [item for item in self._written if item not in marks]
        return False

    def _write_again(self) -> None:
        for item in self._written:
            made = getattr(self._optuna, item.name)(*self._by_id(item.name, item.args))
            if item.name == "create_new_trial":
                self._renamed[item.id] = made
                if self.get_trial_number_from_id(item.id) != item.number:
                    why = f"while the storage was away another driver made trial {item.number}"
                    raise StudyError(f"{why}; nothing is lost, `nas resume` goes on")

    # ---- what Optuna asks of a storage ---------------------------------------------------------------------------

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, self.say, "the storage") if self.patient else action()

    def _by_id(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._renamed.get(args[0], args[0]), *args[1:]) if "_trial_" in name or name == "get_trial" else args

    def _call(self, name: str, *args: Any) -> Any:
        return self._patiently(lambda: self._inside(lambda: getattr(self._optuna, name)(*self._by_id(name, args))))

    def _write(self, name: str, *args: Any) -> Any:
        result = self._call(name, *args)
        if self._alone:
            self._written.append(_Write(name, args))
        return result

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """As Optuna's; so all below."""
        return int(self._call("create_new_study", directions, study_name))

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""
        self._call("delete_study", study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of a study."""
        self._write("set_study_user_attr", study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set one of Optuna's own."""
        self._write("set_study_system_attr", study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """The study's id. Raises `KeyError`."""
        return int(self._call("get_study_id_from_name", study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        """The study's name."""
        return str(self._call("get_study_name_from_id", study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """A direction an objective."""
        return list(self._call("get_study_directions", study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Attributes of a study."""
        return dict(self._call("get_study_user_attrs", study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Optuna's own."""
        return dict(self._call("get_study_system_attrs", study_id))

    def get_all_studies(self) -> list[Any]:
        """All studies of the database."""
        return list(self._call("get_all_studies"))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """The new trial's id."""
        made = int(self._call("create_new_trial", study_id, template_trial))
        if self._alone:
            number = self.get_trial_number_from_id(made)
            self._written.append(_Write("create_new_trial", (study_id, template_trial), made, number))
        return made

    def get_trial_number_from_id(self, trial_id: int) -> int:
        """A trial's number."""
        query = text("SELECT number FROM trials WHERE trial_id = :id")

        def action() -> Any:
            return self._execute(query, id=self._renamed.get(trial_id, trial_id)).scalar()

        number = action() if self._alone and self._session is not None else self._patiently(action)
        if number is None:
            raise KeyError(trial_id)
        return int(number)

    def set_trial_param(self, trial_id: int, param_name: str, param_value_internal: float, distribution: Any) -> None:
        """Set a parameter of a trial."""
        self._write("set_trial_param", trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """End a trial."""
        return bool(self._write("set_trial_state_values", trial_id, state, values))

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Report a value on the way."""
        self._write("set_trial_intermediate_value", trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute of a trial."""
        self._write("set_trial_user_attr", trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one of Optuna's own."""
        self._write("set_trial_system_attr", trial_id, key, value)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial by its id."""
        return self._call("get_trial", trial_id)  # type: ignore[no-any-return]

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Any = None) -> list[FrozenTrial]:
        """All trials of a study, by number."""
        return self._call("get_all_trials", study_id, deepcopy, states)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of the connections."""
        self._rdb.remove_session()
        self._rdb.engine.dispose()


@dataclass(frozen=True)
class _Write:
    """A write of a batch; of a new trial with its id and number."""

    name: str
    args: tuple[Any, ...]
    id: int = -1
    number: int = -1


class _Batch(Session):
    """One session for all that Optuna does in a batch: its commits only flush, and it stays open."""

    broken = False

    def commit(self) -> None:
        """Once Optuna is through with one write."""
        self.flush()

    def rollback(self) -> None:
        """Optuna met an error: the transaction is lost with all that the batch had written."""
        self.broken = True
        super().rollback()

    def close(self) -> None:
        """Forget what was read: the next write is to see the rows as they are."""
        self.expire_all()

    def really_commit(self) -> None:
        """At the end of the batch."""
        super().commit()

    def really_close(self) -> None:
        """After it; what was not committed is gone."""
        super().close()


_ENGINE: dict[str, dict[str, Any]] = {
    "sqlite": {"connect_args": {"timeout": 5.0}},  # then it is tried again, by `patiently`: Ctrl-C would wait for SQLite
    # A server that vanished without a word is noticed within half a minute, not after the system's two hours.
    "postgresql": {
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": 10, "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    },
}  # fmt: skip


def _tune_sqlite(engine: Any) -> None:
    """Transactions that are ours to begin, and a log that is appended to: readers never wait for writers.

    synchronous=NORMAL: what was committed survives a kill of the process at once; of a machine without power the moment is lost
    that one sync takes, as with the journal file.
    """

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # Python's driver would begin by itself, and too late
        for line in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"):
            with suppress(sqlite3.OperationalError):  # a file that may only be read
                connection.execute(line).close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        alone = connection.get_execution_options().get("nas_batch")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")

    engine.dispose()  # connections that were made before


