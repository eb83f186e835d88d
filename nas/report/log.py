"""A search as JSON lines for programs: one object an event. The fields are documented in docs/logs.md."""

from __future__ import annotations

import datetime
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nas.engine import Finished, Observer, Progress, Start

if TYPE_CHECKING:
    from pathlib import Path

    from nas.arch import Architecture
    from nas.budget import Budget, Ledger
    from nas.study import Study

TICK_SECONDS = 10.0


class JsonLog(Observer):
    """Writes a line an event, at once, and nothing else. `write` takes a line (default: standard output)."""

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or _print
        self.directory: Path | None = None
        self._study: str | None = None
        self._objectives: tuple[str, ...] = ("accuracy",)
        self._progress: Progress | None = None
        self._ticked = -math.inf

    def emit(self, event: str, **fields: Any) -> None:
        """A line."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self._write(json.dumps(_plain({"event": event, "time": now, "study": self._study, **fields})))

    def note(self, line: str) -> None:
        """What a person should know."""
        self.emit("note", text=line)

    def begin(self, start: Start) -> None:
        """What runs where."""
        self.directory = self.directory or start.directory
        self._study, self._progress, self._ticked = start.study or start.directory.name, None, time.monotonic()
        self._objectives = tuple(goal.name for goal in start.objectives)
        dashboard = start.dashboard.url if start.dashboard else None
        self.emit(
            "begin", role=start.role, directory=str(start.directory), workers=start.workers, device=start.device, share=start.share,
            objectives=list(map(str, start.objectives)), fidelity=start.fidelity.to_dict(), unfinished=start.unfinished,
            ray_dashboard=dashboard, **_used(start.budget, start.ledger),
        )  # fmt: skip

    def launched(self, number: int, architecture: Architecture) -> None:
        """A trial was launched."""
        self.emit("launched", trial=number, digest=architecture.digest)

    def finished(self, finished: Finished) -> None:
        """A trial has ended."""
        outcome = finished.outcome
        self.emit(
            "finished", **_trial(finished), state="failed" if finished.value is None else "complete", metrics=outcome.metrics,
            reason=outcome.reason, cut=outcome.cut, stopped=outcome.stopped, device_seconds=finished.device_seconds,
            worker=finished.worker, phase=finished.phase, parent=finished.parent, how=finished.how or None,
            decisions=dict(finished.decisions),
        )  # fmt: skip

    def lost(self, number: int, times: int) -> None:
        """A worker died."""
        self.emit("lost", trial=number, times=times)

    def crowded(self, number: int, reason: str) -> None:
        """A trial is run again alone."""
        self.emit("crowded", trial=number, reason=reason)

    def retired(self, worker: int, reason: str, left: int) -> None:
        """A worker is gone."""
        self.emit("retired", worker=worker, reason=reason, left=left)

    def tick(self, progress: Progress) -> None:
        """How far it is, every ten seconds."""
        self._progress, now = progress, time.monotonic()
        if now >= self._ticked + TICK_SECONDS and self._study is not None:
            self._ticked = now
            self.emit("tick", **_state(progress))

    def end(self, reason: str) -> None:
        """What ended it, the best and what was used."""
        self.emit("end", reason=reason, **(_state(self._progress) if self._progress else {}))
        self._study, self._progress = None, None

    def result(self, study: Study) -> None:
        """The last line: what a search came to, with what followed it."""
        from nas.report.honest import plain

        best, self._study = study.best, study.settings.study
        self.emit(
            "result", directory=str(study.directory), best=None if best is None else _recorded(study, best),
            front=[trial.number for trial in study.front] if len(study.goals) > 1 else None,
            **_used(_budget(study), study.ledger()), **plain(study),
        )  # fmt: skip

    def error(self, text: str, status: int) -> None:
        """What ended it early, with the exit status."""
        self.emit("error", text=text, status=status)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _budget(study: Study) -> Budget:
    from nas.budget import Budget

    return Budget.parse(study.settings.budget)


def _state(progress: Progress) -> dict[str, Any]:
    return {
        **_used(progress.budget, progress.ledger), "running": progress.running, "workers": progress.workers,
        "best": _trial(progress.best) if progress.best else None, "front": progress.front, "seconds_left": progress.seconds_left,
    }  # fmt: skip


def _used(budget: Budget, ledger: Ledger) -> dict[str, Any]:
    used = {
        "device_seconds": ledger.device_seconds, "seconds": ledger.seconds, "finished": ledger.finished, "failed": ledger.failed,
    }  # fmt: skip
    return {"budget": str(budget), "used": used, "used_fraction": budget.used(ledger)}


def _trial(finished: Finished) -> dict[str, Any]:
    return {
        "trial": finished.number, "value": finished.value, "digest": finished.architecture.digest, "fraction": finished.fraction,
    }  # fmt: skip


def _recorded(study: Study, trial: Any) -> dict[str, Any]:
    cost = trial.architecture.cost(aux=False)
    return {
        "trial": trial.number, "value": trial.value, "values": list(trial.values), "digest": trial.digest, "fraction": trial.fraction,
        "params": cost.params, "macs": cost.macs, "file": str(study.directory / "best.yaml"),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """As strict JSON has it: a number that is none is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
