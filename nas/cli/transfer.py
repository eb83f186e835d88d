"""`nas transfer`: found cells, stacked anew for another data set and size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli.app import Examples

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.scale import Stem, Transferred

OUT = "transferred.yaml"


@click.command(
    cls=Examples,
    examples=(
        "nas transfer nasnet_a_cifar --to imagenet --cells 4 --penultimate 1056",
        "nas transfer runs/NAME/best.yaml --to imagenet --cells 6 --penultimate 4032 --input 3x331x331 --out large.yaml",
        "nas transfer runs/NAME --to cifar100 --target-params 3M --out",
        "nas transfer darts_v2 --to imagenet --cells 4 --target-macs 600M --json",
    ),
)
@click.argument("network")
@click.option("--to", "dataset", metavar="D", help="Data set: imagenet, one of `nas list datasets`, npz:FILE or folder:DIR.")
@click.option("--input", "shape", metavar="CxHxW", help="Input shape, such as 3x331x331 (default: the data set's).")
@click.option("--classes", type=int, metavar="N", help="Number of classes (default: the data set's).")
@click.option("--cells", type=int, metavar="N", help="Normal cells a stage (default: as it has).")
@click.option("--penultimate", type=int, metavar="F", help="Filters of the penultimate layer, which the global pool reads.")
@click.option("--target-macs", metavar="N", help="The filters by which it comes nearest to so many multiply-adds, such as 600M.")
@click.option("--target-params", metavar="N", help="The filters by which it comes nearest to so many parameters, such as 5M.")
@click.option("--stem", type=click.Choice(["imagenet", "cifar"]), help="Stem (default: imagenet from 96 pixels a side on).")
@click.option("--aux/--no-aux", default=None, help="An auxiliary head, 2/3 of the way (default: if it has one).")
@click.option("--out", is_flag=False, flag_value="", metavar="[FILE]", help=f"Write the network to FILE, or to a new {OUT}.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(
    network: str, dataset: str | None, shape: str | None, classes: int | None, cells: int | None, penultimate: int | None,
    target_macs: str | None, target_params: str | None, stem: Stem | None, aux: bool | None, out: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Stack the cells of NETWORK anew: a baseline's name, a YAML file, or a run folder, whose best it is.

    A size is written "N @ F" as in the NASNet paper: N normal cells a stage, F filters in the penultimate layer; `filters` are those
    of a cell in the first stage. What is not given stays as it is. Images of 96 pixels a side or more get the stem of ImageNet.
    Parameters and MACs are those without auxiliary heads.
    """
    from nas import data
    from nas.cli.show import parse_shape
    from nas.loading import load_one
    from nas.scale import restack
    from nas.scale.restack import one_goal
    from nas.units import parse_count
    from nas.writing import out_path, write_whole

    macs = None if target_macs is None else parse_count(target_macs, where="--target-macs")
    params = None if target_params is None else parse_count(target_params, where="--target-params")
    goal = one_goal(penultimate, macs, params)
    size = None if shape is None else parse_shape(shape)
    path = None if out is None else out_path(out, OUT)
    source = load_one(network)
    if dataset is not None:
        form = data.form(dataset)
        size, classes = size or form.input, form.classes if classes is None else classes
    made = restack(source, size, classes, cells, goal, stem, aux)
    if path is not None:
        write_whole(path, made.architecture.to_yaml().encode())
    if as_json:
        click.echo(json.dumps({**_to_dict(source, made), "out": None if path is None else str(path)}, indent=2))
    else:
        _print(source, made, path)


def _facts(network: Architecture) -> dict[str, Any]:
    """What the table shows of a network."""
    from nas.arch import Use
    from nas.scale.cells import described, filters, read

    cells, penultimate = described(network)
    cost = network.cost(aux=False)
    total = sum(block.repeat for stage in network.stages for block in stage if isinstance(block.op, Use))
    return {
        "name": network.name, "cells": cells, "penultimate": penultimate, "filters": filters(read(network)),
        "total_cells": total, "input": list(network.input), "classes": network.classes, "params": cost.params,
        "macs": cost.macs, "aux": bool(network.aux), "digest": network.digest,
    }  # fmt: skip


def _to_dict(source: Architecture, made: Transferred) -> dict[str, Any]:
    near = [step._asdict() for step in made.nearest]
    return {"source": _facts(source), "result": {**_facts(made.architecture), "stem": made.stem}, "exact": made.exact, "nearest": near}


def _print(source: Architecture, made: Transferred, path: Path | None) -> None:
    from rich.table import Table
    from rich.text import Text

    from nas.report.tables import console
    from nas.units import format_count

    table = Table(box=None)
    for name in ("network", "N @ F", "filters", "cells", "input", "classes", "parameters", "MACs", "auxiliary head"):
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    for facts in (_facts(source), _facts(made.architecture)):
        table.add_row(
            Text(facts["name"]), f"{facts['cells']} @ {facts['penultimate']}", str(facts["filters"]), str(facts["total_cells"]),
            "x".join(map(str, facts["input"])), f"{facts['classes']:,}", f"{facts['params']:,}", format_count(facts["macs"]),
            "yes" if facts["aux"] else "no",
        )  # fmt: skip
    console().print(table)
    if made.exact is False:
        sizes = ", ".join(f"{made.cells} @ {step.penultimate} has {format_count(step.amount)}" for step in made.nearest)
        click.echo(f"nothing lies within 3% of the target; the nearest: {sizes}; the first is taken")
    if path is not None:
        click.echo(f"wrote {path}")
