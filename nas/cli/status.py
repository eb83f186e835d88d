"""`nas status`: what a search has found and used so far, or how far a training is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nas.cli.app import Examples
from nas.errors import NasError


@click.command(
    cls=Examples, examples=("nas status runs/NAME", "nas status runs/NAME --json | jq .ledger", "nas status runs/train-NETWORK-TIME")
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--storage", metavar="URL", help="Where the record lies now, if it was moved.")
@click.option("--json", "as_json", is_flag=True, help="Everything, every trial or epoch included, as JSON.")
def command(run: Path, storage: str | None, as_json: bool) -> None:
    """Show how far the search or the training in the folder RUN is, running or ended.

    Of a search the ledger, the best trials and what was confirmed; of a training its epochs and accuracies.
    """
    import nas
    from nas.cli.folders import is_training

    if is_training(run):
        _training(run, storage, as_json)
        return
    study = nas.open_study(run, storage=storage)
    if as_json:
        click.echo(json.dumps(_plain(study), indent=2))
        return
    from nas.cli.search import closing

    closing(study)


def _training(run: Path, storage: str | None, as_json: bool) -> None:
    """Raises `NasError` for an option of a search."""
    from nas.report.tables import console
    from nas.report.training import status_table
    from nas.trainer.status import Status

    if storage is not None:
        raise NasError(f"--storage: {run} is a training, whose record is in its folder; allowed: no --storage")
    status = Status.read(run)
    if as_json:
        click.echo(json.dumps(status.to_dict(), indent=2))
    else:
        console().print(status_table(status))


def _plain(study: Any) -> dict[str, Any]:
    from nas.report.coefficients import plain as scaling
    from nas.report.darts import plain as searches
    from nas.report.honest import plain

    ledger = study.ledger()
    best = study.best
    return {
        "run": str(study.directory),
        "budget": study.settings.budget,
        "ledger": {
            "device_seconds": ledger.device_seconds, "seconds": ledger.seconds, "finished": ledger.finished, "failed": ledger.failed,
        },
        "best": None if best is None else best.number,
        "objectives": [str(goal) for goal in study.goals],
        "front": [trial.number for trial in study.front],
        **plain(study),
        **({"darts": darts} if (darts := searches(study)) else {}),
        **({"coefficients": scaling(study)} if study.settings.network is not None else {}),
        "trials": [
            {
                "number": t.number, "state": t.state, "value": t.value, "values": list(t.values), "digest": t.digest,
                "device_seconds": t.device_seconds, "reason": t.reason, "parent": t.parent, "how": t.how, "fraction": t.fraction,
                "metrics": t.metrics,
                "decisions": t.decisions,
            }
            for t in study.trials
        ],
    }  # fmt: skip
