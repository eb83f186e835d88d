"""What a notebook shows of a study: a few facts and its best network, without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.draw import notebook
from nas.errors import NasError
from nas.report.page import facts
from nas.study.spending import spending

if TYPE_CHECKING:
    from nas.study import Study


def card(study: Study) -> str:
    """A table of facts, and the picture of the best network if there is one."""
    made, best = spending(study), study.best
    state, why = facts.state(study, made, bool(study.drivers()))
    table = notebook.table(study.name, f"{state}, {why}", (), facts.summary(study, made, best))
    try:
        return table if best is None else table + notebook.network(best.architecture)
    except NasError:  # a record that was written to by another program
        return table
