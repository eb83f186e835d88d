"""`nas bench`: strategies held against each other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.app import Examples
from nas.cli.quiet import quiet_option, say
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.bench import Report


@click.command(
    cls=Examples,
    examples=(
        "nas bench --table nb201.npz --strategies evolution,random --trials 300 --seeds 200",
        "nas bench --table nb201.npz --strategies 'evolution(population=10,sample=3),rl:reinforce' --seconds 12000 --plot found.svg",
        "nas bench --table synthetic --strategies random,evolution --trials 100 --seeds 10 --json",
        "nas bench --space tiny --toy pairs --trials 100 --seeds 50",
    ),
)
@click.option("--space", default="nas-bench-201", show_default=True, metavar="NAME|FILE", help="Space (`nas list spaces`), or a YAML file.")
@click.option("--table", metavar="FILE", help="An .npz archive of NAS-Bench-201 (docs/benchmarks.md), or synthetic, a made-up one.")
@click.option("--toy", metavar="NAME", help="In place of a table a function, another for each seed: separable, pairs, graph.")
@click.option(
    "--strategies", default="auto,evolution,random", show_default=True, metavar="A,B(option=value),...",
    help="Names with options (`nas list strategies`); the others are tested against the first.",
)  # fmt: skip
@click.option("--trials", type=click.IntRange(1), metavar="N", help="Evaluations a run (default: 300, or what --seconds allow).")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="Simulated seconds a run.")
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="Runs of each strategy, paired.")
@click.option("--marks", metavar="N,N,...", help="Evaluations to report at (default: 50, 100, 200, ... and the last).")
@click.option("--features", default="", metavar="COLUMN,...", help="Columns of the table that strategies may know of untrained cells.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes (default: all cores). Results do not depend on it.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Curves into FILE.svg, .png or .html.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Results as JSON into FILE.")
@quiet_option
@click.option("--json", "as_json", is_flag=True, help="Results as JSON on standard output.")
def command(
    space: str, table: str | None, toy: str | None, strategies: str, trials: int | None, seconds: float | None, seeds: int,
    marks: str | None, features: str, workers: int | None, plot: Path | None, out: Path | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run search strategies many times on results that are known, and compare what they found.

    A table holds what training every cell gave: strategies are told the validation accuracy after 12 epochs, and judged by
    the test accuracy after 200 of the best cell so far. Nothing is trained, so hundreds of searches take seconds.
    """
    from nas import bench

    _check(plot, out)
    with _progress(quiet) as progress:
        report = bench.measure(
            space, strategies, table=table, toy=toy, trials=trials, seconds=seconds, seeds=seeds, marks=_marks(marks),
            features=[name.strip() for name in features.split(",") if name.strip()], workers=workers, progress=progress,
        )  # fmt: skip
    _write(report, plot, out)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
        return
    if quiet and (plot or out):
        say(path for path in (plot, out) if path is not None)
        return
    from nas.report.bench import tables
    from nas.report.tables import console

    console().print(tables(report))
    for what, path in (("drew", plot), ("wrote", out)):
        if path is not None:
            click.echo(f"{what} {path}")


def _marks(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(mark) for mark in text.split(",")]
    except ValueError:
        raise NasError(f"--marks={text!r}; allowed: whole numbers joined by commas, such as 50,100,200") from None


def _check(plot: Path | None, out: Path | None) -> None:
    """Raise `NasError` before anything is run."""
    from nas.writing import check_writable

    if plot is not None:
        from nas.report.figure import check_suffix

        check_suffix(plot)
        check_writable(plot)
    if out is not None:
        check_writable(out)


def _write(report: Report, plot: Path | None, out: Path | None) -> None:
    from nas.writing import write_whole

    if out is not None:
        write_whole(out, (json.dumps(report.to_dict(), indent=2) + "\n").encode())
    if plot is not None:
        from nas.report.curves import draw

        write_whole(plot, draw(report, plot.suffix))


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from nas.report.tables import console

    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("runs")
        yield lambda done, total: bar.update(task, completed=done, total=total)
