"""A process that kills itself in the middle of writing a file: the moments that a kill from outside seldom meets.

`PATTERN:COUNT:MOMENT` in the variable `NAS_FAULTS_TEAR`: at the COUNT-th writing of a path that ends in PATTERN (a regular
expression) the process ends by SIGKILL, with something of the file written (`torn`), or all of it but not in its place (`moved`).
"""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any, Final

VARIABLE: Final = "NAS_FAULTS_TEAR"
SCRAP: Final = b'{"op_code":5,"worker_id":"torn'  # the beginning of a line of a journal, and of no YAML


class Tear:
    """Counts what is opened for writing, or moved, as Python's audit events tell."""

    def __init__(self, text: str) -> None:
        pattern, count, self._moment = text.rsplit(":", 2)
        self._pattern, self._left, self._busy = re.compile(f"(?:{pattern})\\Z"), int(count), False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """For `sys.addaudithook`."""
        if self._busy or event != ("open" if self._moment == "torn" else "os.rename"):
            return
        path, other = str(arguments[0]), str(arguments[1])
        writes = event != "open" or any(letter in other for letter in "wax")  # not what is mended in place
        target = path if event == "open" else other
        if not writes or not self._pattern.search(target):
            return
        self._left -= 1
        if self._left <= 0:
            self._busy = True
            if event == "open":
                with open(path, other if "b" in other else other + "b") as file:
                    file.write(SCRAP)
            os.kill(os.getpid(), signal.SIGKILL)


def arm() -> None:
    """As the environment says."""
    text = os.environ.get(VARIABLE)
    if text:
        sys.addaudithook(Tear(text))
