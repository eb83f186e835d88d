"""`nas budget`: what a search has spent, on what, where and when, and what is left."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from nas.cli.app import Examples
from nas.errors import NasError


class Price(click.ParamType[float]):
    """A price a device-hour, in any currency."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click asks for it."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            self.fail(f"{value!r}; allowed: a number from 0, such as 2.5", param, ctx)
        return number


@click.command(
    cls=Examples, examples=("nas budget runs/NAME", "nas budget runs/NAME --price 2.5", "nas budget runs/NAME --json | jq .left")
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--price", type=Price(), metavar="X", help="What a GPU-hour costs, in any currency (without a GPU: a core-hour).")
@click.option("--storage", metavar="URL", help="Where the record lies now, if it was moved.")
@click.option("--json", "as_json", is_flag=True, help="Everything, every hour included, as JSON.")
def command(run: Path, price: float | None, storage: str | None, as_json: bool) -> None:
    """Show what the search in the folder RUN, running or ended, has spent of its budget.

    By what became of the trials, by device and by hour; what is in flight and left of every limit; when it will end at the pace
    of its last hour; and what was trained afterwards, which the budget does not pay.
    """
    import nas
    from nas.cli.folders import is_training
    from nas.report.budget import plain, shown
    from nas.report.tables import console
    from nas.study.spending import spending

    if is_training(run):
        raise NasError(f"{run}: a training, which has no budget; allowed: a folder that `nas search` made")
    study = nas.open_study(run, storage=storage)
    made = spending(study)
    if as_json:
        click.echo(json.dumps(plain(study, made, price), indent=2))
        return
    for part in shown(study, made, price):
        console().print(part)
