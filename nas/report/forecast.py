"""The plan of a search, for a person."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas.report.budget import unit
from nas.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from nas.engine.forecast import Following, Forecast

HOUR = 3600.0


def lines(made: Forecast, price: float | None = None) -> Iterator[str]:
    """What would run, what the budget buys, when it ends, what that takes and costs, and what follows."""
    device = f"{made.share:g} GPU each" if made.device == "cuda" else "one core each; a core counts as a device"
    workers = f"{made.workers} worker{'s' if made.workers > 1 else ''}"
    data = f" on {made.dataset}" if made.dataset else ""
    yield f"plan of a search of {made.space}: {made.evaluator}{data}, strategy {made.strategy}, {workers}, {device}; nothing is written"
    yield f"  budget           {made.budget.describe()}{'; its seconds are simulated' if made.simulated else ''}"
    yield f"  fidelity         {_fidelity(made)}"
    if made.candidate_seconds is not None:
        each = made.candidate_seconds
        span = f" ({_span(each.low, each.high)})" if each.low < each.high else ""
        yield f"  a candidate      about {format_seconds(each.mean)}{span}, from {made.sampled} of the space"
    yield f"  candidates       {_candidates(made)}"
    if made.phases:
        yield f"  phases           about {made.phases}, which train shared weights"
    yield f"  ends             {_end(made)}"
    if made.device_seconds is not None:
        yield f"  device time      {hours(made.device_seconds)}"
    if made.memory is not None:
        most = f"{format_bytes(_round(made.memory.mean))}, {format_bytes(_round(made.memory.high))} for the largest of them"
        yield f"  memory a worker  about {most}"
    for after in made.following:
        yield f"  then {after.name}: {_after(after)}; not charged to the budget"
    if price is not None:
        yield f"  price            {cost_line(made, price)}"
    for note in made.notes:
        yield f"  {note}"


def _after(made: Following) -> str:
    count = "" if made.trainings is None else f"{made.trainings} training{'s' if made.trainings != 1 else ''}, "
    if made.device_seconds is None or made.seconds is None:
        return f"{count}for how long is not known"
    return f"{count}about {hours(made.device_seconds)}, {format_seconds(made.seconds)}"


def _fidelity(made: Forecast) -> str:
    f = made.fidelity
    size = f", width x{f.width:g}, depth x{f.depth:g}" if (f.width, f.depth) != (1.0, 1.0) else ""
    part = f" on {f.samples:.0%} of the images" if f.samples < 1 else ""
    epochs = f"{f.epochs} epoch{'s' if f.epochs > 1 else ''}{part}{size}"
    return epochs if made.simulated else f"{epochs}; found in {format_seconds(made.spent)}, which the search takes again"


def _candidates(made: Forecast) -> str:
    if made.candidates is None:
        at_most = f"{made.budget.trials:.0f} at most" if math.isfinite(made.budget.trials) else "not known"
        return at_most
    low, high = round(made.candidates.low), round(made.candidates.high)
    return f"about {made.candidates.mean:.0f}" + (f" ({low} to {high})" if low < high else "")


def _end(made: Forecast) -> str:
    if made.seconds is None:
        return f"by the limit of {made.limit}; when is not known"
    where = "simulated time" if made.simulated else "wall time"
    return f"after {format_seconds(made.seconds)} of {where}, by the limit of {made.limit}"


def _span(low: float, high: float) -> str:
    return f"{format_seconds(low)} to {format_seconds(high)}"


def _round(number: float) -> float:
    """To three digits: more would pretend to know."""
    return float(f"{number:.3g}")


def hours(seconds: float) -> str:
    """`0.0123 device-hours`."""
    return f"{seconds / HOUR:.3g} device-hours"


def cost_line(made: Forecast, price: float) -> str:
    """What it would cost; the currency is the person's."""
    if made.simulated:
        return "none: the time is simulated"
    cost = made.cost(price)
    search = "not known" if cost["search"] is None else f"about {cost['search']:.2f}"
    after = "" if not made.following else f", what follows {'not known' if cost['following'] is None else format(cost['following'], '.2f')}"
    return f"{search} for the search{after}, at {price:g} {unit(made.device)}"
