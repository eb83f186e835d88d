"""Real training that keeps an account beside the record, as the timed evaluator does."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.evaluators import EVALUATORS, Evaluation, Evaluator, Fidelity
from nas.testing.faults.account import Writer
from nas.testing.faults.evaluator import ACCOUNT, STEP

if TYPE_CHECKING:
    from nas.arch import Architecture


class Watched:
    """Another evaluator, whose evaluations are watched by a thread."""

    def __init__(self, inner: Evaluator) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        """All else is the other's."""
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Mapping[str, float]:
        """As the other does."""
        task, end, over = evaluation.task, "cut", threading.Event()
        writer = Writer(Path(os.environ[ACCOUNT]), str(Path(task.store.where("any")).parent.parent) if task.store else "", task.number)

        def watch() -> None:
            while not over.wait(STEP):
                writer.alive()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            metrics = self._inner.evaluate(architecture, fidelity, evaluation)
            end = "done"
        finally:
            over.set()
            watcher.join()
            writer.close(end)
        return metrics


def register() -> None:
    """Let `nas search --evaluator watched` find it: the training evaluator."""

    def watched(dataset: str = "digits", **options: Any) -> Evaluator:
        return Watched(EVALUATORS.get("training")(dataset=dataset, **options))

    if "watched" not in EVALUATORS:
        EVALUATORS.add("watched", watched)
