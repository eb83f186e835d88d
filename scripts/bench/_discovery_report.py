"""The table, the figure and the verdict of discovery.py."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from nas.files import write_durably
from nas.report.honest import difference_text, interval_text, verdict
from nas.report.static import GRID, INK, MUTED, STYLE
from nas.study import Study
from nas.study.confirmation import Comparison
from nas.study.interval import difference, t_interval
from nas.units import format_count, format_seconds

COLOURS = {"search": "#d55e00", "control": "#0072b2", "hand-designed": "#555d67"}
CALLED = {"search": "found by the search", "control": "found by random search", "hand-designed": "hand-designed"}
Row = dict[str, Any]
Line = tuple[list[float], list[float]]


def write_report(
    folder: Path, options: dict[str, Any], study: Study, rows: list[Row], chosen: dict[str, Any], note: Callable[[str], None]
) -> None:
    """Write report.md, report.csv, report.json, figure.svg and figure.png, and say what they say."""
    rows = [{**row, "mean": fmean(row["test"]) if row["test"] else None, "interval": t_interval(row["test"])} for row in rows]
    rows.sort(key=lambda row: -1.0 if row["mean"] is None else row["mean"], reverse=True)
    costs = cost_of(study, rows, chosen)
    said = verdicts(rows)
    text = "\n".join([*table(rows, options), "", *cost_lines(costs), "", *said]) + "\n"
    curves = {name: curve(run) for name, run in (("search", study), ("control", study.control)) if run is not None}
    content = {"options": options, "networks": rows, "costs": costs, "verdicts": said, "curves": curves}
    files = {
        "report.md": text.encode(),
        "report.csv": as_csv(rows).encode(),
        "report.json": (json.dumps(content, indent=2) + "\n").encode(),
    }
    if importlib.util.find_spec("matplotlib"):
        files |= {f"figure.{form}": picture(rows, curves, options, form) for form in ("svg", "png")}
    for name, data in files.items():
        write_durably(folder / name, data)
    note(f"{text}\nwrote {', '.join(files)} in {folder}")
    if "figure.svg" not in files:
        note("there is no matplotlib here, so no figure: the same call draws it where there is")


# ---- the table -----------------------------------------------------------------------------------------------------


def table(rows: list[Row], options: dict[str, Any]) -> list[str]:
    """A row a network in Markdown, the best mean first."""
    found = next((row for row in rows if row["kind"] == "search"), None)
    epochs = rows[0]["epochs"] if rows else 0
    lines = [
        f"{options['dataset'].rpartition('/')[2]}: every network at {options['params']} parameters, {epochs} epochs, "
        f"{options['seeds']} seeds; search and control {options['budget']} each in {options['space']}, strategy {options['strategy']}",
        "",
        "| network | parameters | to the target | MACs | test accuracy | 95% interval | seeds | the found one less it | a training |",
        "|---|--:|--:|--:|--:|---|---|---|--:|",
    ]
    for row in rows:
        name = row["name"] if row["kind"] == "hand-designed" else f"**{CALLED[row['kind']]}** ({row['source']})"
        seeds = " ".join(f"{100 * value:.2f}" for value in row["test"]) + (f" ({row['failed']} failed)" if row["failed"] else "")
        mean = "-" if row["mean"] is None else f"{100 * row['mean']:.2f}%"
        each = f"{fmean(row['seconds']):.0f} s" if row["seconds"] else "-"
        lines.append(
            f"| {name} | {row['params']:,} | {100 * row['difference']:+.2f}% | {format_count(row['macs'])} | {mean} | "
            f"{interval_text('accuracy', row['interval'])} | {seeds} | {gap(found, row)} | {each} |"
        )
    return lines


def gap(found: Row | None, row: Row) -> str:
    """By how much the found network is better, with its interval."""
    if found is None or row is found or not found["test"] or not row["test"]:
        return "-"
    made, interval = difference(found["test"], row["test"])
    text = difference_text("accuracy", made)
    return text if interval is None else f"{text} ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"


def as_csv(rows: list[Row]) -> str:
    """A line a network."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name", "kind", "source", "params", "difference", "macs", "epochs", "mean", "low", "high", "tests", "device_seconds"])
    for row in rows:
        low, high = row["interval"] or ("", "")
        writer.writerow([
            row["name"], row["kind"], row["source"], row["params"], row["difference"], row["macs"], row["epochs"], row["mean"], low, high,
            " ".join(map(str, row["test"])), sum(row["seconds"]),
        ])  # fmt: skip
    return out.getvalue()


# ---- what it cost, and what can be said -------------------------------------------------------------------------------


