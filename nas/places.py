"""Places that several machines reach: a folder, or any URL that fsspec knows. Files there are whole or not there at all.

Nothing here pickles, lists deeper than asked for, or keeps a connection: a place is a text, so it can be sent to any worker.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from nas.errors import NasError, unknown
from nas.files import write_durably

TRIES, PAUSE, LONGEST = 4, 0.2, 3.0  # of what fails in passing: how often, seconds before the second, seconds at most
PROBE_SECONDS = 30.0
NEAR = ("file", "local")
READS = ("http", "https", "data", "git", "github", "gist", "zip", "tar", "libarchive", "reference")
T = TypeVar("T")


class PlaceError(NasError):
    """A place that is not known, cannot be reached, or may not be written."""


@dataclass(frozen=True)
class Folder:
    """A folder of this machine or of a network file system; made when first written."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def inside(self, *names: str) -> Folder:
        """A folder in it."""
        return Folder(self.path.joinpath(*names))

    def where(self, name: str) -> str:
        """What a person calls the file of that name."""
        return str(self.path / name)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none. Raises `OSError`."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Put a file there in one move, in place of what was there. Raises `OSError`."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data, path.with_name(f".{path.name}.{os.getpid()}.part"))

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that lies in it, not deeper."""
        found: dict[str, int] = {}
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.path):
                with contextlib.suppress(OSError):
                    if entry.is_file():
                        found[entry.name] = entry.stat().st_size
        return found

    def remove(self, name: str) -> None:
        """Remove a file, if there is one and it can be."""
        with contextlib.suppress(OSError):
            (self.path / name).unlink()

    def version(self, name: str) -> str | None:
        """What tells one writing of a file from another, without reading it; None where there is none.

        The file is opened: a network file system looks anew at what is opened, and otherwise answers with what it remembers.
        """
        with contextlib.suppress(OSError), open(self.path / name, "rb") as file:
            found = os.fstat(file.fileno())
            return f"{found.st_mtime_ns} {found.st_ino} {found.st_size}"
        return None


@dataclass(frozen=True)
class Remote:
    """A URL that fsspec knows. What fails in passing is tried again for some seconds; all raise what fsspec then raises."""

    url: str

    def __str__(self) -> str:
        return self.url

    def inside(self, *names: str) -> Remote:
        """A folder in it."""
        return Remote("/".join((self.url.rstrip("/"), *names)))

    def where(self, name: str) -> str:
        """The URL of a file."""
        return str(self.inside(name))

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""
        with contextlib.suppress(FileNotFoundError):
            return bytes(self._tried(lambda system, root: system.cat_file(f"{root}/{name}")))
        return None

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Put a file there, in place of what was there: object stores do that in one move, others are given one to do."""
        self._tried(lambda system, root: _put(system, f"{root}/{name}", bytes(data)))

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that lies in it, not deeper."""
        with contextlib.suppress(FileNotFoundError):
            found = self._tried(_listed)
            return {str(entry["name"]).rsplit("/", 1)[-1]: int(entry["size"] or 0) for entry in found if entry["type"] == "file"}
        return {}

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            self._tried(lambda system, root: system.rm_file(f"{root}/{name}"))

    def version(self, name: str) -> str | None:
        """What tells one writing of a file from another, without reading it; None where there is none."""

        def ask(system: Any, root: str) -> str:
            system.invalidate_cache()
            return str(system.ukey(f"{root}/{name}"))

        with contextlib.suppress(FileNotFoundError):
            return self._tried(ask)
        return None

    def _tried(self, what: Callable[[Any, str], T]) -> T:
        from fsspec.core import url_to_fs
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

        again = Retrying(
            stop=stop_after_attempt(TRIES), wait=wait_random_exponential(PAUSE, LONGEST),
            retry=retry_if_exception(_passes), reraise=True,
        )  # fmt: skip
        return again(lambda: what(*url_to_fs(self.url)))


Place = Folder | Remote


def place_of(text: str, name: str = "results") -> Place:
    """The place that a path or a URL means. Raises `PlaceError` for one that cannot be used, with the option's `name`."""
    if not text.strip() or any(ord(sign) < 32 for sign in text):
        raise PlaceError(f"{name}={text!r:.60}; allowed: a folder, or a URL such as s3://bucket/folder")
    if "://" not in text and "::" not in text:
        return Folder(Path(text).expanduser().absolute())
    kind, _, rest = text.partition("://")
    if "::" in text:
        raise PlaceError(f"{name}={text!r:.120}: a chain of protocols; allowed: one, such as s3://bucket/folder")
    parts = _split(text, name)
    if kind in NEAR:
        if parts.netloc not in ("", "localhost"):
            raise PlaceError(f"{name}={text!r:.120}: {parts.netloc!r} would be a host; allowed: three slashes, {kind}:///{rest}")
        return Folder(Path(unquote(parts.path) or "/"))
    if parts.password:
        raise PlaceError(f"{name}: a password in the URL would stand in the record; allowed: that in the environment of all machines")
    _check_kind(kind, text, name)
    return Remote(text.rstrip("/"))


