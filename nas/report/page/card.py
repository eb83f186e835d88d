"""What a notebook shows of a study: a few facts and its best network, without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from nas.errors import NasError
from nas.report.page import facts
from nas.study.spending import spending

if TYPE_CHECKING:
    from nas.study import Study


def card(study: Study) -> str:
    """A heading, a table of facts, and the picture of the best network if there is one."""
    made, best = spending(study), study.best
    state, why = facts.state(study, made, bool(study.drivers()))
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in facts.summary(study, made, best)
    )
    head = f"<b>{escape(study.name)}</b>: {escape(state)}, {escape(why)}"
    return f"<div>{head}<table>{rows}</table>{_picture(study)}</div>"


def _picture(study: Study) -> str:
    from nas.draw import svg

    best = study.best
    try:
        return "" if best is None else f'<div style="overflow-x:auto;background:#fff">{svg(best.architecture)}</div>'
    except NasError:
        return ""
