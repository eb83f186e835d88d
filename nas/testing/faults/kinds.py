"""The kinds of faults: each has a name, says what it needs, and strikes a search that runs."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nas.registry import Registry
from nas.testing.faults import processes
from nas.testing.faults.places import Database, Disk, Nodes
from nas.testing.faults.search import Search

OUTAGE = 2.0  # seconds at most that a disk is full, or a database away
STARTS = 2.5  # seconds in which a search starts
END_SECONDS = 60.0


class Fault(Protocol):
    """`place` is what its searches run in, `engine` what they run on.

    `strike` starts the search where it does not run, waits for the moment that `rng` draws, and does it; returns when it was
    over by the monotonic clock (the disk has room again), or None where the search ended before.
    """

    @property
    def name(self) -> str:
        """Of the kind."""
        ...

    @property
    def place(self) -> str:
        """`folder`, `disk`, `database` or `cluster`."""
        ...

    @property
    def engine(self) -> str:
        """`local` or `ray`."""
        ...

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """Do it."""
        ...


FAULTS: Registry[Fault] = Registry("fault")


def _register(fault: Fault) -> Fault:
    return FAULTS.add(fault.name, fault)


def _at_work(search: Search, rng: random.Random) -> bool:
    """Whether the search is at work at a random moment after it began to be."""
    if not search.poll():
        search.start()
    if not search.until_at_work():
        return False
    time.sleep(rng.uniform(0.0, search.plan.span))
    return search.poll()


@dataclass(frozen=True)
class Kill:
    """SIGKILL to the driver, or to its whole group of processes."""

    name: str
    engine: str
    group: bool
    place: str = "folder"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """In the middle of the work."""
        if not _at_work(search, rng):
            return None
        now = time.monotonic()
        search.kill(group=self.group)
        return now


@dataclass(frozen=True)
class Early:
    """SIGKILL to the driver while it starts, from its first moment to about its first trial."""

    name: str = "early"
    engine: str = "local"
    place: str = "folder"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """However far it is."""
        search.interrupt()
        search.start()
        time.sleep(rng.uniform(0.0, STARTS))
        now = time.monotonic()
        if not search.poll():
            return None
        search.kill()
        return now


# What a driver writes, up to which writing it may get before it is killed in the middle of it, and the option that it needs.
TORN = (
    ("run.yaml", 1, ""), ("study.journal", 1, ""), ("study.journal", 30, ""), ("study.journal", 30, ""), ("best.yaml", 3, ""),
    ("best.svg", 3, ""), (r"front/\d+\.yaml", 6, "--objectives"), (r"\.trial-\d+\.pt\.\d+\.part", 6, "asha:evolution"),
    ("confirm/run.yaml", 1, "--confirm"), ("confirm/study.journal", 6, "--confirm"), ("control/run.yaml", 1, "--control"),
    ("control/study.journal", 12, "--control"), ("control/confirm/study.journal", 6, "--control"), ("confirmed.yaml", 2, "--confirm"),
)  # fmt: skip
ASIDE = r"\.(\d+\.)?tmp"  # the ending of what is written beside a file, to be put in its place


@dataclass(frozen=True)
class Torn:
    """The driver is killed in the middle of writing a file, or just before it would have been put in its place."""

    name: str = "torn"
    engine: str = "local"
    place: str = "folder"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """Where that file is written so often before the search ends."""
        search.interrupt()
        path, most = rng.choice([(path, most) for path, most, needs in TORN if needs in ("", *search.plan.options)])
        whole = path.endswith((".yaml", ".svg"))
        moves = whole and rng.random() < 0.5
        search.start(f"{path}{ASIDE if whole and not moves else ''}:{rng.randint(1, most)}:{'moved' if moves else 'torn'}")
        search.wait(END_SECONDS)
        return search.lives[-1].ended if search.lives[-1].status == -9 else None


@dataclass(frozen=True)
class Worker:
    """SIGKILL to the process in which something is evaluated."""

    name: str = "worker"
    engine: str = "ray"
    place: str = "folder"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """The one that began last of those that live."""
        if not _at_work(search, rng):
            return None
        pids = [entry.pid for entry in search.entries() if not entry.end and entry.seen > time.monotonic() - 1.0]
        now = time.monotonic()
        if not pids or pids[-1] == search.pid:
            return None
        processes.kill(pids[-1])
        return now


@dataclass(frozen=True)
class Node:
    """A node of the cluster is killed, and another one comes."""

    name: str = "node"
    engine: str = "ray"
    place: str = "cluster"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """Any but the head."""
        if not _at_work(search, rng):
            return None
        now = time.monotonic()
        assert isinstance(search.place, Nodes)
        search.place.lose(rng.randrange(16))
        return now


@dataclass(frozen=True)
class FullDisk:
    """Not a byte is left on the disk of the run folder, for a while."""

    name: str = "disk"
    engine: str = "local"
    place: str = "disk"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """The driver may wait for room, or end."""
        if not _at_work(search, rng):
            return None
        assert isinstance(search.place, Disk)
        with search.place.full():
            _sleep(rng.uniform(0.5, OUTAGE), search.poll)
        return time.monotonic()


@dataclass(frozen=True)
class Frozen:
    """The driver stands still for a while, as on a machine that was put to sleep, and then goes on as if nothing had been."""

    name: str = "frozen"
    engine: str = "local"
    place: str = "folder"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """With all its threads."""
        if not _at_work(search, rng):
            return None
        os.kill(search.pid, signal.SIGSTOP)
        time.sleep(rng.uniform(0.5, OUTAGE))
        os.kill(search.pid, signal.SIGCONT)
        return time.monotonic()


@dataclass(frozen=True)
class Outage:
    """The database server stops at once, and comes back after a while."""

    name: str = "storage"
    engine: str = "local"
    place: str = "database"

    def strike(self, search: Search, rng: random.Random) -> float | None:
        """The driver may wait for it, or end."""
        if not _at_work(search, rng):
            return None
        assert isinstance(search.place, Database)
        search.place.server.stop("immediate")
        _sleep(rng.uniform(0.5, OUTAGE), search.poll)
        search.place.server.start()
        return time.monotonic()


def _sleep(seconds: float, look: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        look()
        time.sleep(min(0.1, left))


_register(Kill("driver", "local", group=False))
_register(Kill("driver-ray", "ray", group=False))
_register(Kill("group", "ray", group=True))
_register(Worker())
_register(Frozen())
_register(Early())
_register(Torn())
_register(FullDisk())
_register(Outage())
_register(Node())
