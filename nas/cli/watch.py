"""`nas watch`: the page of `nas report`, live."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.app import Examples


@click.command(
    cls=Examples,
    examples=("nas watch runs/NAME", "nas watch runs/NAME --open", "nas watch runs/NAME --port 8080"),
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port (default: one that is free).")
@click.option("--open", "browse", is_flag=True, help="Open a browser on it.")
@click.option("--storage", metavar="URL", help="Where the record lies now, if it was moved, or with its password.")
def command(run: Path, host: str, port: int, browse: bool, storage: str | None) -> None:
    """Show the page of `nas report` in a browser while the search in the folder RUN goes on, brought up to date as trials finish.

    What it shows can be read, not changed. It listens on this machine alone unless --host says otherwise. Ctrl-C ends it,
    with exit status 0: that is how it ends; the search goes on.
    """
    import nas
    from nas.cli.folders import need_search
    from nas.cli.serve import serve
    from nas.report.live import Server

    need_search(run, "nas status")
    serve(Server(nas.open_study(run, storage=storage), host, port), host, browse)
