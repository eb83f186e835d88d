"""Optuna's append-only journal file, with several records in one durable append, and its repair after a kill."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

from nas.errors import StudyError
from nas.study.patience import LOCK_SECONDS, patiently

STALE_LOCK_SECONDS = 2.0  # an append takes milliseconds


class JournalFile(BaseJournalBackend):
    """Reads and writes the file of Optuna's `JournalFileBackend` (same lines, same lock, so that both can share it).

    Optuna's own takes the lock and syncs the disk once a record, and a trial is about six records. Within `batch` the
    records wait, are read back as if they were written, and reach the file in one append: all of them or, after a
    kill in the middle of it, a beginning of them. What was appended survives a kill of this process at once; a thread
    syncs the disk behind it, so that a machine without power loses no more than the moment that one sync takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = JournalFileSymlinkLock(str(path))
        self._records, self._offset = 0, 0  # how far the file was read or written by this process
        self._pending: list[dict[str, Any]] | None = None
        self._at_end = False  # in a batch: the lock is held and the file was read, so nothing new can be in it
        self._read = self._heard = 0  # records of others, and how many of them `others_wrote` has told of
        self._alone = FileLock(f"{path}.batch")  # Optuna's own is taken away from whoever holds it for half a minute
        self.patient = False
        self.say: Callable[[str], None] = lambda line: None
        self._syncer = _Syncer(path)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from `log_number_from` on. A last line without its end is still being written: it is left out."""
        if log_number_from < self._records:
            self._records, self._offset, self._at_end = 0, 0, False
        if not self._at_end:
            yield from self._read_file(log_number_from)
            self._at_end = self._pending is not None
        for number, record in enumerate(self._pending or (), start=self._records):
            if number >= log_number_from:
                yield record

    def _read_file(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._records, self._offset = self._records + 1, self._offset + len(line)
                self._read += 1
                if self._records > log_number_from:
                    yield json.loads(line)

    def others_wrote(self) -> bool:
        """Whether records of others were read since the last call."""
        heard, self._heard = self._heard, self._read
        return heard != self._read

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the records, or in a batch keep them for its end."""
        if self._pending is not None:
            self._pending += logs
            return
        with self._locked():
            self._write(_lines(logs))

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Records made within are written together at the end; if it ends by an exception, what was made until then.

        Nobody else writes meanwhile. A batch within a batch is part of it.
        """
        if self._pending is not None:
            yield
            return
        with self._by_itself(), self._locked():
            self._pending = []
            try:
                yield
            finally:
                logs, self._pending, self._at_end = self._pending, None, False
                if logs:
                    written = self._write(_lines(logs))
                    self._records, self._offset = self._records + len(logs), self._offset + written

    def close(self) -> None:
        """Wait until all is on the disk. Raises `OSError` when it cannot be."""
        self._syncer.close()

    def _write(self, lines: bytes) -> int:
        if self.patient:
            patiently(lambda: self._append(lines), self.say, "the record")
        else:
            self._append(lines)
        self._syncer.sync()
        return len(lines)

    def _append(self, lines: bytes) -> None:
        """All of it or nothing: what a full disk has cut off is removed, or the next record would be joined to it."""
        with open(self._path, "ab", buffering=0) as file:
            end = os.fstat(file.fileno()).st_size
            try:
                left = memoryview(lines)
                while left:
                    left = left[file.write(left) :]
            except BaseException:
                with suppress(OSError):
                    file.truncate(end)
                raise

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """The one batch of all drivers; the system lets go of it when a process dies, however it dies."""
        try:
            self._alone.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise StudyError(f"{self._path}: another driver has been writing for {LOCK_SECONDS:g} s; is it stopped?") from None
        try:
            yield
        finally:
            self._alone.release()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # another program took the lock away: it thought this one dead
                self._lock.release()


class _Syncer:
    """Syncs a file to the disk in a thread, as often as the disk is able to while there is something new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = threading.Condition()
        self._dirty = self._closed = False
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def sync(self) -> None:
        """Sync soon. Raises the `OSError` of an earlier sync, once: the next may be better off."""
        if self._error:
            error, self._error, self._thread = self._error, None, None
            raise error
        if self._thread is None:
            self._closed = False
            self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
            self._thread.start()
        with self._changed:
            self._dirty = True
            self._changed.notify()

    def close(self) -> None:
        """Sync what is left and end. Raises the `OSError` of a sync."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            with open(self._path, "ab") as file:
                while self._wait():
                    os.fsync(file.fileno())
        except OSError as error:
            self._error = error

    def _wait(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._dirty or self._closed)
            dirty, self._dirty = self._dirty, False
            return dirty


def _lines(logs: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)


def repair(path: Path) -> None:
    """Remove what a killed writer left: its lock, and a last line that it did not finish. Call as the only driver."""
    _remove_stale_lock(Path(f"{path}.lock"))
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        keep = _whole_lines(file, end)
        if keep < end:
            file.truncate(keep)
            os.fsync(file.fileno())


def _whole_lines(file: Any, end: int) -> int:
    """The offset behind the last line end."""
    block = 1 << 16
    while end > 0:
        start = max(0, end - block)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return int(start + found + 1)
        end = start
    return 0


def _remove_stale_lock(lock: Path) -> None:
    """Optuna would wait 30 s for a lock whose holder was killed; another program's live lock is gone in a moment."""
    waited = 0.0
    while waited < STALE_LOCK_SECONDS:
        if not os.path.lexists(lock):
            return
        time.sleep(0.05)
        waited += 0.05
    with suppress(FileNotFoundError):
        os.unlink(lock)


def check_lines(path: Path) -> None:
    """Raise `StudyError` naming the first line that is no record; a last line without its end is no damage."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict) or not isinstance(record.get("op_code"), int) or "worker_id" not in record:
                raise StudyError(f"{path}: line {number} is damaged; allowed: one Optuna journal record a line")
