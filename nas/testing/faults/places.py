"""Where a search under test runs: a plain folder, a disk that can be filled, a cluster whose nodes can be killed, a database."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

DISK_MEGABYTES = 80  # of which the last 50 are not for weights


class Place(Protocol):
    """`folder` is for the run, `options` are what the command line needs beside it."""

    folder: Path
    options: tuple[str, ...]
    storage: str | None

    def close(self) -> None:
        """Take it down; what lies in the folder may be gone."""


class Folder:
    """A folder on the disk that all else lies on."""

    options: tuple[str, ...] = ()
    storage: str | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Nothing."""


class Disk(Folder):
    """A small disk in memory, which only the superuser can make: see `can_mount`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "nas-faults", str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left within."""
        filler = self.folder / "filler"
        with suppress(OSError), open(filler, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
        try:
            yield
        finally:
            filler.unlink()

    def close(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)


def can_mount() -> bool:
    """Whether a small disk can be made here."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


class Nodes(Folder):
    """A Ray cluster of a head that no lane runs on, and `count` nodes of one core, on this machine."""

    def __init__(self, folder: Path, count: int = 2) -> None:
        super().__init__(folder)
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self._nodes = [self._cluster.add_node(num_cpus=1) for _ in range(count)]
        self.options = ("--address", str(self._cluster.address))

    def lose(self, index: int) -> None:
        """Kill a node, and start another in its place."""
        node = self._nodes[index % len(self._nodes)]
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes[index % len(self._nodes)] = self._cluster.add_node(num_cpus=1)

    def close(self) -> None:
        """Stop all nodes."""
        self._cluster.shutdown()


class Database(Folder):
    """A folder beside a database; `server` has its `url`, and `stop()` and `start()`, as that of `tests.postgres` has."""

    def __init__(self, folder: Path, server: Any) -> None:
        super().__init__(folder)
        self.server = server
        self.storage = str(server.url)
        self.options = ("--storage", self.storage)
