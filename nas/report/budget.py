"""The ledger of a run, for a person and as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from nas.report.tables import short_path, value_text
from nas.units import format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.budget import Budget, Ledger
    from nas.study import Study
    from nas.study.spending import Best, Item, Outlook, Spending

HOURS_SHOWN = 24
HOUR = 3600.0
LIMITS = (("device_seconds", "device time"), ("seconds", "wall time"), ("trials", "trials"))


def shown(study: Study, made: Spending, price: float | None = None) -> Iterator[RenderableType]:
    """Spent, in flight and left; what it was spent on, by device and by hour; what comes; what followed; what it costs."""
    yield Text(f"budget of {short_path(study.directory)}: {made.budget.describe()}")
    yield _limits(made)
    yield Text("")
    yield _items("spent on", made.items, made.ledger.device_seconds)
    if made.lost:
        yield Text(f"workers died with a trial {made.lost} time{'s' if made.lost > 1 else ''}")
    yield Text("")
    yield _items("by device", made.devices, made.ledger.device_seconds)
    if made.simulated:
        yield Text("time is simulated: by hour there is nothing to say")
    elif made.hours:
        yield Text("")
        yield _hours(made)
    yield Text("")
    for line in _lines(study, made):
        yield Text(line)
    if made.following:
        yield _following(made)
    if price is not None:
        yield Text(cost_line(study.settings.device, made, price))


def _limits(made: Spending) -> Table:
    ledger, spent = made.ledger, _spent(made.ledger)
    table = Table(box=None)
    for name in ("", "limit", "spent", "in flight", "left"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    running = sum(item.trials for item in made.items) - ledger.finished - ledger.failed - _wasted(made)
    for kind, name in LIMITS:
        limit, left = getattr(made.budget, kind), getattr(made.left, kind)
        flight = {"device_seconds": made.in_flight, "trials": float(running)}.get(kind)
        table.add_row(
            name, amount(kind, limit), amount(kind, spent[kind]), "" if flight is None else amount(kind, flight), amount(kind, left)
        )
    return table


def _wasted(made: Spending) -> int:
    from nas.study.spending import WASTED

    return sum(item.trials for item in made.items if item.name == WASTED)


def _spent(ledger: Ledger) -> dict[str, float]:
    return {"device_seconds": ledger.device_seconds, "seconds": ledger.seconds, "trials": float(ledger.finished + ledger.failed)}


def amount(kind: str, number: float) -> str:
    """A limit of that kind, or what was spent of it, for a person."""
    if not math.isfinite(number):
        return "none"
    return f"{number:.0f}" if kind == "trials" else format_seconds(number)


def _items(title: str, items: tuple[Item, ...], total: float) -> Table:
    table = Table(box=None)
    table.add_column(title, max_width=90)
    for name in ("trials", "device time", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in items:
        table.add_row(Text(item.name), str(item.trials), format_seconds(item.device_seconds), _share(item.device_seconds, total))
    return table


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole > 0 else "-"


def _hours(made: Spending) -> Table:
    table, latest = Table(box=None), made.hours[-HOURS_SHOWN:]
    more = f", the last {HOURS_SHOWN} of {len(made.hours)}" if len(latest) < len(made.hours) else ""
    table.add_column(f"by hour (UTC){more}", no_wrap=True)
    for name in ("trials ended", "device time", "devices busy"):
        table.add_column(name, justify="right", no_wrap=True)
    for hour in latest:
        busy = f"{hour.device_seconds / HOUR:.2f}"
        table.add_row(f"{hour.begin:%Y-%m-%d %H}:00", str(hour.trials), format_seconds(hour.device_seconds), busy)
    return table


def _lines(study: Study, made: Spending) -> Iterator[str]:
    reached = made.budget.reached(made.ledger)
    pace = made.pace
    if pace is not None:
        yield (
            f"pace of the last {format_seconds(pace.seconds)}: {pace.trials * HOUR / pace.seconds:.4g} trials an hour, "
            f"{pace.device_seconds / pace.seconds:.3g} devices busy"
        )
    if reached is not None:
        yield f"the budget is spent: {reached}"
    elif made.outlook is not None:
        yield outlook_line(made.outlook)
    if made.best is not None:
        yield from best_lines(study.settings.objective, made.best)


def outlook_line(made: Outlook) -> str:
    """When it ends, and by what."""
    span = f" ({made.low:.0f} to {made.high:.0f})" if round(made.low) < round(made.high) else ""
    return f"at that pace {made.limit} ends it after another {format_seconds(made.seconds)} of search, with {made.trials:.0f} trials{span}"


def best_lines(objective: str, made: Best) -> Iterator[str]:
    """What the best is, how it came, and how long ago: no more can be said of what is to come."""
    found = f"trial {made.trial}, {value_text(objective, made.value)}, the {_ordinal(made.after)} of {made.judged} judged"
    yield f"best so far: {found}; {made.judged - made.after} since then were not better"
    if len(made.running) > 1:
        yield "best after: " + ", ".join(f"{place} {value_text(objective, value)}" for place, value in made.running)


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _following(made: Spending) -> Table:
    table = Table(box=None)
    table.add_column("what followed, not charged", no_wrap=True)
    for name in ("trials", "failed", "device time", "wall time"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, ledger in made.following:
        table.add_row(
            name, str(ledger.finished), str(ledger.failed), format_seconds(ledger.device_seconds), format_seconds(ledger.seconds)
        )
    return table


def cost(made: Spending, price: float) -> dict[str, float]:
    """At a price a device-hour: of the search, and of what followed it."""
    followed = sum(ledger.device_seconds for _, ledger in made.following)
    return {"search": made.ledger.device_seconds / HOUR * price, "following": followed / HOUR * price}


def cost_line(device: str, made: Spending, price: float) -> str:
    """For a person; the currency is theirs."""
    paid = cost(made, price)
    more = f", what followed {paid['following']:.2f}" if made.following else ""
    return f"at {price:g} {unit(device)}: the search has cost {paid['search']:.2f}{more}"


def unit(device: str) -> str:
    """What a price is for on workers of that device."""
    return "a GPU-hour" if device == "cuda" else "a device-hour (devices here are CPU cores, not GPUs)"


def plain(study: Study, made: Spending, price: float | None = None) -> dict[str, Any]:
    """All of it as plain data; a limit that is none is null, times are ISO 8601 in UTC."""
    return {
        "run": str(study.directory),
        "device": study.settings.device,
        "budget": limits(made.budget),
        "spent": {**_spent(made.ledger), "finished": made.ledger.finished, "failed": made.ledger.failed},
        "in_flight": made.in_flight,
        "left": limits(made.left),
        "lost": made.lost,
        "items": [asdict(item) for item in made.items],
        "devices": [asdict(item) for item in made.devices],
        "hours": [{**asdict(hour), "begin": hour.begin.isoformat()} for hour in made.hours],
        "simulated": made.simulated,
        "pace": None if made.pace is None else asdict(made.pace),
        "outlook": None if made.outlook is None else asdict(made.outlook),
        "best": None if made.best is None else asdict(made.best),
        "following": {name: asdict(ledger) for name, ledger in made.following},
        "price": price,
        "cost": None if price is None else cost(made, price),
    }


def limits(budget: Budget) -> dict[str, float | None]:
    """Its limits, null where there is none."""
    return {kind: number if math.isfinite(number := getattr(budget, kind)) else None for kind, _ in LIMITS}
