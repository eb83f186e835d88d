"""What running trials have used, as a driver writes it at every heartbeat: all of them in one attribute of the study.

An attribute of each trial would be as many writes as there are workers, every few seconds; a database takes longer for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

RUNNING = "running"  # the name of the attribute; with several drivers `running:ID`, one each
DIGITS = 9  # of the seconds that are kept


def attribute(device_seconds: Mapping[int, float], numbers: Iterable[int]) -> dict[str, float]:
    """Device seconds of these trials, as the attribute has them."""
    return {str(number): round(device_seconds[number], DIGITS) for number in numbers}


def in_flight(attrs: Mapping[str, Any]) -> dict[int, float]:
    """Device seconds by number, of the attributes of a study. Of trials that have ended since it says nothing that counts.

    What is not as `attribute` made it is passed over.
    """
    found: dict[int, float] = {}
    for name, value in attrs.items():
        if (name == RUNNING or name.startswith(f"{RUNNING}:")) and isinstance(value, Mapping):
            for number, seconds in value.items():
                if str(number).isdecimal() and isinstance(seconds, int | float) and seconds >= 0:
                    found[int(number)] = max(float(seconds), found.get(int(number), 0.0))
    return found
