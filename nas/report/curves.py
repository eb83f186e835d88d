"""The figure of a benchmark: what strategies found, and their regret, by evaluations and by simulated seconds.

Drawn by matplotlib (svg, png) or plotly (html), imported when they draw; the same report gives the same bytes.
"""

from __future__ import annotations

import html as escape
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import NasError
from nas.report.bench import heading
from nas.report.figure import colours

if TYPE_CHECKING:
    from nas.bench import Report

WIDTH, HEIGHT = 11.0, 7.8  # inches
LEAST = 1e-3  # regret below this is drawn as this: its axis is logarithmic
POINTS = 60  # of a line
AXES = ("evaluations", "simulated seconds")


@dataclass(frozen=True)
class Line:
    """A strategy in one panel; `error` is the standard error of the mean, none where seeds are other problems."""

    name: str
    x: list[float]
    y: list[float]
    error: list[float]


def panels(report: Report) -> list[list[list[Line]]]:
    """Rows (what was found, regret) of columns (by evaluations, by seconds) of lines."""
    root, report = report.settings["seeds"] ** 0.5, report.finer(POINTS)
    rows: list[list[list[Line]]] = [[[], []], [[], []]]
    for result in report.results:
        for column, curve in enumerate((result.evaluations, result.seconds)):
            x = sorted(curve.mean)
            error = [curve.std[mark] / root for mark in x]
            rows[0][column].append(Line(result.strategy, x, [curve.mean[mark] for mark in x], error))
            spread = [0.0] * len(x) if report.settings["toy"] else error
            rows[1][column].append(Line(result.strategy, x, [max(LEAST, curve.regret[mark]) for mark in x], spread))
    if not any(line.x for line in rows[0][0] + rows[0][1]):
        raise NasError("nothing to draw: no strategy came to a mark in every run; allowed: smaller --marks")
    return rows


def draw(report: Report, suffix: str) -> bytes:
    """The picture as the bytes of a file of that suffix: .svg, .png or .html. Raises `NasError` where there is nothing."""
    rows, colour = panels(report), colours([result.strategy for result in report.results])
    worth = "true worth (x 100)" if report.settings["toy"] else "test accuracy of the best by the signal (%)"
    names = (worth, "regret")
    if suffix.lower() == ".html":
        return _html(heading(report), rows, colour, names).encode()
    return _picture(heading(report), rows, colour, names, suffix.lower()[1:])


def _picture(title: str, rows: list[list[list[Line]]], colour: dict[str, str], names: tuple[str, str], form: str) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from nas.report.static import GRID, STYLE

    out = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=(WIDTH, HEIGHT), facecolor="white", layout="constrained")
        FigureCanvasAgg(made)
        made.suptitle(title, x=0.01, ha="left", fontweight="bold")
        panes = made.subplots(2, 2, sharex="col", squeeze=False)
        for row, columns in enumerate(rows):
            for column, lines in enumerate(columns):
                _pane(panes[row][column], lines, colour)
                panes[row][column].grid(True, color=GRID, linewidth=0.7)
            panes[row][0].set_ylabel(names[row])
        for pane, label in zip(panes[1], AXES, strict=True):
            pane.set_yscale("log")
            pane.set_ylim(bottom=0.5 * min((min(line.y) for lines in rows[1] for line in lines if line.y), default=LEAST))
            pane.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            pane.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            pane.yaxis.set_minor_formatter(NullFormatter())
            pane.set_xlabel(label)
        panes[0][1].legend(frameon=False, loc="lower right")
        none: Any = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        made.savefig(out, format=form, dpi=160, metadata=none)
    return out.getvalue()


def _pane(axes: Any, lines: list[Line], colour: dict[str, str]) -> None:
    """Lines with a band of a standard error either way."""
    for line in lines:
        paint = colour[line.name]
        axes.plot(line.x, line.y, color=paint, linewidth=1.4, label=line.name)
        low = [max(LEAST / 2, y - e) for y, e in zip(line.y, line.error, strict=True)]
        axes.fill_between(line.x, low, [y + e for y, e in zip(line.y, line.error, strict=True)], color=paint, alpha=0.15, linewidth=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def _html(title: str, rows: list[list[list[Line]]], colour: dict[str, str], names: tuple[str, str]) -> str:
    from plotly.subplots import make_subplots

    made = make_subplots(2, 2, shared_xaxes=True, horizontal_spacing=0.08, vertical_spacing=0.06)
    for row, columns in enumerate(rows):
        for column, lines in enumerate(columns):
            for line in lines:
                made.add_trace(
                    {
                        "type": "scatter", "mode": "lines", "name": escape.escape(line.name), "legendgroup": line.name,
                        "showlegend": row == column == 0, "x": line.x, "y": line.y, "error_y": {"array": line.error, "thickness": 0.8},
                        "line": {"color": colour[line.name]},
                    },
                    row + 1, column + 1,
                )  # fmt: skip
        made.update_yaxes(title_text=names[row], row=row + 1, col=1)
        made.update_yaxes(type="log" if row else "linear", row=row + 1)
    for column, label in enumerate(AXES):
        made.update_xaxes(title_text=label, row=2, col=column + 1)
    made.update_layout(title=f"<b>{escape.escape(title)}</b>", template="plotly_white", height=820)
    page: str = made.to_html(include_plotlyjs=True, include_mathjax=False, div_id="nas-bench", config={"displaylogo": False})
    return page.replace("<head>", f"<head><title>{escape.escape(title)}</title>", 1)
