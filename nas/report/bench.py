"""Tables of a benchmark for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from nas.bench import Report
    from nas.bench.report import Curve, Result

SIGNIFICANT = 0.05
SHOWN = 8  # marks of a table; of more, evenly chosen ones and the last


def tables(report: Report) -> Group:
    """Mean, spread and regret by evaluations and by simulated seconds, and what the strategies themselves cost."""
    parts: list[RenderableType] = [Text(heading(report))]
    for title, curves in (
        ("evaluations", [result.evaluations for result in report.results]),
        ("simulated seconds", [result.seconds for result in report.results]),
    ):
        if any(curve.mean for curve in curves):
            parts += [Text(""), _table(report, title, curves)]
    parts += [Text(""), _ends(report), Text(notes(report))]
    return Group(*parts)


def heading(report: Report) -> str:
    """What was measured on what."""
    s = report.settings
    what = f"toy function {s['toy']}" if s["toy"] else f"table {Path(s['table']).name}"
    length = ", ".join(f"{s[name]:,g} {text}" for name, text in (("trials", "evaluations"), ("seconds", "simulated seconds")) if s[name])
    return f"{s['space']}, {what}: {s['seeds']} seeds of {length} each"


def notes(report: Report) -> str:
    """How to read the tables."""
    first = report.results[0].strategy
    worth = "true worth x 100" if report.settings["toy"] else "test accuracy in percent"
    optimum = "the best there is" if report.settings["optimum"] == "known" else "the best that any run found"
    text = f"mean ± standard deviation over seeds of the {worth} of the best so far by the signal (ties: their mean)\n"
    text += f"regret: mean distance to {optimum}; ask + tell: CPU time of the strategy itself"
    if len(report.results) > 1:
        text += f"\n+ or -: better or worse than {first}, p < {SIGNIFICANT} (paired Wilcoxon over seeds, two-sided, Holm-corrected)"
    return text


def _table(report: Report, title: str, curves: list[Curve]) -> Table:
    table = Table(box=None)
    marks = _some(sorted({mark for curve in curves for mark in curve.mean}))
    table.add_column(title, no_wrap=True)
    for mark in marks:
        table.add_column(f"{mark:,.0f}", justify="right", no_wrap=True)
    for result, curve in zip(report.results, curves, strict=True):
        table.add_row(Text(result.strategy), *(value(curve, mark) for mark in marks))
    return table


def _some(marks: list[float]) -> list[float]:
    step = -(-len(marks) // SHOWN) if marks else 1
    return [mark for index, mark in enumerate(marks) if (len(marks) - 1 - index) % step == 0]


def value(curve: Curve, mark: float) -> str:
    """`93.71 ± 0.36 -`; a dash where not every run came to the mark."""
    if mark not in curve.mean:
        return "-"
    return f"{curve.mean[mark]:.2f} ± {curve.std[mark]:.2f}{_sign(curve, mark)}"


def _sign(curve: Curve, mark: float) -> str:
    if curve.p.get(mark, 1.0) >= SIGNIFICANT:
        return "  "
    return " +" if curve.difference[mark] > 0 else " -"


def _ends(report: Report) -> Table:
    table = Table(box=None)
    table.add_column("at the end", no_wrap=True)
    for name in ("evaluations", "mean", "regret", "p", "ask + tell"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in report.results:
        table.add_row(Text(result.strategy), *_end(result))
    return table


def _end(result: Result) -> Iterator[str]:
    for mark in result.end.mean:
        yield f"{mark:,.4g}" if mark != int(mark) else f"{mark:,.0f}"
        yield value(result.end, mark)
        yield f"{result.end.regret[mark]:.3f}"
        yield f"{result.end.p[mark]:.2g}" if mark in result.end.p else ""
        break
    else:
        yield from ("-", "-", "-", "")
    yield cost_text(result.cost)


def cost_text(seconds: float) -> str:
    """`27 µs`, `4.1 ms`, `1.2 s`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e6:.0f} µs"
