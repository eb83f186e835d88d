"""What a check answers, and where checks are registered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from nas.registry import Registry

OK, NOTE, PROBLEM = LEVELS = ("ok", "note", "problem")
PROBE_SECONDS = 120.0


@dataclass(frozen=True)
class Finding:
    """ok: as it should be; note: works, and could be better or should be known; problem: searches cannot run.

    mend: what to do about it, a command where one does; "" where there is nothing to do.
    """

    level: str
    found: str
    mend: str = ""
    check: str = ""

    def of(self, check: str) -> Finding:
        """The same on one line, by the check of that name."""
        return replace(self, found=" ".join(self.found.split()), mend=" ".join(self.mend.split()), check=check)

    def to_dict(self) -> dict[str, str]:
        """Plainly."""
        return asdict(self)


Check = Callable[[bool], Iterable[Finding]]
CHECKS: Registry[Check] = Registry("check")


def ok(found: str) -> Finding:
    """As it should be."""
    return Finding(OK, found)


def note(found: str, mend: str = "") -> Finding:
    """To be known."""
    return Finding(NOTE, found, mend)


def problem(found: str, mend: str) -> Finding:
    """In the way of searches."""
    return Finding(PROBLEM, found, mend)


class ProbeError(Exception):
    """What went wrong in another process, in a line."""


def probe(code: str, seconds: float = PROBE_SECONDS) -> Any:
    """What `code` prints last, as JSON, run by this Python in a process of its own: whatever is imported there may crash.

    Raises `ProbeError`.
    """
    try:
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, check=False, errors="replace")
    except subprocess.TimeoutExpired:
        raise ProbeError(f"no answer within {seconds:g} s") from None
    except OSError as error:
        raise ProbeError(str(error)) from None
    if ran.returncode:
        said = ran.stderr.strip().splitlines()[-1:] or [f"ended with status {ran.returncode}"]
        raise ProbeError(said[0][:200] if ran.returncode > 0 else f"crashed by signal {-ran.returncode}: {said[0][:160]}")
    try:
        return json.loads(ran.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise ProbeError("its answer cannot be read") from None
