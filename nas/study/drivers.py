"""Drivers at work on one study: each gives signs of life in its record, and each finds out who of the others is dead.

A driver holds a lock of its own in its run folder for as long as it lives (`driver-ID.lock`; the system lets go of it
however the process dies), and writes its `Sign` into the study every few seconds. For another driver it is dead when its
lock is gone or can be taken (same host, same folder), else when its sign has not changed for `LEASE_SECONDS` by the clock of who reads:
clocks of two machines are never compared. One that was frozen, or could not reach the storage, comes back to life with its
next sign; what was taken from it meanwhile stays with whoever took it.
"""

from __future__ import annotations

import datetime
import os
import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LEASE_SECONDS = 30.0  # without a sign of life, and a driver is taken for dead
SIGN_SECONDS = 5.0  # from one sign to the next
PREFIX = "driver:"  # of the study's attributes that are signs
MAKING = "driver.lock"  # held while a folder is made a run; older versions held it for as long as they were at work
MAKING_SECONDS = 10.0
_LOCK = re.compile(r"driver(-[0-9a-f]{12})?\.lock\Z")


@dataclass(frozen=True)
class Sign:
    """What a driver says of itself: `workers` that hold `devices` together; `at` is UTC by its own clock, for a person.

    `folder` is its run folder, which `inode` tells from one of the same name on another machine of the same name.
    `beat` counts its signs; `ended`: it has left, and what it had not finished is anybody's.
    """

    id: str
    host: str
    pid: int
    workers: int = 0
    devices: float = 0.0
    folder: str = ""
    inode: int = 0
    beat: int = 0
    at: str = ""
    ended: bool = False

    @property
    def share(self) -> float:
        """Devices that one of its workers holds."""
        return self.devices / max(1, self.workers)

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.host}:{self.pid}"

    @property
    def age(self) -> float:
        """Seconds since the sign, by both machines' clocks: for a person, nothing is decided by it."""
        try:
            at = datetime.datetime.fromisoformat(self.at)
            return max(0.0, (datetime.datetime.now(datetime.UTC) - at).total_seconds())
        except (ValueError, TypeError):
            return float("inf")


def signs(attrs: Mapping[str, Any]) -> dict[str, Sign]:
    """The signs among a study's attributes, by the driver's id; what is none is passed over."""
    found = {}
    for name, value in attrs.items():
        if name.startswith(PREFIX) and isinstance(value, Mapping) and (sign := _sign(name.removeprefix(PREFIX), value)):
            found[sign.id] = sign
    return found


def _sign(driver: str, value: Mapping[str, Any]) -> Sign | None:
    known = {item.name: str(item.type) for item in fields(Sign)}
    kinds: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    right = all(name in known and isinstance(given, kinds[known[name]]) for name, given in value.items())
    if not right or not _LOCK.match(_lock_name(driver)) or not {"host", "pid"} <= value.keys():
        return None
    return Sign(**{**value, "id": driver})


def _value(sign: Sign) -> dict[str, Any]:
    value = asdict(sign)
    del value["id"]
    return value


