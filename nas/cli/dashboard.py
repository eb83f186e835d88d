"""`nas dashboard`: the study of a run in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.app import Examples
from nas.errors import NasError


@click.command(
    cls=Examples,
    examples=(
        "nas dashboard runs/NAME",
        "nas dashboard runs/NAME --open",
        "nas dashboard runs/NAME --port 8080 --storage postgresql://me:secret@host/nas",
        "nas dashboard runs/NAME --tensorboard",
        "nas dashboard --grafana > nas.json",
    ),
)
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port (default: one that is free).")
@click.option("--open", "browse", is_flag=True, help="Open a browser on it.")
@click.option("--storage", metavar="URL", help="Where the record lies now, if it was moved, or with its password.")
@click.option("--tensorboard", is_flag=True, help="Write the curves of all trials for TensorBoard into RUN/tensorboard instead.")
@click.option("--grafana", is_flag=True, help="Print a Grafana dashboard of Ray's metrics of searches, as JSON, instead.")
def command(run: Path | None, host: str, port: int, browse: bool, storage: str | None, tensorboard: bool, grafana: bool) -> None:
    """Show the study of the search in the folder RUN, running or ended, in a browser: by optuna-dashboard.

    It needs `pip install 'nas[dashboard]'`. What it shows can be read, not changed. It listens on this machine alone
    unless --host says otherwise. Ctrl-C ends it, with exit status 0: that is how it ends.
    """
    if grafana:
        if run is not None or tensorboard:
            raise NasError("--grafana: is one dashboard for all runs; allowed: no RUN beside it, no --tensorboard")
        from nas.report.grafana import dashboard

        click.echo(dashboard(), nl=False)
        return
    if run is None:
        raise NasError("RUN is missing; allowed: a folder that `nas search` made, or --grafana")
    from nas.cli.folders import is_training

    if is_training(run):
        raise NasError(f"{run}: is a training; its curves are shown by `tensorboard --logdir {run}`; allowed: a folder of `nas search`")
    if tensorboard:
        _write_curves(run, storage)
    else:
        _serve(run, host, port, browse, storage)


def _serve(run: Path, host: str, port: int, browse: bool, storage: str | None) -> None:
    import nas
    from nas.cli.serve import serve
    from nas.report.dashboard import Server

    serve(Server(nas.open_study(run, storage=storage), host, port), host, browse)


def _write_curves(run: Path, storage: str | None) -> None:
    import nas
    from nas import trackers
    from nas.engine.tracking import write_all
    from nas.report.tables import short_path

    study = nas.open_study(run, storage=storage)
    folder = study.directory / "tensorboard"
    try:
        written = write_all(study, trackers.create("tensorboard"))
    except OSError as error:
        raise NasError(f"{folder}: cannot be written ({error.strerror or error})") from None
    click.echo(f"{written} trials in {short_path(folder)}")
    click.echo(f"next:  tensorboard --logdir {short_path(folder)}      (pip install tensorboard)")
