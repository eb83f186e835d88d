"""The complexity figure: accuracy against multiply-adds, bubbles as large as the networks have parameters, the Pareto front.

What it shows is decided here, once; `static` draws it with matplotlib, `interactive` with plotly, imported when they draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.errors import NasError
from nas.report.compare import Entry, comparable, front, reached, worth

# Okabe and Ito's hues, then each darker and lighter: neighbours are told apart under the common forms of colour blindness.
HUES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7a00", "#6b4c9a", "#b5123b")
SHADES = (0.0, -0.4, 0.45)
SUFFIXES = (".svg", ".png", ".html")


@dataclass(frozen=True)
class Point:
    """A network in the figure: `value` in percent where it is an accuracy; `hollow` where more than one crop or more data helped."""

    name: str
    group: str
    macs: int
    params: int
    value: float
    front: bool
    hollow: bool
    about: str


@dataclass(frozen=True)
class Figure:
    """Everything the figure shows; `fronts` holds a front for each kind of accuracies that may be held against each other."""

    title: str
    axis: str
    points: tuple[Point, ...]
    fronts: tuple[tuple[Point, ...], ...]
    colours: dict[str, str]
    notes: tuple[str, ...]
    groups: str


def figure(entries: Sequence[Entry], top: int = 1) -> Figure:
    """The figure of the measured networks where there are any, else of the published accuracies: never of both.

    Raises `NasError` where there is nothing to draw.
    """
    measured = any(entry.measured is not None for entry in entries)
    drawn = [e for e in entries if (e.measured is not None or not measured) and reached(e, top) is not None and e.macs > 0]
    if not drawn:
        raise NasError(f"nothing to draw: no published top-{top} accuracy of any of the networks; allowed: --runs for what was measured")
    objectives = sorted({entry.objective for entry in drawn if entry.objective})
    if len(objectives) > 1:
        raise NasError(f"the runs measured different things: {', '.join(objectives)}; allowed: --plot of runs of one objective")
    made = {id(entry): _point(entry, top) for entry in drawn}
    kinds: dict[tuple[str | None, ...], list[Entry]] = {}
    for entry in drawn:
        kinds.setdefault(comparable(entry), []).append(entry)
    fronts = [front(kind, lambda entry: (entry.macs, worth(entry, top))) for kind in kinds.values()]
    points = tuple(sorted(made.values(), key=lambda point: (point.group, point.name)))
    return Figure(
        title=_title(measured, top, len(points)),
        axis=_axis(objectives[0] if objectives else None, top),
        points=points,
        fronts=tuple(tuple(made[id(entry)] for entry in line) for line in fronts),
        colours=colours(sorted({point.group for point in points})),
        notes=_notes(entries, drawn, measured, top, len(kinds)),
        groups="run" if measured else "family",
    )


def _title(measured: bool, top: int, count: int) -> str:
    what = "Measured here, not published: accuracy" if measured else f"Published ImageNet top-{top} accuracy"
    return f"{what} against multiply-adds: {count} network{'' if count == 1 else 's'}"


def _axis(objective: str | None, top: int) -> str:
    if objective is None:
        return f"ImageNet top-{top} accuracy, published (%)"
    return f"measured {objective.replace('_', ' ')}{' (%)' if _is_fraction(objective) else ''}"


def _is_fraction(objective: str | None) -> bool:
    return objective is None or objective.endswith("accuracy")


def _point(entry: Entry, top: int) -> Point:
    value = (reached(entry, top) or 0.0) * (100 if _is_fraction(entry.objective) else 1)
    if entry.measured is None:
        group, about = entry.family, f"{entry.source}{f', {entry.extra}' if entry.extra and entry.extra not in str(entry.source) else ''}"
    else:
        about = f"{entry.dataset}, {entry.fidelity}"
        group = f"{entry.run}: {about.removesuffix(', cut off')}"
    about += f", {'x'.join(map(str, entry.input))}"
    return Point(entry.name, group, entry.macs, entry.params, value, entry.front, entry.extra is not None, about)


def _notes(entries: Sequence[Entry], drawn: Sequence[Entry], measured: bool, top: int, kinds: int) -> tuple[str, ...]:
    left = len(entries) - len(drawn)
    are = f"{left} network{' is' if left == 1 else 's are'} left out:"
    if not measured:
        notes = ["Each network with its best published weights, at the input they were judged at; training recipes differ."]
        if any(entry.extra for entry in drawn):
            notes.append("Hollow: more training images than ImageNet-1k's, or ten crops of an image at the cost of one.")
        return (*notes, f"{are} no top-{top} accuracy published.") if left else tuple(notes)
    notes = ["MACs and parameters are those of the whole network, the measured value that of the short training that the legend names."]
    if kinds > 1:
        notes.append("Data sets or fidelities differ between runs: values are comparable, and fronts drawn, only where both agree.")
    return (*notes, f"{are} not measured in these runs; published accuracy is not shown here.") if left else tuple(notes)


def colours(groups: Sequence[str]) -> dict[str, str]:
    """A colour for each group, the most different first."""
    paints = [_shade(hue, shade) for shade in SHADES for hue in HUES]
    return {group: paints[i % len(paints)] for i, group in enumerate(groups)}


def _shade(colour: str, amount: float) -> str:
    """Towards black below zero, towards white above."""
    end = 255 if amount > 0 else 0
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (end - c) * abs(amount)):02x}" for c in channels)


def front_colour(figure: Figure, line: Sequence[Point], otherwise: str) -> str:
    """Of several fronts each has the colour of its group, if it is of one."""
    groups = {point.group for point in line}
    return figure.colours[line[0].group] if len(figure.fronts) > 1 and len(groups) == 1 else otherwise


def sizes(points: Sequence[Point]) -> list[int]:
    """Three round numbers of parameters for the legend, the largest close to the largest network's."""
    most = max(point.params for point in points)
    exponent = 10 ** (len(str(most)) - 1)
    largest = max(step * exponent for step in (1, 2, 5) if step * exponent <= most) if most else 1
    return [size for size in (largest, largest // 5, largest // 50) if size > 0]


def check_suffix(path: Path) -> None:
    """Raise `NasError` unless the file's suffix names a form that can be drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise NasError(f"--plot={str(path)!r}; allowed: a file that ends in {', '.join(SUFFIXES)}")


def draw(figure: Figure, suffix: str) -> bytes:
    """The picture as the bytes of a file of that suffix; the same figure gives the same bytes."""
    if suffix.lower() == ".html":
        from nas.report.interactive import html

        return html(figure).encode()
    from nas.report.static import picture

    return picture(figure, suffix.lower()[1:])