class Lease:
    """The sign and the lock of this driver. Raises `StudyError` when the folder cannot be written."""

    def __init__(self, directory: Path) -> None:
        self.sign = Sign(uuid.uuid4().hex[:12], socket.gethostname(), os.getpid(), folder=str(directory))
        self._given = -float("inf")
        self._lock, self._path = _acquire(directory, self.sign.id)
        self.sign = replace(self.sign, inode=directory.stat().st_ino)

    @property
    def id(self) -> str:
        """Of this driver: another one every time that a study is opened for writing."""
        return self.sign.id

    @property
    def due(self) -> bool:
        """Whether it is time for another sign."""
        return monotonic() >= self._given + SIGN_SECONDS

    def give(self, **changes: Any) -> tuple[str, dict[str, Any]]:
        """Name and value of the attribute that is the next sign."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.sign = replace(self.sign, beat=self.sign.beat + 1, at=now, **changes)
        self._given = monotonic()
        return PREFIX + self.id, _value(self.sign)

    def release(self) -> None:
        """Let go of the lock, and remove its file."""
        _drop(self._lock, self._path)


class Watch:
    """Who else is alive, as the driver `own` sees it from the folder `directory`. None is `own` where nobody writes."""

    def __init__(self, directory: Path, own: str | None = None) -> None:
        self._directory, self._own = directory, own
        self._seen: dict[str, tuple[Sign, float]] = {}  # and when it changed last, by this clock
        self._gone: set[str] = set()  # for ever: their locks could be taken

    def heed(self, attrs: Mapping[str, Any]) -> None:
        """Look at the study's attributes as they are now."""
        now = monotonic()
        for driver, sign in signs(attrs).items():
            if driver != self._own and (driver not in self._seen or self._seen[driver][0] != sign):
                self._seen[driver] = sign, now

    def excuse(self, seconds: float) -> None:
        """For so long this driver could not look: the storage was away, and no sign could be given either."""
        self._seen = {driver: (sign, changed + seconds) for driver, (sign, changed) in self._seen.items()}

    def buried(self, driver: str | None) -> tuple[str, dict[str, Any]] | None:
        """Name and value of the attribute that says of a dead driver that it has ended; None where it says so, or is not dead."""
        if driver is None or driver not in self._seen or self.alive(driver) or self._seen[driver][0].ended:
            return None
        return PREFIX + driver, _value(replace(self._seen[driver][0], ended=True))

    def living(self) -> list[Sign]:
        """The other drivers that are not known to be dead."""
        return [sign for driver, (sign, _) in self._seen.items() if self.alive(driver)]

    def alive(self, driver: str | None) -> bool:
        """Whether that other driver is not known to be dead."""
        if driver is None or driver not in self._seen or driver in self._gone:
            return False
        sign, changed = self._seen[driver]
        if sign.ended or monotonic() - changed > LEASE_SECONDS:
            return False
        if beside(self._directory, sign) and not _held(self._directory / _lock_name(driver), remove=self._own is not None):
            self._gone.add(driver)
            return False
        return True


def beside(directory: Path, sign: Sign) -> bool:
    """Whether a driver works in this folder and on this host, so that its lock says whether it lives."""
    try:
        return sign.host == socket.gethostname() and sign.inode == directory.stat().st_ino
    except OSError:
        return False


def is_lock(name: str) -> bool:
    """Whether a file of that name is a driver's lock, perhaps of one that was killed."""
    return bool(_LOCK.match(name))


@contextmanager
def making(directory: Path) -> Iterator[None]:
    """Alone in making a folder a run, or in opening it for writing. Raises `StudyError` where another program stays at it."""
    from filelock import FileLock, Timeout

    path = directory / MAKING
    lock = FileLock(path)
    try:
        lock.acquire(timeout=MAKING_SECONDS)
    except Timeout:
        raise StudyError(f"{directory}: another `nas search` or `nas resume` is just beginning here, or an older one at work") from None
    except OSError as error:
        raise StudyError(f"{directory}: cannot be written ({error.strerror or error})") from None
    try:
        yield
    finally:
        _drop(lock, path)


def _lock_name(driver: str) -> str:
    return f"driver-{driver}.lock"


def _acquire(directory: Path, driver: str) -> tuple[BaseFileLock, Path]:
    from filelock import FileLock, Timeout

    path = directory / _lock_name(driver)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1.0)
    except (OSError, Timeout) as error:
        raise StudyError(f"{directory}: cannot be written ({getattr(error, 'strerror', None) or error})") from None
    return lock, path


def _drop(lock: BaseFileLock, path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release()


def _held(path: Path, remove: bool) -> bool:
    """Whether a driver holds its lock, or it can't be told. The file of one that is no more is removed where `remove`."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (OSError, Timeout):
        return True
    if remove:
        _drop(lock, path)
    else:
        lock.release()
    return False
