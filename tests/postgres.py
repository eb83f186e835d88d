"""A PostgreSQL server of a test's own: in a folder of its own, on a free port of the loopback address."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = "nas"


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None where there is no server on this machine."""
    found = shutil.which("initdb")
    packaged = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    folders = [Path(found).resolve().parent] if found else [Path(name).parent for name in packaged]
    return folders[-1] if folders else None


class Server:
    """A server that can be stopped and started again; its data stay. The server refuses to run as root: then it runs as `nobody`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
        where = str(folder / "data")
        self._run("initdb", "--pgdata", where, "--username", USER, "--auth", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
        self.start()

    @property
    def url(self) -> str:
        """As a person would give it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Up again, and ready when this returns."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=16MB"
        log = str(self.folder / "log")
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), "-w", "-t", "60", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Down: `fast` ends the connections, `immediate` is as a crash."""
        self._run("pg_ctl", "--pgdata", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def _run(self, program: str, *options: str) -> None:
        where = programs()
        assert where is not None
        other = ["setpriv", "--reuid=nobody", f"--regid={_group()}", "--clear-groups"] if os.getuid() == 0 else []
        command = [*other, str(where / program), *options]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, timeout=120
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")


def _group() -> str:
    import pwd

    return str(pwd.getpwnam("nobody").pw_gid)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for the whole session; a test that stops it starts it again."""
    if programs() is None:
        pytest.skip("no PostgreSQL server on this machine: no initdb on PATH nor in /usr/lib/postgresql/*/bin")
    folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
    folder.chmod(0o755)
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