def check_place(place: Place, name: str = "results", seconds: float = PROBE_SECONDS) -> None:
    """Write, read and remove a small file. Raises `PlaceError` where that fails, or takes longer than `seconds`."""
    failed: list[BaseException] = []

    def probe() -> None:
        file, data = f".probe-{secrets.token_hex(6)}", secrets.token_bytes(8)
        try:
            place.write(file, data)
            if place.read(file) != data:
                raise OSError("what was written is not what is read")
            place.remove(file)
        except Exception as error:
            failed.append(error)

    asked = threading.Thread(target=probe, name="probe", daemon=True)
    asked.start()
    asked.join(seconds)
    if asked.is_alive():
        raise PlaceError(f"{name}={str(place)!r:.160} does not answer within {seconds:g} s; allowed: a place that can be written")
    if failed:
        raise PlaceError(f"{name}={str(place)!r:.160} cannot be written ({reason_of(failed[0])}); allowed: a place that can be")


def reason_of(error: BaseException) -> str:
    """One line on why a place could not be used."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    return (text or type(error).__name__)[:160]


def _split(text: str, name: str) -> Any:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise PlaceError(f"{name}={text!r:.120} is no URL ({error}); allowed: such as s3://bucket/folder") from None


def _check_kind(kind: str, text: str, name: str) -> None:
    """Raises `PlaceError` where fsspec does not know the protocol, only reads it, or lacks a package for it."""
    import fsspec
    from fsspec.registry import known_implementations, registry

    if kind in READS:
        raise PlaceError(f"{name}={text!r:.120}: {kind} is only read; allowed: a folder, or a URL such as s3://bucket/folder")
    if kind not in known_implementations and kind not in registry:
        raise unknown("protocol", kind, [*NEAR, "s3", "gs", "abfs", "sftp", "hdfs", "memory"], where=f"{name}={text[:80]}")
    try:
        fsspec.get_filesystem_class(kind)
    except ImportError as error:
        package = str(known_implementations[kind]["class"]).partition(".")[0]
        hint = f"pip install {package}" if package != "fsspec" else reason_of(error)
        raise PlaceError(f"{name}={text!r:.120} needs a package that is not installed: {hint} (on all machines)") from None


def _passes(error: BaseException) -> bool:
    """Whether what failed may succeed a moment later."""
    lasting = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError, ImportError, NasError)
    return isinstance(error, Exception) and not isinstance(error, (*lasting, TypeError, ValueError, AttributeError))


def _put(system: Any, path: str, data: bytes) -> None:
    if not _renames(system):
        system.pipe_file(path, data)
        return
    folder, _, name = path.rpartition("/")
    system.makedirs(folder, exist_ok=True)
    part = f"{folder}/.{name}.{re.sub('[^A-Za-z0-9-]', '-', socket.gethostname())}-{os.getpid()}.part"
    try:
        system.pipe_file(part, data)
        try:
            system.mv(part, path)
        except OSError:  # some do not move onto what is there
            system.rm_file(path)
            system.mv(part, path)
    except BaseException:
        with contextlib.suppress(Exception):
            system.rm_file(part)
        raise


def _renames(system: Any) -> bool:
    """Whether it has folders and can move a file: an object store has neither, and puts a file there in one move."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    return type(system).mv is not AbstractFileSystem.mv and not isinstance(system, AsyncFileSystem)


def _listed(system: Any, root: str) -> list[dict[str, Any]]:
    system.invalidate_cache()
    found: list[dict[str, Any]] = system.ls(root, detail=True)
    return found
