"""Cores, memory, shared memory, and the ports that Ray likes best."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from nas.doctor.base import CHECKS, Finding, note, ok, problem

CGROUP = Path("/sys/fs/cgroup")
SHARED = Path("/dev/shm")
STORE_BYTES = 100e6  # Ray's object store, which a search asks 80 MiB for, and some room
WORKER_BYTES = 1e9  # a rule of thumb: a worker with torch, its data and a small network
PORTS = {6379: "Ray's head node", 8265: "Ray's dashboard", 10001: "Ray's clients"}


@CHECKS.register("cores")
def cores(deep: bool) -> Iterator[Finding]:
    """Cores that this process may use, against the threads that it is told to use and the time that it is given."""
    count = core_count()
    found = f"{count} core{'s' * (count != 1)}"
    given = os.environ.get("OMP_NUM_THREADS", "")
    quota = _quota()
    if quota is not None and quota < count:
        yield note(f"{found}, of which this container may use {quota:g} at a time", f"--workers {max(1, int(quota))}")
    elif given and not (given.isdecimal() and int(given) > 0):
        yield note(f"{found}; OMP_NUM_THREADS={given!r} is no number of threads", "unset OMP_NUM_THREADS")
    elif given and int(given) > count:
        yield note(f"{found}; OMP_NUM_THREADS={given} is more than that, which makes trainings slower", f"export OMP_NUM_THREADS={count}")
    else:
        yield ok(f"{found}; OMP_NUM_THREADS {f'is {given}' if given else 'is not set'}")


@CHECKS.register("memory")
def memory(deep: bool) -> Iterator[Finding]:
    """What is free of it for each worker, when every core has one."""
    from nas.units import format_bytes

    found = available()
    if found is None:
        yield note("how much is free is not known on this system")
        return
    count = core_count()
    text = f"{format_bytes(found)} free, {format_bytes(found / count)} for each of {count} workers"
    if found < WORKER_BYTES:
        yield note(f"{text}: too little for most searches", "end other programs, or --workers 1 --engine local")
    elif found / count < WORKER_BYTES:
        yield note(text, f"--workers {int(found / WORKER_BYTES)}, so that each has {format_bytes(WORKER_BYTES)}")
    else:
        yield ok(text)


@CHECKS.register("shared memory")
def shared_memory(deep: bool) -> Iterator[Finding]:
    """Where Ray keeps its objects on Linux."""
    from nas.units import format_bytes

    if sys.platform != "linux":
        yield ok("not needed on this system")
        return
    try:
        use = shutil.disk_usage(SHARED)
    except OSError as error:
        yield note(f"{SHARED} cannot be used ({error.strerror}): Ray writes to the disk in its place", "mount it; docker run --shm-size=1g")
        return
    found = f"{SHARED}: {format_bytes(use.free)} free of {format_bytes(use.total)}"
    if use.free < STORE_BYTES:
        needs = f"Ray's object store needs {format_bytes(STORE_BYTES)}, and writes to the disk in its place"
        yield note(f"{found}; {needs}", "docker run --shm-size=1g")
    elif not os.access(SHARED, os.W_OK):
        yield note(f"{found}; it cannot be written", f"sudo chmod 1777 {SHARED}")
    else:
        yield ok(found)


@CHECKS.register("ports")
def ports(deep: bool) -> Iterator[Finding]:
    """Whether those are free that Ray prefers. A search finds others where they are not."""
    taken = {port: what for port, what in PORTS.items() if _listens(port)}
    for port, what in taken.items():
        owner = _owner(port)
        mend = "a search takes another port; if it is a Ray of yours that nobody needs: `ray stop`"
        yield note(f"{port} ({what}) is taken{f' by {owner}' if owner else ''}", mend)
    free = [str(port) for port in PORTS if port not in taken]
    if free:
        yield ok(f"free: {', '.join(free)}")
    try:
        with socket.socket() as any_port:
            any_port.bind(("127.0.0.1", 0))
    except OSError as error:
        mend = "bring up the loopback interface; without Ray: --engine local"
        yield problem(f"no port of 127.0.0.1 can be opened ({error.strerror}), which Ray needs", mend)


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available() -> float | None:
    """Bytes that may still be taken: of the machine, or of the container where that is less."""
    found: list[float] = []
    with contextlib.suppress(OSError, StopIteration, ValueError, IndexError):
        line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
        found.append(float(line.split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # "max" is no number
        found.append(float((CGROUP / "memory.max").read_text()) - float((CGROUP / "memory.current").read_text()))
    if not found:
        with contextlib.suppress(OSError, ValueError):
            found.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    return max(0.0, min(found)) if found else None


def _quota() -> float | None:
    """Cores' worth of time that a container is given; None where it is not bounded."""
    with contextlib.suppress(OSError, ValueError):
        most, period = (CGROUP / "cpu.max").read_text().split()
        return float(most) / float(period)
    return None


def _listens(port: int) -> bool:
    with socket.socket() as knock:
        knock.settimeout(0.5)
        return knock.connect_ex(("127.0.0.1", port)) == 0


def _owner(port: int) -> str | None:
    """The program that listens there, where Linux tells: only of one's own processes."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            sockets |= {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        with contextlib.suppress(OSError):
            if any(os.readlink(process / "fd" / name) in sockets for name in os.listdir(process / "fd")):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None
