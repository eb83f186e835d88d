"""`nas resume`: go on with a search or a training."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.app import Examples
from nas.cli.quiet import quiet_option
from nas.cli.search import engine_options, honest_options
from nas.cli.watching import Watching, watch_options
from nas.errors import NasError


@click.command(
    cls=Examples,
    examples=(
        "nas resume runs/NAME",
        "nas resume runs/NAME --workers 1 --no-dashboard",
        "nas resume runs/NAME --confirm 3x3 --control",
        "nas resume runs/NAME --baselines resnet20,my.yaml",
        "nas resume runs/NAME --plugin mine.py",
    ),
)
@click.argument("run", type=click.Path(path_type=Path))
@honest_options
@engine_options
@watch_options
@quiet_option
def command(
    run: Path, confirm: str | None, confirm_epochs: int | None, control: bool, correlate: str | None,
    baselines: str, workers: int | None, gpus_per_trial: float | str | None, memory_per_device: str | None, no_mps: bool,
    engine: str | None, address: str | None, max_workers: int | None, wait_for_nodes: str, no_ship: bool, max_failures: int | None,
    no_dashboard: bool, storage: str | None, results: str | None, log_format: str, quiet: bool, **trackers: str | None,
) -> None:  # fmt: skip
    """Go on with the search or the training in the folder RUN, after Ctrl-C, a kill or a crash.

    Nothing finished is lost; trials that were cut off are run again first, under their numbers. Space, strategy, seed,
    data set, fidelity and budget are those of the run. A run whose budget is spent is only summed up, once its
    confirmation, baselines and control are done: those that it was started with, or that are asked for here.

    A training goes on from its checkpoint, as it was started; the options are those of a search.
    """
    import nas
    from nas.cli.folders import is_training

    if is_training(run):
        given = {
            "--confirm": confirm, "--confirm-epochs": confirm_epochs, "--control": control, "--correlate": correlate,
            "--baselines": baselines, "--workers": workers, "--gpus-per-trial": gpus_per_trial, "--memory-per-device": memory_per_device,
            "--no-mps": no_mps,
            "--engine": engine, "--address": address, "--no-dashboard": no_dashboard, "--max-workers": max_workers, "--no-ship": no_ship,
            "--max-failures": max_failures is not None, "--storage": storage, "--results": results, "--log-format": log_format != "text",
        }  # fmt: skip
        followed = [f"--{name}" for name, value in trackers.items() if value is not None]
        _go_on(run, [name for name, value in given.items() if value] + followed, quiet)
        return
    with Watching(log_format, trackers, directory=run, storage=storage, quiet=quiet) as watching:
        study = nas.resume(
            run, confirm=confirm, confirm_epochs=confirm_epochs, control=control, correlate=correlate, baselines=baselines, workers=workers,
            gpus_per_trial=gpus_per_trial, memory_per_device=memory_per_device, mps=not no_mps,
            storage=storage, results=results, engine=engine, address=address, dashboard=not no_dashboard, observer=watching.observer,
            max_workers=max_workers, wait_for_nodes=wait_for_nodes, ship=not no_ship, max_failures=max_failures,
        )  # fmt: skip
        watching.closing(study)


def _go_on(run: Path, given: list[str], quiet: bool) -> None:
    """A training. Raises `NasError` for options of a search."""
    import nas
    from nas.cli.train import screen, show

    if given:
        raise NasError(f"{given[0]}: {run} is a training, which goes on as it was started; allowed: no options but --quiet")
    with screen(quiet, False) as watcher:
        result = nas.resume_training(run, watcher=watcher)
    show(result, False, quiet)
