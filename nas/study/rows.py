"""The record of all trials as plain rows: for a table (CSV) and for programs (JSON lines). No pandas, no Optuna."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from nas.study.trial import Trial

CSV_FIELDS = (
    "number", "state", "value", "fraction", "device_seconds", "digest", "how", "parent", "phase", "worker", "seed", "lost", "cut",
    "stopped", "reason",
)  # fmt: skip
SPREAD = ("metrics", "decisions")  # a column each of what they hold


def row(trial: Trial) -> dict[str, Any]:
    """All that the record holds of a trial, as plain data."""
    return {field.name: getattr(trial, field.name) for field in fields(trial)}


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """A line a trial, an object each."""
    return "".join(json.dumps(each, ensure_ascii=False, default=str) + "\n" for each in rows)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with a head line: the fields of a trial that are one value, then `metrics.*` and `decisions.*`."""
    rows = list(rows)
    spread = [(name, key) for name in SPREAD for key in dict.fromkeys(key for each in rows for key in each[name])]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_FIELDS, *(f"{name}.{key}" for name, key in spread)])
    for each in rows:
        writer.writerow([*(each[name] for name in CSV_FIELDS), *(each[name].get(key) for name, key in spread)])
    return out.getvalue()
