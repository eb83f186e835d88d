"""A search as Ray's metrics: Prometheus finds them at the metrics port of every Ray node, under these names with `ray_` before."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from nas.engine.observer import Finished, Observer, Progress, Start

if TYPE_CHECKING:
    from nas.budget import Budget, Ledger
    from nas.objectives import Objective

SET_SECONDS = 1.0  # a gauge that is not set again within two of Ray's report intervals (10 s each) is no longer shown
FIRST = 100  # trials that get a series of their own each; after them only those do that are the best so far
MOST = 300  # series of trials at most in all: Prometheus pays for each, and they are set again every time
SECONDS = (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 36000.0)  # bounds of the histogram

# Name: kind, what it is, and its tags, of which `study` is always one. The Grafana dashboard is held against this table.
SERIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "nas_budget": ("Gauge", "The limit of the budget: device_seconds, seconds, trials.", ("study", "limit")),
    "nas_budget_used": ("Gauge", "What is used of that limit.", ("study", "limit")),
    "nas_budget_left": ("Gauge", "What is left of that limit.", ("study", "limit")),
    "nas_trials": ("Gauge", "Trials by state: complete, failed, running.", ("study", "state")),
    "nas_workers": ("Gauge", "Workers that are up or may come up.", ("study",)),
    "nas_device_seconds": ("Gauge", "Device seconds that all trials have used, failed ones included.", ("study",)),
    "nas_seconds_left": ("Gauge", "Estimate of the wall seconds to the end.", ("study",)),
    "nas_best_value": ("Gauge", "The first objective of the best trial.", ("study", "objective")),
    "nas_front": ("Gauge", "Networks that no other beats.", ("study",)),
    "nas_trial_value": (
        "Gauge", f"The first objective of a trial: of the first {FIRST}, then of new bests; {MOST} in all.",
        ("study", "objective", "trial", "digest"),
    ),
    "nas_trial_device_seconds": ("Histogram", "Device seconds a trial.", ("study", "state")),
    "nas_workers_lost": ("Counter", "Times that a worker died with a trial.", ("study",)),
    "nas_workers_retired": ("Counter", "Workers that did not come back.", ("study",)),
}  # fmt: skip


class RayMetrics(Observer):
    """Publishes what a search tells. Use it where this process is connected to Ray: from `begin` on."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._study: str | None = None  # None: nothing has begun
        self._objective: Objective | None = None
        self._best: Finished | None = None
        self._trials: dict[int, tuple[float, dict[str, str]]] = {}  # value and tags of those that have a series
        self._set = -math.inf

    def begin(self, start: Start) -> None:
        """The metrics of this run."""
        self._made = self._made or _make()
        self._study, self._objective = start.study or start.directory.name, start.objectives[0]
        self._best, self._trials, self._set = None, {}, -math.inf
        self._budget(start.budget, start.ledger)

    def finished(self, finished: Finished) -> None:
        """A trial's value, and how long it took."""
        if self._study is None:
            return
        state = "failed" if finished.value is None else "complete"
        self._made["nas_trial_device_seconds"].observe(finished.device_seconds, tags={"study": self._study, "state": state})
        if finished.value is None or finished.phase is not None:
            return
        better = finished.better(self._best, self._objective)
        if better:
            self._best = finished
        if (better or len(self._trials) < FIRST) and len(self._trials) < MOST:
            tags = {"trial": str(finished.number), "digest": finished.architecture.digest[:12], "objective": self._name}
            self._trials[finished.number] = finished.value, tags

    def lost(self, number: int, times: int) -> None:
        """A worker died."""
        self._count("nas_workers_lost")

    def retired(self, worker: int, reason: str, left: int) -> None:
        """A worker is gone."""
        self._count("nas_workers_retired")

    def tick(self, progress: Progress) -> None:
        """All that changes with time, at most once a second."""
        now = time.monotonic()
        if self._study is None or now < self._set + SET_SECONDS:
            return
        self._set = now
        ledger = progress.ledger
        self._budget(progress.budget, ledger)
        for state, count in (("complete", ledger.finished), ("failed", ledger.failed), ("running", progress.running)):
            self._gauge("nas_trials", count, state=state)
        self._gauge("nas_workers", progress.workers)
        self._gauge("nas_device_seconds", ledger.device_seconds)
        self._gauge("nas_front", progress.front)
        if progress.seconds_left is not None:
            self._gauge("nas_seconds_left", progress.seconds_left)
        if progress.best is not None and progress.best.value is not None:
            self._best = progress.best
            self._gauge("nas_best_value", progress.best.value, objective=self._name)
        for value, tags in self._trials.values():
            self._gauge("nas_trial_value", value, **tags)

    def end(self, reason: str) -> None:
        """Nothing more comes of this run."""
        self._study = None

    @property
    def _name(self) -> str:
        return self._objective.name if self._objective else "accuracy"

    def _budget(self, budget: Budget, ledger: Ledger) -> None:
        left = budget.left(ledger)
        used = {"device_seconds": ledger.device_seconds, "seconds": ledger.seconds, "trials": ledger.finished + ledger.failed}
        for limit, amount in used.items():
            if math.isfinite(whole := getattr(budget, limit)):
                self._gauge("nas_budget", whole, limit=limit)
                self._gauge("nas_budget_used", amount, limit=limit)
                self._gauge("nas_budget_left", getattr(left, limit), limit=limit)

    def _gauge(self, name: str, value: float, **tags: str) -> None:
        self._made[name].set(float(value), tags={"study": self._study, **tags})

    def _count(self, name: str) -> None:
        if self._study is not None:
            self._made[name].inc(1.0, tags={"study": self._study})


def _make() -> dict[str, Any]:
    from ray.util import metrics

    made: dict[str, Any] = {}
    for name, (kind, text, tags) in SERIES.items():
        bounds = {"boundaries": list(SECONDS)} if kind == "Histogram" else {}
        made[name] = getattr(metrics, kind)(name, description=text, tag_keys=tags, **bounds)
    return made
