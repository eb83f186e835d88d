"""A search as Ray's metrics: what Prometheus would find at the port of a real Ray, and what the shipped dashboard asks for."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import ray

import nas
from nas.engine.observer import Observer
from nas.engine.ray_metrics import SERIES

pytestmark = pytest.mark.slow

LABELS = re.compile(r'(\w+)="([^"]*)"')


class Scraping(Observer):
    """Asks the metrics port, while the search goes on, until the best trial is told there."""

    def __init__(self) -> None:
        self.text = ""
        self.digests: dict[str, str] = {}
        self.began = time.monotonic()

    def finished(self, finished: Any) -> None:
        self.digests[str(finished.number)] = finished.architecture.digest

    def tick(self, progress: Any) -> None:
        port = next(node["MetricsExportPort"] for node in ray.nodes() if node["Alive"])
        try:
            self.text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        except OSError:  # not up yet
            return
        if "nas_trial_value" in self.text or time.monotonic() > self.began + 90:
            raise KeyboardInterrupt


def slow(architecture: Any, fidelity: Any) -> float:
    """Some time a trial, so that Ray reports in the course of the search."""
    time.sleep(0.4)
    return float(int(architecture.digest[:4], 16)) / 65536


def series(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of all series of that name."""
    lines = [line for line in text.splitlines() if line.startswith((f"ray_{name}{{", f"{name}{{"))]
    return [(dict(LABELS.findall(line)), float(line.rsplit(" ", 1)[1])) for line in lines]


def test_prometheus_finds_a_search_with_its_trials(tmp_path: Path) -> None:
    scraping = Scraping()
    with pytest.raises(KeyboardInterrupt):
        nas.search(
            "tiny", evaluator=slow, strategy="random", budget="1000trials", workers=1, dashboard=False, out=tmp_path / "run",
            observer=scraping,
        )  # fmt: skip
    text = scraping.text
    budget = series(text, "nas_budget")
    assert [(labels["study"], labels["limit"], value) for labels, value in budget] == [("run", "trials", 1000.0)]
    states = {labels["state"]: value for labels, value in series(text, "nas_trials")}
    assert states["complete"] >= 1
    assert states["failed"] == 0
    trials = series(text, "nas_trial_value")
    assert trials
    for labels, value in trials:
        digest = scraping.digests[labels["trial"]]
        assert digest.startswith(labels["digest"])
        assert value == pytest.approx(int(digest[:4], 16) / 65536)
    (best,) = series(text, "nas_best_value")
    assert best[1] >= max(value for _, value in trials) - 1e-9
    asked = {name for name in SERIES if f"ray_{name}" in text or f"\n{name}" in text}
    assert {"nas_budget", "nas_budget_used", "nas_budget_left", "nas_trials", "nas_workers", "nas_device_seconds"} <= asked
