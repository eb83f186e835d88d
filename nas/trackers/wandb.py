"""Weights & Biases: a run a candidate, in a project of the person's. Offline with `WANDB_MODE=offline`."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from nas.errors import NasError
from nas.trackers.base import TRACKERS, Entry, Run

PROJECT = "nas"
FAILED = 1  # the exit status by which it shows a run as failed


@TRACKERS.register("wandb")
class WeightsAndBiases:
    """`target` is the project. The runs of a search are one group; an identity of its own keeps a trial from being there twice."""

    name: ClassVar[str] = "wandb"
    package: ClassVar[str] = "wandb"
    install: ClassVar[str] = "'nas[wandb]'"
    metavar: ClassVar[str] = "[PROJECT]"
    help: ClassVar[str] = "A run a candidate in Weights & Biases (project nas; WANDB_MODE=offline: on this disk)."

    def __init__(self, target: str) -> None:
        self.target = target
        self._run: Run | None = None

    def check(self) -> None:
        """Raise `NasError` where it would ask for a key in the middle of the search."""
        import wandb

        mode = os.environ.get("WANDB_MODE", "online").lower()
        if mode in ("online", "run", "") and not _logged_in(wandb):
            raise NasError("--wandb: nobody is logged in; allowed: wandb login, the variable WANDB_API_KEY, or WANDB_MODE=offline")

    def open(self, run: Run) -> None:
        """Nothing is sent yet."""
        self._run = run

    def add(self, entry: Entry) -> None:
        """Raises what wandb raises."""
        import wandb

        run = self._run
        assert run is not None
        config = {"digest": entry.digest, **run.settings, **entry.facts, "decisions": dict(entry.decisions)}
        quiet = wandb.Settings(silent=True, console="off")
        made: Any = wandb.init(
            project=self.target or PROJECT, id=f"{run.key}-{entry.number}", name=run.title(entry), group=run.search,
            job_type=run.study.rpartition("/")[2] if "/" in run.study else "search", dir=str(run.directory), config=config,
            resume="allow", reinit="create_new", settings=quiet,
        )  # fmt: skip
        made.define_metric(entry.objective, step_metric="epoch")
        for epoch, value, seconds in entry.curve:
            made.log({entry.objective: value, "seconds": seconds, "epoch": epoch})
        made.summary.update(entry.numbers())
        made.finish(exit_code=FAILED if entry.failed else 0)

    def close(self) -> None:
        """Every run was finished on its own."""


def _logged_in(wandb: Any) -> bool:
    try:
        return bool(wandb.login(prompt=False, verify=False))
    except TypeError:  # older ones would ask
        return bool(wandb.api.api_key)
