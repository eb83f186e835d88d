"""`nas report`: what a search has found, as one page."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.app import Examples


@click.command(
    cls=Examples,
    examples=(
        "nas report runs/NAME",
        "nas report runs/NAME --out found.html",
        "nas report runs/NAME --open",
        "nas report runs/NAME --json | jq .summary",
    ),
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to (default: report.html in RUN).")
@click.option("--open", "browse", is_flag=True, help="Open it in a browser.")
@click.option("--storage", metavar="URL", help="Where the record lies now, if it was moved, or with its password.")
@click.option("--json", "as_json", is_flag=True, help="What the page shows, as JSON on standard output, and no file.")
def command(run: Path, out: Path | None, browse: bool, storage: str | None, as_json: bool) -> None:
    """Write one HTML file about the search in the folder RUN, running or ended: everything that it found and used.

    The file needs no network and no server: it can be mailed, and opened from a disk. In it are the winner's picture, the
    best so far against the budget with the random-search control, all trials with the Pareto front, what each decision was
    worth, where the winner came from, learning curves, failures, the ledger, and what is needed to run it again.
    """
    import nas
    from nas.cli.folders import need_search
    from nas.errors import NasError

    need_search(run, "nas status")
    if as_json and (out is not None or browse):
        raise NasError(f"--json prints, and writes no file; allowed: no {'--out' if out is not None else '--open'} beside it")
    study = nas.open_study(run, storage=storage)
    if as_json:
        from nas.report.page.data import page_data
        from nas.report.page.render import to_json

        click.echo(to_json(page_data(study)))
        return
    from nas.report.page.render import write
    from nas.report.tables import short_path
    from nas.units import format_bytes

    path = write(study, out).path
    click.echo(f"wrote {short_path(path)} ({format_bytes(path.stat().st_size)}); it opens in any browser")
    if browse:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
