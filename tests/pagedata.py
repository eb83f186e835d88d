"""Data of a page as a search would have left it, made up: any number of trials of any registered space, by a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nas
from nas import spaces
from nas.arch import Architecture
from nas.draw import svg
from nas.report.page.columns import encoded
from nas.report.page.decisions import families, operations, space_data
from nas.spaces.space import Space

ASSETS = Path(nas.__file__).parent / "report" / "page" / "assets"
ACCURACY = {"name": "accuracy", "label": "accuracy", "maximise": True, "unit": "%", "fraction": True}
SIZE = {"name": "params", "label": "parameters", "maximise": False, "unit": "count", "fraction": False}
HINTS = {
    "control": "nas resume runs/x --control",
    "baselines": "nas resume runs/x --baselines resnet20",
    "confirm": "nas resume runs/x --confirm 3x3",
    "importance": "not known: 3 comparable trials are too few; allowed: 20 or more",
    "latency": "nas search --objectives accuracy,latency_ms",
}


class Made:
    """A search that never was: each candidate is a sample or a child of a good one, its value a sum over its decisions."""

    def __init__(self, name: str, trials: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.space = spaces.load(name)
        choices = self.space.choices
        self.places = {key: {(type(option), option): i + 1 for i, option in enumerate(options)} for key, options in choices.items()}
        self.worth = {(key, option): self.rng.gauss(0, 1) for key, options in choices.items() for option in options}
        self.rows: list[dict[str, Any]] = []
        for number in range(trials):
            self.rows.append(self.trial(number))

    def trial(self, number: int) -> dict[str, Any]:
        """The next trial."""
        good = [row for row in self.rows if counts(row)]
        child = len(good) > 8 and self.rng.random() < 0.85
        parent = max(self.rng.sample(good, 5), key=lambda row: row["value"]) if child else None
        decisions = self.space.mutate(parent["made"], self.rng) if parent else self.space.sample(self.rng)
        score = sum(self.worth[key, option] for key, option in decisions.items()) / math.sqrt(len(decisions))
        value = round(1 / (1 + math.exp(-1.5 - score - self.rng.gauss(0, 0.2))), 4)
        params = int(2e6 * math.exp(0.5 * self.rng.gauss(0, 1) + 0.3 * score))
        fate = self.rng.random()
        return {
            "number": number, "made": decisions, "decisions": encoded(decisions, self.places), "state": "C", "value": value,
            "params": params, "macs": params * self.rng.randint(20, 60), "seconds": 20 + 20 * self.rng.random(), "stopped": None,
            "parent": parent["number"] if parent else None, "how": "mutation" if parent else "sample",
            "reason": None, "kind": None, "curve": curve(value, 12), **(failed(number, value) if fate < 0.04 else {}),
            **({"stopped": 4, "curve": curve(value, 4)} if 0.04 <= fate < 0.14 else {}),
        }  # fmt: skip


def counts(row: Mapping[str, Any]) -> bool:
    """Whether a trial may be compared with others."""
    return row["state"] == "C" and row["stopped"] is None


def curve(value: float, epochs: int) -> list[list[float]]:
    """Of twelve epochs the first."""
    return [list(range(1, epochs + 1)), [round(value * (1 - math.exp(-(epoch + 1) / 3)), 4) for epoch in range(epochs)]]


def failed(number: int, value: float) -> dict[str, Any]:
    """What a trial has that went wrong, in one of two ways."""
    kind, reason = ("out of memory", f"OutOfMemory: trial {number}\nat worker 1") if number % 2 else ("not finite", "loss is not finite")
    return {"state": "F", "value": None, "kind": kind, "reason": reason, "curve": curve(value, 2)}


def page_data(name: str = "nasnet-cell", trials: int = 60, *, seed: int = 0, goals: int = 1, **changes: Any) -> dict[str, Any]:
    """Data of format 1 of such a search; `changes` replace whole entries."""
    made = Made(name, trials, seed)
    rows, strings = timed(made.rows), Strings()
    good = [row for row in rows if counts(row)]
    best = max(good, key=lambda row: row["value"], default=None)
    clock = rows[-1]["clock"] if rows else 0.0
    command = f"nas search --space {name} --budget 1h --seed {seed}"
    return {
        "format": 1, "name": f"{name}-run", "title": f"nas search: {name}-run", "made": "2026-11-30T22:40:00+00:00", "nas": "0.1.0",
        "state": "ended", "why": "the budget is spent", "summary": [["trials", f"{len(rows)} finished"], ["budget", "1h of wall time"]],
        "verdict": None, "notes": [], "goals": [ACCURACY, SIZE][:goals], "proxy": "12 epochs", "space": space_data(made.space),
        "families": families(), "operations": operations(made.space), "trials": columns(rows, strings, goals), "strings": strings.texts,
        "best": best["number"] if best else None, "front": front(good) if goals > 1 else None, "comparable": 1,
        "winner": winner(made, best), "control": control(rows, random.Random(seed)), "confirmed": None, "baselines": baselines(),
        "importance": importance(made, goals), "ledger": ledger(rows, clock), "settings": [["strategy", "evolution"], ["seed", str(seed)]],
        "versions": [["nas", "0.1.0"], ["torch", "2.13.0"]], "command": command,
        "run_yaml": f"space: {name}\n", "hints": HINTS, "live": None, **changes,
    }  # fmt: skip


def timed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each trial with its place in the order of completion and its times, on two devices."""
    clock = began = 0.0
    for order, row in enumerate(rows):
        clock += row["seconds"]
        row.update(order=order, clock=clock, began=began, ended=began + row["seconds"])
        began += row["seconds"] / 2
    return rows


