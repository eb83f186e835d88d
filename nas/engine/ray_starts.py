"""Lanes on Ray that do not come up: counted, and given up after some attempts, so that the others can go on without them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback

from nas.engine.lanes import Retired
from nas.engine.ray_start import line

START_ATTEMPTS = 3  # a lane that could not come up so often in a row does not come back


class Starts(TrialProgressCallback):
    """Counts how often lanes died or did not come up, and has Tune give those up that don't. Tune calls it from its own thread.

    It prints nothing: the driver's observer has the screen.
    """

    def __init__(self, died: Callable[[int], None] = lambda lane: None) -> None:
        """died: told of a lane whose process has ended, at once, and before another is started."""
        super().__init__()
        self._died = died
        self._failures: dict[int, int] = {}  # in a row, since a lane was last up
        self._trials: dict[int, Any] = {}  # Tune's, that have failed
        self._retired: list[Retired] = []
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Tune writes its callbacks down, for somebody who would go on with its trials; nobody does."""
        return {}

    def came_up(self, lane: int) -> None:
        """Start counting anew; that the lane dies in its work does not count."""
        with self._lock:
            self._failures[lane] = -1
            if lane in self._trials:
                self._trials[lane].max_failures = -1

    def retired(self) -> list[Retired]:
        """Lanes that were given up since the last call."""
        with self._lock:
            retired, self._retired = self._retired, []
        return retired

    def on_trial_recover(self, *args: Any, **kwargs: Any) -> None:
        """A lane is to be started again: for the last time, maybe."""
        with self._lock:
            trial = kwargs["trial"]
            lane = int(trial.config["lane"])
            self._trials[lane] = trial
            self._failures[lane] = self._failures.get(lane, 0) + 1
            if self._failures[lane] >= START_ATTEMPTS - 1:
                trial.max_failures = 0  # Tune reads it at the next failure
        self._died(lane)

    def on_trial_error(self, *args: Any, **kwargs: Any) -> None:
        """A lane was given up."""
        trial = kwargs["trial"]
        with self._lock:
            self._retired.append(Retired(int(trial.config["lane"]), _last_line(trial.error_file)))

    def on_trial_result(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def on_trial_complete(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


def _last_line(file: str | None) -> str:
    """Of what Tune has written on the failures of a lane."""
    try:
        text = Path(file or "").read_text(errors="replace").strip()
    except OSError:
        text = ""
    return line(text.splitlines()[-1]) if text else "unknown"
