"""`nas compare`: networks side by side, and the complexity figure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli.app import Examples
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.report.compare import Entry


class Comparison(Examples):
    """Takes several folders after one `--runs`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--runs A B` is read as `--runs A --runs B`."""
        return super().parse_args(ctx, list(spread(args, "--runs")))


def spread(args: list[str], option: str) -> Iterator[str]:
    """Repeat an option before each of the values that follow it."""
    open_ = False
    values = 0
    for arg in args:
        if open_ and not arg.startswith("-"):
            if values:
                yield option
            values += 1
        else:
            open_, values = arg == option, 0
        yield arg


@click.command(
    cls=Comparison,
    examples=(
        "nas compare --plot networks.svg",
        "nas compare resnet50 efficientnet_b0 vit_b16 --sort macs",
        "nas compare resnet18 runs/NAME/best.yaml --json",
        "nas compare --runs runs/A runs/B --trials --plot searches.html",
        "nas compare --sort top1 --csv -",
    ),
)
@click.argument("names", nargs=-1)
@click.option("--sort", "column", metavar="COLUMN", help="Sort by a column, accuracies best first; -COLUMN: the other way round.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Accuracy against MACs into FILE.svg, .png or .html.")
@click.option("--top", type=click.Choice(["1", "5"]), default="1", show_default=True, help="The published accuracy that counts.")
@click.option("--runs", multiple=True, metavar="RUN ...", help="What searches measured: the best network of each run folder.")
@click.option("--trials", is_flag=True, help="Every finished network of the --runs, not only the best.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--csv", "table", metavar="FILE|-", help="As CSV into FILE, or - for standard output.")
def command(
    names: tuple[str, ...], column: str | None, plot: Path | None, top: str, runs: tuple[str, ...], trials: bool, as_json: bool,
    table: str | None,
) -> None:  # fmt: skip
    """Compare NAMES: baselines, YAML files, run folders; all networks with a published accuracy if none is named.

    Published accuracies are of ImageNet, for the best weights, which `source` names; the cost is that at the input they
    were judged at. What searches of this project measured has a column of its own, and a figure of its own: with --runs the
    figure shows what was measured and nothing else. `front` marks networks that no other beats in MACs and accuracy.
    """
    from nas.report import compare

    _check(column, plot, runs, trials, as_json, table)
    top_k = int(top)
    entries = [] if runs and not names else compare.published(names, top_k)
    entries = compare.with_fronts([*entries, *compare.measured(runs, trials)] if runs else entries, top_k)
    if column is not None:
        entries = compare.sort(entries, column)
    _write(entries, plot, top_k, table)
    if as_json:
        click.echo(json.dumps(compare.to_dicts(entries), indent=2))
    elif table == "-":
        click.echo(compare.to_csv(entries), nl=False)
    else:
        _print(entries)
        for what, path in (("drew", plot), ("wrote", table)):
            if path is not None:
                click.echo(f"{what} {path}")


def _check(column: str | None, plot: Path | None, runs: tuple[str, ...], trials: bool, as_json: bool, table: str | None) -> None:
    """Raise `NasError` before anything is computed or written."""
    from nas.report.compare import find_column
    from nas.report.figure import check_suffix
    from nas.writing import check_writable

    if column is not None:
        find_column(column)
    if plot is not None:
        check_suffix(plot)
        check_writable(plot)
    if table is not None and table != "-":
        check_writable(Path(table))
    if as_json and table == "-":
        raise NasError("--json and --csv - both print; allowed: one of them, or --csv FILE")
    if trials and not runs:
        raise NasError("--trials needs --runs; allowed: --runs RUN ... --trials")


def _write(entries: list[Entry], plot: Path | None, top: int, table: str | None) -> None:
    """The files that were asked for: all is made before any is written."""
    from nas.report.compare import to_csv
    from nas.writing import write_whole

    made: list[tuple[Path, bytes]] = []
    if plot is not None:
        from nas.report.figure import draw, figure

        made.append((plot, draw(figure(entries, top), plot.suffix)))
    if table is not None and table != "-":
        made.append((Path(table), to_csv(entries).encode()))
    for path, data in made:
        write_whole(path, data)


def _print(entries: list[Entry]) -> None:
    from rich.table import Table
    from rich.text import Text

    from nas.report.compare import HEADINGS, columns
    from nas.report.tables import console

    some = any(entry.measured is not None for entry in entries)
    # Beside what was measured a column in which nobody has anything tells nothing.
    optional = ("top1", "top5", "source", "extra") if some else ("extra",)
    empty = [name for name in optional if all(getattr(entry, name) is None for entry in entries)]
    shown = [name for name in columns(entries) if name != "family" and name not in empty]
    table = Table(box=None)
    for name in shown:
        table.add_column(HEADINGS[name], justify="right" if name in NUMBERS else "left", no_wrap=name in (*NUMBERS, "name"))
    for entry in entries:
        table.add_row(*(Text(_text(entry, name, getattr(entry, name))) for name in shown))
    console().print(table)


NUMBERS = ("params", "macs", "activations", "top1", "top5", "measured")


def _text(entry: Entry, name: str, value: Any) -> str:
    from nas.report.tables import value_text
    from nas.units import format_count

    if name == "front":
        return "*" if value else ""
    if value is None:
        return "" if name == "extra" else "-"
    if name in ("top1", "top5"):
        return value_text("accuracy", value)
    if name == "measured":
        return value_text(entry.objective or "", value)
    if name == "params":
        return f"{value:,}"
    return format_count(value) if name in NUMBERS else "x".join(map(str, value)) if name == "input" else str(value)
