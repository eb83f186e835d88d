"""The complexity figure as one HTML file that needs no network, drawn by plotly: hover for names, sources and counts."""

from __future__ import annotations

import html as escape
from typing import Any

from nas.report.figure import Figure, Point, front_colour
from nas.units import format_count

LARGEST = 52  # diameter of the largest bubble in pixels
INK, MUTED, GRID = "#16191d", "#555d67", "#e3e6ea"
HOVER = "<b>%{text}</b><br>%{y:.4g}, %{customdata[0]} MACs, %{customdata[1]} parameters<br>%{customdata[2]}<extra></extra>"


def html(figure: Figure) -> str:
    """The page; plotly's script stands in it. The same figure gives the same page."""
    import plotly.graph_objects as graph

    made = graph.Figure([*_fronts(figure), *_groups(figure)], _layout(figure))
    page: str = made.to_html(include_plotlyjs=True, include_mathjax=False, div_id="nas-compare", config={"displaylogo": False})
    return page.replace("<head>", f"<head><title>{escape.escape(figure.title)}</title>", 1)


def _fronts(figure: Figure) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter", "mode": "lines", "name": "Pareto front", "legendgroup": "front", "showlegend": i == 0, "hoverinfo": "skip",
            "x": [p.macs for p in line], "y": [p.value for p in line],
            "line": {"color": front_colour(figure, line, MUTED), "width": 1.5, "dash": "dash", "shape": "hv"},
        }
        for i, line in enumerate(figure.fronts)
    ]  # fmt: skip


def _groups(figure: Figure) -> list[dict[str, Any]]:
    """A trace a group, so that a click on the legend hides it."""
    most = max(point.params for point in figure.points)
    traces = []
    for group, colour in figure.colours.items():
        points = sorted((p for p in figure.points if p.group == group), key=lambda p: (-p.params, p.name))
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": _safe(group), "hovertemplate": HOVER,
                "x": [p.macs for p in points], "y": [p.value for p in points], "text": [_safe(p.name) for p in points],
                "customdata": [[format_count(p.macs), f"{p.params:,}", _safe(p.about)] for p in points],
                "marker": _marker(points, colour, most),
            }
        )  # fmt: skip
    return traces


def _marker(points: list[Point], colour: str, most: int) -> dict[str, Any]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "size": [p.params for p in points], "sizemode": "area", "sizeref": max(most, 1) / LARGEST**2, "opacity": 1,
        "color": [f"rgba({red},{green},{blue},{0.0 if p.hollow else 0.5})" for p in points],
        "line": {"color": colour, "width": [2.2 if p.front else 1 for p in points]},
    }  # fmt: skip


def _layout(figure: Figure) -> dict[str, Any]:
    from math import log10

    names = [
        {"x": log10(p.macs), "y": p.value, "text": f"<b>{_safe(p.name)}</b>", "showarrow": True, "arrowwidth": 0.6, "arrowhead": 0,
         "ax": -28, "ay": -22, "font": {"size": 10, "color": INK}}
        for line in figure.fronts for p in line
    ]  # fmt: skip
    note = {
        "text": "<br>".join([*map(_safe, figure.notes), "Bubble area: parameters. Drag to zoom, double-click to see all again."]),
        "xref": "paper", "yref": "paper", "x": 0, "y": -0.1, "xanchor": "left", "yanchor": "top", "align": "left", "showarrow": False,
        "font": {"size": 11, "color": MUTED},
    }  # fmt: skip
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "ticks": "outside"}
    return {
        "title": {"text": f"<b>{_safe(figure.title)}</b>", "font": {"size": 17, "color": INK}},
        "xaxis": {**axis, "type": "log", "dtick": "D2", "exponentformat": "SI", "title": {"text": "multiply-adds for one image"}},
        "yaxis": {**axis, "title": {"text": figure.axis}},
        "annotations": [*names, note],
        "legend": {"title": {"text": figure.groups}, "itemsizing": "constant"},
        "plot_bgcolor": "white", "paper_bgcolor": "white", "margin": {"b": 130, "t": 60}, "hovermode": "closest", "height": 760,
    }  # fmt: skip


def _safe(text: str) -> str:
    """A name shows as it is written: plotly reads some tags."""
    return escape.escape(text, quote=False)