class Strings:
    """Texts to the numbers by which columns refer to them."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def index(self, text: str | None) -> int | None:
        """The number of a text, a new one if need be."""
        if text is None:
            return None
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)


def columns(rows: list[dict[str, Any]], strings: Strings, goals: int) -> dict[str, Any]:
    """Trials as columns."""
    names = ("number", "state", "params", "macs", "seconds", "began", "ended", "clock", "order", "parent", "stopped", "decisions", "curve")
    made: dict[str, Any] = {name: [row[name] for row in rows] for name in names}
    made["values"] = [[row["value"] for row in rows], [row["params"] if row["state"] == "C" else None for row in rows]][:goals]
    for name in ("how", "reason", "kind"):
        made[name] = [strings.index(row[name]) for row in rows]
    none, zero = [None] * len(rows), [0] * len(rows)
    made.update(dict.fromkeys(("latency", "yaml", "notes"), none), **dict.fromkeys(("cut", "phase", "reference"), zero))
    made["where"] = [strings.index(f"cuda:{row['number'] % 2}") for row in rows]
    made["fraction"] = [1] * len(rows)
    made["digest"] = [f"{row['number']:012x}" for row in rows]
    return made


def front(rows: list[dict[str, Any]]) -> list[int]:
    """Those that no other beats in accuracy and parameters."""
    return [a["number"] for a in rows if not any(b["value"] >= a["value"] and b["params"] <= a["params"] and b is not a for b in rows)]


def winner(made: Made, best: dict[str, Any] | None) -> dict[str, Any] | None:
    """The winner as the report has it, its pictures the real ones."""
    if best is None:
        return None
    architecture = made.space.decode(best["made"])
    cost = architecture.cost(aux=False)
    return {
        "trial": best["number"], "yaml": architecture.to_yaml(), "svg": {"light": svg(architecture), "dark": svg(architecture, dark=True)},
        "cost": {"params": cost.params, "macs": cost.macs, "activations": cost.activations},
        "command": "nas train runs/x --dataset cifar10 --out runs/x-full", "from": "best.yaml",
    }  # fmt: skip


def control(rows: list[dict[str, Any]], rng: random.Random) -> dict[str, Any] | None:
    """A random search beside it."""
    if not rows:
        return None
    values = [round(0.55 + 0.25 * rng.random(), 4) for _ in rows]
    times = {name: [row[name] for row in rows] for name in ("clock", "order", "ended", "number")}
    return {"name": "random search", "best": max(values), "trials": {"value": values, **times}, "hint": None}


def baselines() -> list[dict[str, Any]]:
    """Two hand-designed networks."""
    made = [("resnet20", 0.78, 272474, 40813184), ("mobilenet_v2", 0.71, 2236682, 87980928)]
    return [
        {"name": name, "value": value, "values": [value, params], "params": params, "macs": macs, "latency": None, "seconds": 30.0,
         "curve": [[1, 6, 12], [0.3, 0.6, value]]}
        for name, value, params, macs in made
    ]  # fmt: skip


def importance(made: Made, goals: int) -> dict[str, Any] | None:
    """Shares by each goal, the largest first; none of fewer than ten trials."""
    if len(made.rows) < 10:
        return None
    worth = [[made.worth[key, option] for option in options] for key, options in made.space.choices.items()]
    spread = [max(values) - min(values) for values in worth]
    rows = sorted(([i, each / sum(spread)] for i, each in enumerate(spread)), key=lambda row: -row[1])
    each = [{"goal": goal["name"], "rows": rows[number:]} for number, goal in enumerate([ACCURACY, SIZE][:goals])]
    return {**each[0], "goals": each, "method": "PED-ANOVA, by Optuna", "trials": len(made.rows), "note": ""}


def ledger(rows: list[dict[str, Any]], clock: float) -> dict[str, Any]:
    """What the time went to."""
    gone = [row for row in rows if row["state"] == "F"]
    lost = sum(row["seconds"] for row in gone)
    share = lost / clock if clock else 0
    half = [len(rows) // 2, clock / 2, 0.5]
    return {
        "limits": [["wall time", "1h", "58m 12s", "0s", "1m 48s"]],
        "items": [["finished", len(rows) - len(gone), clock - lost, 1 - share], ["failed", len(gone), lost, share]] if rows else [],
        "devices": [["cuda:0", *half], ["cuda:1", *half]],
        "hours": [["2026-11-30T21:00:00+00:00", len(rows), clock]],
        "following": [],
        "lines": ["pace: 60 trials an hour"],
    }


def codes(data: Mapping[str, Any], number: int) -> list[int]:
    """The decisions of a trial of the data: 0 not made, else 1 + the index of the option."""
    text, digits = data["trials"]["decisions"][number], data["space"]["digits"]
    return [int(text[i : i + digits], 36) for i in range(0, len(text), digits)]


def decide(data: Mapping[str, Any], number: int, space: Space) -> Architecture:
    """The architecture of a trial of the data, by Python."""
    return space.decode(space.decode_vector(tuple(codes(data, number))))
