"""How networks and tables show themselves in a notebook: HTML without a script, light or dark as its surroundings are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice

from nas.arch import Architecture
from nas.cost import Cost
from nas.draw.render import svg
from nas.draw.text import clean
from nas.ensembles import Ensemble, EnsembleCost
from nas.errors import NasError
from nas.units import format_count

# Two pictures, of which one is seen. JupyterLab and VS Code say which theme they have; elsewhere the browser's setting counts,
# and where styles are taken away the light one is left.
LIGHT = ".nas-picture .nas-light{display:block!important}", ".nas-picture .nas-dark{display:none!important}"
DARK = ".nas-picture .nas-light{display:none!important}", ".nas-picture .nas-dark{display:block!important}"
STYLE = "".join([
    "<style>.nas-picture svg{max-width:100%;height:auto}", "@media (prefers-color-scheme:dark){", *DARK, "}",
    *(f"{where} {rule}" for where in ('[data-jp-theme-light="true"]', ".vscode-light") for rule in LIGHT),
    *(f"{where} {rule}" for where in ('[data-jp-theme-light="false"]', ".vscode-dark") for rule in DARK), "</style>",
])  # fmt: skip
# Nothing in it is a formula, whatever stands between dollars.
PLAIN = "tex2jax_ignore mathjax_ignore"
MAX_TEXT, MAX_ROWS, MAX_PICTURES = 8_000, 60, 4


def network(architecture: Architecture) -> str:
    """The picture of a network; the network as YAML and why there is no picture, where its shapes do not fit."""
    try:
        light, dark = svg(architecture), svg(architecture, dark=True)
    except NasError as error:
        return _as_text(architecture.name, f"cannot be drawn: {error}", architecture.to_yaml())
    both = f'<div class="nas-light">{light}</div><div class="nas-dark" style="display:none">{dark}</div>'
    return f'<div class="nas-picture {PLAIN}">{STYLE}{both}</div>'


def picture_of(architecture: Architecture) -> str | None:
    """The picture as SVG; None where there is none, by which a notebook shows the next best."""
    try:
        return svg(architecture)
    except NasError:
        return None


def ensemble(together: Ensemble) -> str:
    """What each member costs, and the pictures of the first of them to unfold."""
    try:
        cost = together.cost(aux=False)
    except NasError as error:
        return _as_text(together.name, f"does not fit together: {error}", together.to_yaml())
    rows = [_row(label, member.input, each) for member, (label, each) in zip(together.members, cost.members, strict=True)]
    rows.append(_row("together", together.input, cost))
    about = f"an ensemble of {len(together.members)}: the mean of their probabilities over {together.classes:,} classes"
    return table(together.name, about, ("member", "input", "parameters", "MACs"), rows) + "".join(_unfolding(together))


def _row(label: str, input: tuple[int, int, int], cost: Cost | EnsembleCost) -> tuple[str, str, str, str]:
    return label, "x".join(map(str, input)), f"{cost.params:,}", format_count(cost.macs)


def _unfolding(together: Ensemble) -> Iterator[str]:
    labels: dict[Architecture, str] = {}
    for member, label in zip(together.members, together.labels, strict=True):
        labels.setdefault(member, label)
    for member, label in islice(labels.items(), MAX_PICTURES):
        yield f"<details><summary>{_text(label)}</summary>{network(member)}</details>"


def table(name: str, about: str, headings: Iterable[str], rows: Iterable[Iterable[object]], most: int = MAX_ROWS) -> str:
    """A table under a name and a line; of more rows than `most` the rest is counted."""
    listed = [tuple(row) for row in rows]
    head = "".join(f'<th style="text-align:left">{_text(text)}</th>' for text in headings)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in listed[:most])
    more = f"<p>and {len(listed) - most:,} more</p>" if len(listed) > most else ""
    made = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
    return f'<div class="{PLAIN}"><p><b>{_text(name)}</b>: {_text(about)}</p>{made}</div>'


def _cell(value: object) -> str:
    return f'<td style="text-align:left">{_text(value)}</td>'


def _text(value: object) -> str:
    """Anything as text that is no HTML."""
    return escape(clean(str(value)))


def _as_text(name: str, why: str, yaml: str) -> str:
    """A network in the language, and why there is no more to see of it."""
    shown = yaml if len(yaml) <= MAX_TEXT else f"{yaml[:MAX_TEXT]}\n..."
    lines = "\n".join("".join(c for c in line if c.isprintable()) for line in shown.splitlines())
    return f'<div class="{PLAIN}"><p><b>{_text(name)}</b> {_text(why)}</p><pre>{escape(lines)}</pre></div>'
