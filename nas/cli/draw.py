"""`nas draw`: a network or its cells as a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.app import Examples
from nas.cli.show import network_of
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.draw.page import Part

# Those of `nas.draw.files` and `nas.draw.page`, written out so that the help needs no import of them.
FORMATS = ("svg", "png", "pdf", "dot")
PARTS = ("all", "network", "cells")


@click.command(
    cls=Examples,
    examples=(
        "nas draw resnet50",
        "nas draw nasnet_a_cifar --part cells --out cells.pdf",
        "nas draw runs/NAME --trial 3 --format png --dpi 300",
        "nas draw runs/NAME/best.yaml --dark --out best.svg",
        "nas draw googlenet --input 3x64x64 --classes 100 --out small.png",
        "nas draw darts_v2 --format dot --out - | dot -Tsvg > darts.svg",
    ),
)
@click.argument("network")
@click.option("--out", metavar="FILE|-", help="The file, written over, or - for standard output (default: NETWORK's name, here).")
@click.option("--format", type=click.Choice(FORMATS), help="Default: what FILE's suffix says, else svg; dot is for Graphviz.")
@click.option("--part", type=click.Choice(PARTS), default="all", show_default=True, help="All but its cells, or its cells alone.")
@click.option("--dark", is_flag=True, help="Light on dark.")
@click.option("--dpi", type=int, metavar="N", help="Dots an inch of a png, where an inch is 96 pixels of the svg (default: 192).")
@click.option("--trial", type=click.IntRange(0), metavar="N", help="Of a run folder this trial, not the best.")
@click.option("--input", "shape", metavar="CxHxW", help="Input shape, such as 3x224x224.")
@click.option("--classes", type=int, metavar="N", help="Number of classes.")
def command(
    network: str, out: str | None, format: str | None, part: Part, dark: bool, dpi: int | None, trial: int | None, shape: str | None,
    classes: int | None,
) -> None:  # fmt: skip
    """Draw NETWORK, a baseline's name, a YAML file, or a run folder: the best of it.

    Stages stand in a column with the shape that leaves each block; each distinct cell is a graph, its operations coloured by family.
    A pdf holds lines and text as such, for papers; a png looks the same.
    """
    from nas.draw.files import data, usual_suffix
    from nas.draw.page import single
    from nas.writing import out_path, write_whole

    form = _format(out, format, dpi)
    usual = f"{_stem(network, trial, part, dark)}{usual_suffix(form)}"
    path = None if out == "-" else out_path(out or "", usual)
    made = single(network_of(network, trial, shape, classes))
    drawn = data(made, form, dark=dark, part=part, **({} if dpi is None else {"dpi": dpi}))
    if path is None:
        click.echo(drawn.decode(), nl=False)
    else:
        write_whole(path, drawn)
        click.echo(f"drew {path}")


def _format(out: str | None, format: str | None, dpi: int | None) -> str:
    """The format that is asked for. Raises `NasError` where the options do not go together."""
    from nas.draw.files import TEXTS, by_suffix, check_format

    named = out is not None and out != "-"
    form = format or (by_suffix(Path(out)) if named else "svg")  # type: ignore[arg-type]
    check_format(form, Path(out) if named else None)  # type: ignore[arg-type]
    if out == "-" and form not in TEXTS:
        raise NasError(f"--out - with {form}, which is no text; allowed: {', '.join(TEXTS)}, or --out FILE")
    if dpi is not None and form != "png":
        raise NasError(f"--dpi={dpi} with {form}, which has no dots; allowed: --format png")
    return form


def _stem(network: str, trial: int | None, part: str, dark: bool) -> str:
    """The name of the file without its suffix, where none is given."""
    path = Path(network)
    name = path.stem if path.suffix.lower() in (".yaml", ".yml") else path.resolve().name if path.is_dir() else path.name
    said = [re.sub(r"[^\w.+-]+", "-", name)[:80] or "network"]
    said += [f"trial-{trial}"] if trial is not None else []
    said += [part] if part != "all" else []
    said += ["dark"] if dark else []
    return "-".join(said)
