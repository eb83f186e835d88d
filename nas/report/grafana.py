"""A Grafana dashboard of the series that `nas.engine.ray_metrics` publishes: made from a table, printed as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
OF = '{study=~"$study"}'
BUCKETS = f"ray_nas_trial_device_seconds_bucket{OF}"
WIDTH = 24  # of a Grafana page, in its own units


@dataclass(frozen=True)
class Panel:
    """A picture: its title, kind, width and unit as Grafana calls them, and (expression, legend) of each curve."""

    title: str
    kind: str
    width: int
    unit: str
    curves: tuple[tuple[str, str], ...]


PANELS = (
    Panel("Budget used", "gauge", 6, "percentunit", ((f"ray_nas_budget_used{OF} / ray_nas_budget{OF}", "{{study}} {{limit}}"),)),
    Panel("Best value", "stat", 6, "none", ((f"ray_nas_best_value{OF}", "{{study}} {{objective}}"),)),
    Panel("Time left, estimated", "stat", 6, "s", ((f"ray_nas_seconds_left{OF}", "{{study}}"),)),
    Panel("Device time used", "stat", 6, "s", ((f"ray_nas_device_seconds{OF}", "{{study}}"),)),
    Panel("Best value over time", "timeseries", 12, "none", ((f"ray_nas_best_value{OF}", "{{study}} {{objective}}"),)),
    Panel("Values of trials", "timeseries", 12, "none", ((f"ray_nas_trial_value{OF}", "{{trial}} {{digest}}"),)),
    Panel("Trials", "timeseries", 12, "none", ((f"ray_nas_trials{OF}", "{{study}} {{state}}"),)),
    Panel(
        "Workers", "timeseries", 12, "none",
        (
            (f"ray_nas_workers{OF}", "{{study}} up"),
            (f"ray_nas_workers_lost_total{OF}", "{{study}} died with a trial"),
            (f"ray_nas_workers_retired_total{OF}", "{{study}} given up"),
        ),
    ),
    Panel("Budget left", "timeseries", 12, "none", ((f"ray_nas_budget_left{OF}", "{{study}} {{limit}}"),)),
    Panel(
        "Device time a trial: median and 90%", "timeseries", 12, "s",
        tuple(
            (f"histogram_quantile({part}, sum by (le, study) (rate({BUCKETS}[10m])))", f"{{{{study}}}} {part}")
            for part in (0.5, 0.9)
        ),
    ),
    Panel("Networks on the front", "timeseries", 12, "none", ((f"ray_nas_front{OF}", "{{study}}"),)),
)  # fmt: skip


def dashboard() -> str:
    """As JSON, to be imported by Grafana 9 or later; it asks for the Prometheus source and the study itself."""
    return json.dumps(_dashboard(), indent=2) + "\n"


def _dashboard() -> dict[str, Any]:
    study = {
        "name": "study", "label": "study", "type": "query", "datasource": SOURCE, "query": "label_values(ray_nas_trials, study)",
        "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "nas-searches", "title": "nas: searches", "tags": ["nas"], "schemaVersion": 36, "version": 1, "editable": True,
        "refresh": "10s", "time": {"from": "now-6h", "to": "now"}, "templating": {"list": [source, study]}, "panels": _panels(),
    }  # fmt: skip


def _panels() -> list[dict[str, Any]]:
    """In rows from the left to the right, as they fit."""
    made: list[dict[str, Any]] = []
    x = y = height = 0
    for number, panel in enumerate(PANELS, start=1):
        if x + panel.width > WIDTH:
            x, y = 0, y + height
        height = 5 if panel.kind in ("gauge", "stat") else 8
        made.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    return made


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for index, (expression, legend) in enumerate(panel.curves)
    ]
    defaults = {"unit": panel.unit, **({"min": 0, "max": 1} if panel.unit == "percentunit" else {})}
    return {
        "id": number, "type": panel.kind, "title": panel.title, "datasource": SOURCE, "gridPos": place, "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []}, "options": {},
    }  # fmt: skip
