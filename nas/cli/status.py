"""`nas status`: what a run has found and used so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nas.cli.app import Examples


@click.command(cls=Examples, examples=("nas status runs/NAME", "nas status runs/NAME --json | jq .ledger"))
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--storage", metavar="URL", help="Where the record lies now, if it was moved.")
@click.option("--json", "as_json", is_flag=True, help="Everything, every trial included, as JSON.")
def command(run: Path, storage: str | None, as_json: bool) -> None:
    """Show the ledger and the best trials of the run in the folder RUN, running or ended, and what was confirmed."""
    import nas

    study = nas.open_study(run, storage=storage)
    if as_json:
        click.echo(json.dumps(_plain(study), indent=2))
        return
    from nas.cli.search import closing

    closing(study)


def _plain(study: Any) -> dict[str, Any]:
    from nas.report.coefficients import plain as scaling
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
