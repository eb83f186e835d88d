"""An evaluator that takes a known time and gives known values, keeps an account of its own, and leaves weights for promotions."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.evaluators import EVALUATORS, Evaluation, Fidelity, Store, StoreError
from nas.evaluators.store import of_trial
from nas.testing.faults.account import Writer

if TYPE_CHECKING:
    from nas.arch import Architecture

STEP = 0.02  # seconds between two looks at the clock
ACCOUNT = "NAS_FAULTS_ACCOUNT"  # the variable that names the folder of the account
WEIGHTS = 4096  # bytes


class Timed:
    """Takes `seconds` an epoch. The value is drawn from network, seed, epochs and what it went on with, alike in every process.

    So a promotion that finds other weights than it would have found, or none, comes to another value.
    """

    objective, full_epochs = "accuracy", 2

    def __init__(self, seconds: float = 0.2, account: str = "") -> None:
        self.seconds, self.account = seconds, account or os.environ.get(ACCOUNT, "")

    def settings(self) -> dict[str, Any]:
        """For the record."""
        return {"seconds": self.seconds, "account": self.account}

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        """Metrics; its account says that it ended, or was cut off."""
        task, end = evaluation.task, "cut"
        run = str(Path(task.store.where("any")).parent.parent) if task.store else ""
        writer = Writer(Path(self.account), run, task.number)
        try:
            before = self._before(evaluation)
            begun = time.monotonic()
            for epoch in range(1, fidelity.epochs + 1):
                while time.monotonic() < begun + epoch * self.seconds:
                    evaluation.clock.check()
                    time.sleep(STEP)
                    writer.alive()
                key = f"{architecture.digest}:{evaluation.seed}:{epoch}:{fidelity.samples}:{fidelity.test}:{before}"
                value = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32
                metrics = {"accuracy": 0.5 * value + 0.5 * int(architecture.digest[:6], 16) / 2**24}
                evaluation.report({"epochs": float(epoch), **metrics})
            if task.keep and task.store is not None:
                self._keep(task.store, of_trial(task.number), repr((task.number, value)), evaluation)
            end = "done"
        finally:
            writer.close(end)
        return metrics | ({"test_accuracy": metrics["accuracy"] / 2} if fidelity.test else {})

    def _keep(self, store: Store, name: str, text: str, evaluation: Evaluation) -> None:
        """As training does: where weights can't be kept, that is a note."""
        try:
            store.write(name, hashlib.sha256(text.encode()).digest() * (WEIGHTS // 32))
        except StoreError as error:
            evaluation.notes.append(str(error))

    def _before(self, evaluation: Evaluation) -> str:
        """What it goes on with; `torn` of weights that are not whole."""
        task = evaluation.task
        if task.go_on is None or task.store is None:
            return ""
        data = task.store.read(of_trial(task.go_on))
        if data is None:
            return "lost"
        return data[:32].hex() if len(data) == WEIGHTS and data == data[:32] * (WEIGHTS // 32) else "torn"


def register() -> None:
    """Let `nas search --evaluator timed` find it."""
    if "timed" not in EVALUATORS:
        EVALUATORS.add("timed", lambda seconds=0.2, account="": Timed(seconds, account))
