"""`nas search --dry-run`: what a search would come to, before anything is written or launched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nas.cli.budget import Price
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.engine import Forecast


def forecast_options(function: Any) -> Any:
    """Options of a plan."""
    for option in reversed((
        click.option("--dry-run", is_flag=True, help="Only say what it would come to here: candidates, time, memory. Writes nothing."),
        click.option("--price", type=Price(), metavar="X", help="With --dry-run: what a GPU-hour costs, in any currency."),
        click.option("--json", "as_json", is_flag=True, help="With --dry-run: the plan as JSON."),
    )):  # fmt: skip
        function = option(function)
    return function


def check_options(dry_run: bool, price: float | None, as_json: bool) -> None:
    """Raise `NasError` for an option of a plan where none is asked for."""
    for name, given in (("--price", price is not None), ("--json", as_json)):
        if given and not dry_run:
            raise NasError(f"{name} is for a plan; allowed: with --dry-run (of a run: `nas budget RUN {name}`)")


def show(made: Forecast, price: float | None, as_json: bool) -> None:
    """Print the plan."""
    from nas.report.forecast import lines

    if as_json:
        cost = None if price is None else made.cost(price)
        click.echo(json.dumps({**made.to_dict(), "price": price, "cost": cost}, indent=2))
        return
    for line in lines(made, price):
        click.echo(line)
