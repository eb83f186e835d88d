"""Optuna's append-only journal file, with several records in one durable append, and its repair after a kill."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

from nas.errors import StudyError

STALE_LOCK_SECONDS = 2.0  # an append takes milliseconds


class JournalFile(BaseJournalBackend):
    """Reads and writes the file of Optuna's `JournalFileBackend` (same lines, same lock, so that both can share it).

    Optuna's own takes the lock and syncs the disk once a record, and a trial is about six records. Within `batch` the
    records wait, are read back as if they were written, and reach the disk in one append: all of them or, after a
    kill in the middle of it, a beginning of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = JournalFileSymlinkLock(str(path))
        self._records, self._offset = 0, 0  # how far the file was read or written by this process
        self._pending: list[bytes] | None = None

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from `log_number_from` on. A last line without its end is still being written: it is left out."""
        if log_number_from < self._records:
            self._records, self._offset = 0, 0
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._records, self._offset = self._records + 1, self._offset + len(line)
                if self._records > log_number_from:
                    yield json.loads(line)
        for number, line in enumerate(self._pending or (), start=self._records):
            if number >= log_number_from:
                yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the records, or in a batch keep them for its end."""
        lines = [json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs]
        if self._pending is not None:
            self._pending += lines
            return
        with self._locked():
            self._write(lines)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Records made within are written together at the end; if it ends by an exception, what was made until then.

        A batch within a batch is part of it.
        """
        if self._pending is not None:
            yield
            return
        with self._locked():
            self._pending = []
            try:
                yield
            finally:
                lines, self._pending = self._pending, None
                if lines:
                    self._write(lines)
                    self._records, self._offset = self._records + len(lines), self._offset + sum(map(len, lines))

    def _write(self, lines: list[bytes]) -> None:
        with open(self._path, "ab") as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            with suppress(RuntimeError):  # another program took the lock away: it thought this one dead
                self._lock.release()


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
            except ValueError:
                record = None
            if not isinstance(record, dict) or not isinstance(record.get("op_code"), int) or "worker_id" not in record:
                raise StudyError(f"{path}: line {number} is damaged; allowed: one Optuna journal record a line")
