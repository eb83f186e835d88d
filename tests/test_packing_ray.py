"""Faults on Ray, pretended: a worker whose GPU failed is replaced; one that can't come back is done without."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from nas.evaluators import Evaluation, Fidelity
from nas.study import create_study, open_study
from tests.test_engine import SPACE
from tests.test_engine_ray import lanes
from tests.test_faults import ASSERT, LOST
from tests.test_packing import TOO_MUCH, Crowd, drive
from tests.toy import Count, settings

pytestmark = pytest.mark.slow


class Faulty(Count):
    """Trial 2 makes its GPU fail, trial 5 is too large beside others, at trial 8 the GPU is gone, and can't be used after that.

    Later ones wait until the driver has heard of it. Every attempt is noted in a file.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if (self.folder / "gone").exists():
            raise RuntimeError("No CUDA GPUs are available")

    def attempts(self) -> list[tuple[int, int]]:
        """Trial and process of each, in order."""
        lines = (self.folder / "attempts").read_text().splitlines()
        return [(int(number), int(pid)) for number, pid in (line.split() for line in lines)]

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        number = evaluation.task.number
        with open(self.folder / "attempts", "a") as file:
            file.write(f"{number} {os.getpid()}\n")
        tries = [begun for begun, _ in self.attempts()].count(number)
        time.sleep(0.1)
        while 2 < number < 5 and len({pid for begun, pid in self.attempts() if begun > 2}) < 2:
            time.sleep(0.05)  # until the worker of trial 2 has been replaced
        while number == 5 and tries == 1 and not any(begun == 6 for begun, _ in self.attempts()):
            time.sleep(0.05)  # until something runs beside it
        if number == 2:
            raise RuntimeError(ASSERT)
        if number == 5 and tries == 1:
            raise RuntimeError(TOO_MUCH)
        if number == 8 and tries == 1:
            (self.folder / "gone").touch()
            raise RuntimeError(LOST)
        while number > 10 and not (self.folder / "retired").exists():
            evaluation.clock.check()
            time.sleep(0.05)
        return super().evaluate(architecture, fidelity, evaluation)


def test_workers_whose_gpu_fails_are_replaced_and_the_search_goes_on_without_the_last(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evaluator = Faulty(tmp_path)

    class Telling(Crowd):
        def retired(self, worker: int, reason: str, left: int) -> None:
            assert "No CUDA GPUs are available" in reason
            super().retired(worker, reason, left)
            (tmp_path / "retired").touch()

    observer = Telling()
    with create_study(tmp_path / "run", settings(), SPACE) as study:
        drive(study, evaluator, "16trials", 2, lanes=lanes(evaluator), observer=observer)
    trials = open_study(tmp_path / "run").trials
    assert [trial.state for trial in trials] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 13
    assert trials[2].reason == f"RuntimeError: {ASSERT}"
    assert [(trial.number, trial.lost) for trial in trials if trial.lost] == [(8, 1)]
    assert [trial.number for trial in trials if trial.solo] == observer.crowded_trials == [5]
    assert len(observer.retired_lanes) == 1
    assert observer.retired_lanes[0][1] == 1
    attempts = evaluator.attempts()
    numbers = [number for number, _ in attempts]
    assert (numbers.count(2), numbers.count(5), numbers.count(8)) == (1, 2, 2)
    failed = attempts[numbers.index(2)][1]
    assert all(pid != failed for _, pid in attempts[numbers.index(2) + 1 :])
    assert trials[5].device_seconds > 0.2
    assert capfd.readouterr() == ("", "")
