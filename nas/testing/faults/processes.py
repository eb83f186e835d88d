"""Processes of a search as /proc tells of them: which it has started, and which of them live."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Of a Ray whose head was killed: each waits a minute for the head before it ends (Ray 2.60). They hold no worker and no data.
AGENTS = ("ray::RuntimeEnvAgent", "ray::DashboardAgent")
Process = tuple[int, str]  # the number, and when it started: numbers are used again


def _stat(pid: int) -> tuple[str, int, str] | None:
    """State, parent and start of a process; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), fields[19]


def descendants(pid: int) -> list[Process]:
    """Those that `pid` has started, and these have, as far as all in between live."""
    children: dict[int, list[Process]] = defaultdict(list)
    for path in Path("/proc").iterdir():
        if path.name.isdecimal() and (stat := _stat(int(path.name))) is not None:
            children[stat[1]].append((int(path.name), stat[2]))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += [each for each, _ in below]
    return found


def alive(process: Process) -> bool:
    """Whether it is that process still, and no zombie."""
    stat = _stat(process[0])
    return stat is not None and stat[2] == process[1] and stat[0] not in "ZX"


def seconds_to_end(processes: Iterable[Process], since: float, limit: float) -> tuple[float, list[Process]]:
    """How long after `since` none of them lives any more, and those that do after `limit` s; but for Ray's `AGENTS`."""
    while (left := [each for each in processes if alive(each) and name(each) not in AGENTS]) and time.monotonic() < since + limit:
        time.sleep(0.02)
    return time.monotonic() - since, left


def name(process: Process) -> str:
    """Its command line, for a person."""
    with suppress(OSError):
        return Path(f"/proc/{process[0]}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120].strip()
    return "?"


def kill(pid: int, *, group: bool = False) -> None:
    """SIGKILL; nothing where it is gone."""
    with suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
