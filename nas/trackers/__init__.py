"""Other programs' records of trials: TensorBoard, Weights & Biases, MLflow. Importing this imports none of them.

A tracker is one file: a class with the attributes and methods of `Tracker`, registered in `TRACKERS` by its import
below; the option of `nas search` and `nas resume` is made from that. A copy is all that it gets: the study stays the record.
"""

from __future__ import annotations

import importlib.util

from nas.errors import NasError
from nas.trackers import mlflow, tensorboard, wandb  # each registers its tracker  # noqa: F401
from nas.trackers.base import TRACKERS, Entry, Run, Tracker

__all__ = ["TRACKERS", "Entry", "Run", "Tracker", "create"]


def create(name: str, target: str = "") -> Tracker:
    """The tracker of that name, for a project or place of its own kind ("": its default).

    Raises `NasError`, before any work is done, where its package is not installed or it cannot be used.
    """
    kind = TRACKERS.get(name)
    if importlib.util.find_spec(kind.package) is None:
        raise NasError(f"--{name} needs the package {kind.package}; allowed: pip install {kind.install}")
    tracker = kind(target)
    tracker.check()
    return tracker
