"""Which verb made a folder."""

from __future__ import annotations

from pathlib import Path

from nas.errors import NasError


def is_training(run: Path) -> bool:
    """Whether `run` is a folder of `nas train`; else it is one of `nas search`. Raises `NasError` where it is neither."""
    from nas.study.settings import RUN_FILE
    from nas.trainer.settings import TRAIN_FILE

    path = run.expanduser()
    if (path / TRAIN_FILE).is_file():
        return True
    if not (path / RUN_FILE).is_file():
        what = "no such folder" if not path.exists() else f"neither a search nor a training (it has no {RUN_FILE} and no {TRAIN_FILE})"
        raise NasError(f"{run}: {what}; allowed: a folder that `nas search` or `nas train` made")
    return False


def need_search(run: Path, other: str) -> None:
    """Raise `NasError` where `run` is no folder of `nas search`; of a training `other` is the verb that shows it."""
    if is_training(run):
        raise NasError(f"{run}: is a training, which `{other} {run}` shows; allowed: a folder that `nas search` made")
