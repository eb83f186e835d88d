"""Folders, disks, data sets, and the language of the terminal."""

from __future__ import annotations

import contextlib
import locale
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from nas.doctor.base import CHECKS, Finding, note, ok, problem

RUNS = Path("runs")  # where a search makes its folder
LITTLE_BYTES, NONE_BYTES = 2e9, 100e6
FULL = 0.95  # above which Ray refuses to write
ROOM = "free some of it, or use another disk (--out, --data-dir, TMPDIR)"
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "ceph", "glusterfs", "beegfs", "afs", "9p", "fuse.sshfs", "fuse.s3fs")


@CHECKS.register("run folder")
def run_folder(deep: bool) -> Iterator[Finding]:
    """Whether `runs/` can be written where the person stands, and whether files can be locked there."""
    place = nearest(RUNS)
    if (why := _unwritable(place)) is not None:
        yield problem(f"{RUNS.absolute()} cannot be written ({why})", "cd to a folder of yours, or --out DIR")
        return
    kind = file_system(place)
    found = f"{RUNS.absolute()} can be written{f' ({kind})' if kind else ''}"
    if (why := _unlockable(place)) is not None:
        yield problem(f"{found}, but files cannot be locked there ({why}), which the record needs", "--out DIR on another disk")
    elif kind in NETWORK:
        yield note(f"{found}: a network file system, whose locks are as good as its server's", "for several machines: --storage postgresql://...")
    else:
        yield ok(found)


@CHECKS.register("temporary folder")
def temporary(deep: bool) -> Iterator[Finding]:
    """Where Ray and this package put what does not last."""
    try:
        place = Path(tempfile.gettempdir())
    except OSError as error:
        yield problem(f"there is none ({error})", "export TMPDIR=DIR, a folder that can be written")
        return
    if (why := _unwritable(place)) is not None:
        yield problem(f"{place} cannot be written ({why})", "export TMPDIR=DIR, a folder that can be written")
    elif len(str(place)) > 40:
        # Ray's sockets lie in it, and their paths may have 107 characters.
        yield note(f"{place} can be written, but its path is long for Ray's sockets", "export TMPDIR=/tmp")
    else:
        yield ok(f"{place} can be written")


@CHECKS.register("disk")
def disk(deep: bool) -> Iterator[Finding]:
    """Room where runs, data sets and Ray's sessions go; disks that are one are said once."""
    from nas.units import format_bytes

    seen: set[int] = set()
    folders = {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    with contextlib.suppress(ImportError):  # said where data sets are
        from nas.data.fetch import default_folder

        folders["data sets"] = default_folder()
    for what, path in folders.items():
        place = nearest(path)
        with contextlib.suppress(OSError):
            device = place.stat().st_dev
            if device in seen:
                continue
            seen.add(device)
        use = shutil.disk_usage(place)
        found = f"{what}, {path}: {format_bytes(use.free)} free of {format_bytes(use.total)}"
        if use.free < NONE_BYTES:
            yield problem(f"{found}: too little for a run", ROOM)
        elif use.free < LITTLE_BYTES or use.free < (1 - FULL) * use.total:
            yield note(f"{found}: little; Ray complains above {FULL:.0%}", ROOM)
        else:
            yield ok(found)


@CHECKS.register("data sets")
def data_sets(deep: bool) -> Iterator[Finding]:
    """Which are there; where the others would be looked for, and what they need."""
    from nas import data
    from nas.data.fetch import WAY_OUT, default_folder
    from nas.errors import NasError

    there = [name for name in data.names() if data.available(name)]
    yield ok(f"there: {', '.join(there) or 'none'}; others are looked for in {default_folder()}, or --data-dir DIR")
    for name in data.names():
        if name in there:
            continue
        try:
            data.load(name, download=False)
        except NasError as error:
            # What is to be done stands behind the last semicolon, and after it what else there is.
            by_hand = str(error).rpartition("; ")[2].partition(f", {WAY_OUT}")[0]
            yield note(f"{name}: not there", f"is downloaded when first used; by hand: {by_hand}")


@CHECKS.register("language")
def language(deep: bool) -> Iterator[Finding]:
    """Texts are UTF-8, in files and on the terminal."""
    files, terminal = locale.getpreferredencoding(False), sys.stdout.encoding or "none"
    found = f"files are {files}, the terminal {terminal}"
    plain = {text.lower().replace("-", "").replace("_", "") for text in (files, terminal)}
    if plain <= {"utf8"}:
        yield ok(found)
    else:
        yield note(f"{found}; names with other letters may not be shown", "export LC_ALL=C.UTF-8, or PYTHONUTF8=1")


def nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    path = path.absolute()
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def file_system(path: Path) -> str:
    """Its kind, as Linux calls it; "" where that is not known."""
    best, kind = "", ""
    with contextlib.suppress(OSError):
        whole = str(path.resolve())
        for line in Path("/proc/self/mounts").read_text(errors="replace").splitlines():
            _, mounted, this, *_ = line.split()
            mounted = mounted.replace("\\040", " ")
            inside = whole == mounted or whole.startswith(mounted.rstrip("/") + "/")
            if inside and len(mounted) >= len(best):
                best, kind = mounted, this
    return kind


def _unwritable(place: Path) -> str | None:
    """Why no file can be made there; None where one was, and is gone again."""
    trial = place / f".nas-doctor-{uuid.uuid4().hex}"
    try:
        trial.write_bytes(b"\0" * 4096)
        trial.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            trial.unlink(missing_ok=True)
        return error.strerror or str(error)
    return None


def _unlockable(place: Path) -> str | None:
    """Why no file can be locked there."""
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        return None  # said where dependencies are
    trial = place / f".nas-doctor-{uuid.uuid4().hex}.lock"
    try:
        with FileLock(trial, timeout=5):
            pass
    except (OSError, NotImplementedError, Timeout) as error:
        return str(error)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(trial)
    return None