def cost_of(study: Study, rows: list[Row], chosen: dict[str, Any]) -> dict[str, Any]:
    """Device-seconds of everything, and the candidates that were seen."""
    costs: dict[str, Any] = {}
    for name, run in (("search", study), ("control", study.control)):
        if run is not None:
            ledger = run.ledger()
            costs[name] = {"device_seconds": ledger.device_seconds, "candidates": ledger.finished, "failed": ledger.failed}
    costs["confirmation"] = {"device_seconds": chosen["seconds"], "trainings": chosen["trainings"]}
    seconds = [each for row in rows for each in row["seconds"]]
    costs["training"] = {"device_seconds": sum(seconds), "trainings": len(seconds)}
    costs["total"] = {"device_seconds": sum(each["device_seconds"] for each in costs.values())}
    return costs


def cost_lines(costs: dict[str, Any]) -> list[str]:
    """A sentence a stage."""
    lines = []
    for name, cost in costs.items():
        what = ""
        if "candidates" in cost:
            what = f", {cost['candidates']} candidates" + (f" and {cost['failed']} that failed" if cost["failed"] else "")
        elif "trainings" in cost:
            what = f", {cost['trainings']} trainings"
        lines.append(f"* {name}: {format_seconds(cost['device_seconds'])} of device time{what}")
    return lines


def verdicts(rows: list[Row]) -> list[str]:
    """What can be said of the found network: against the best of the hand-designed ones, and against random search."""
    best = {kind: next((row for row in rows if row["kind"] == kind and row["test"]), None) for kind in COLOURS}
    if best["search"] is None:
        return ["The search's network could not be trained: nothing was found."]
    said = []
    if (theirs := best["hand-designed"]) is not None:
        line = _verdict(best["search"], theirs, theirs["name"], f"found less {theirs['name']}")
        said.append(f"{line}. It is the best of the hand-designed ones by these very tests, which flatters it.")
    if (theirs := best["control"]) is not None:
        said.append(_verdict(best["search"], theirs, "random search under the same budget", "found less random search's") + ".")
    return said


def _verdict(ours: Row, theirs: Row, name: str, label: str) -> str:
    made, interval = difference(ours["test"], theirs["test"])
    comparison = Comparison(made, interval, True, ours["digest"] == theirs["digest"])
    text = verdict(comparison, "accuracy", "the found network", name, label)
    return text[0].upper() + text[1:]


# ---- the figure ----------------------------------------------------------------------------------------------------


def curve(run: Study) -> Line:
    """The best validation accuracy so far by device-seconds, of the candidates that were looked at most closely."""
    trials = run.history()
    closest = max((trial.fraction for trial in trials if trial.judged), default=1.0)
    seconds, best = 0.0, None
    x: list[float] = []
    y: list[float] = []
    for trial in trials:
        seconds += trial.device_seconds
        if trial.judged and trial.fraction == closest and trial.value is not None:
            best = trial.value if best is None else max(best, trial.value)
        if best is not None:
            x.append(seconds)
            y.append(best)
    return x, y


def picture(rows: list[Row], curves: dict[str, Line], options: dict[str, Any], form: str) -> bytes:
    """Accuracy of every network with its interval beside what search and control had found when."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=(11.0, 4.4), facecolor="white", layout="constrained")
        FigureCanvasAgg(made)
        networks, searches = made.subplots(1, 2, width_ratios=(3, 2))
        _networks(networks, [row for row in rows if row["mean"] is not None], options)
        for name, (x, y) in curves.items():
            searches.step(x, [100 * each for each in y], where="post", color=COLOURS[name], linewidth=1.6, label=name)
        searches.set_xlabel("device-seconds of search")
        searches.set_ylabel("best validation accuracy so far (%)")
        searches.legend(frameon=False, loc="lower right")
        for axes in (networks, searches):
            axes.grid(True, color=GRID, linewidth=0.7)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        none: Any = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        made.savefig(out, format=form, dpi=120, metadata=none)
    return out.getvalue()


def _networks(axes: Any, rows: list[Row], options: dict[str, Any]) -> None:
    for place, row in enumerate(reversed(rows)):
        colour, mean = COLOURS[row["kind"]], 100 * row["mean"]
        if row["interval"] is not None:
            low, high = (100 * min(max(end, 0.0), 1.0) for end in row["interval"])
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axes.plot([100 * value for value in row["test"]], [place] * len(row["test"]), "o", color=colour, markersize=3, alpha=0.5)
        axes.plot([mean], [place], "D", color=colour, markersize=6)
    names = [row["name"] if row["kind"] == "hand-designed" else CALLED[row["kind"]] for row in reversed(rows)]
    axes.set_yticks(range(len(rows)), names, color=INK)
    axes.set_xlabel(f"test accuracy (%): each seed, mean and its 95% interval; all at {options['params']} parameters", color=MUTED)
