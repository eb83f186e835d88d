"""A server of ours until Ctrl-C."""

from __future__ import annotations

from typing import Protocol

import click


class Serves(Protocol):
    """What `nas.report` has servers of."""

    url: str
    loopback: bool

    def serve(self) -> None:
        """Until an exception."""


def serve(server: Serves, host: str, browse: bool) -> None:
    """Say where it is, open a browser if asked to, and serve until Ctrl-C."""
    try:
        if not server.loopback:
            click.echo(f"warning: everybody who reaches {host} of this machine can read the record here: there is no login", err=True)
        click.echo(f"{server.url}      Ctrl-C ends it")
        if browse:
            import webbrowser

            webbrowser.open(server.url)
        server.serve()
    except KeyboardInterrupt:  # how it ends
        click.echo("")
