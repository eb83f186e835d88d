"""The engine on Ray: the same results as in process, restarts of what is killed, the dashboard, a quiet terminal."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nas.engine import trial_seed
from nas.engine.devices import Shares
from nas.evaluators import Evaluation, Evaluator, Fidelity
from nas.study import create_study, open_study, resume_study
from tests.test_engine import SPACE, Watching, drive, interrupt, proposals, proposals_of, searched
from tests.toy import Count, settings

pytestmark = pytest.mark.slow


def lanes(evaluator: Evaluator, workers: int = 2, **options: Any) -> Any:
    from nas.engine.ray_lanes import RayLanes

    return RayLanes(evaluator, Shares(workers, 0.0, 1), **({"dashboard": False} | options))


class Deadly(Count):
    """Kills its own process the first `times` times that it meets trial `victim`, and notes every attempt in a file."""

    def __init__(self, folder: Path, victim: int, times: int, **options: Any) -> None:
        super().__init__(**options)
        self.log, self.seed, self.times = folder / "attempts", victim, times

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        with open(self.log, "a") as file:
            file.write(f"{evaluation.seed}\n")
        if evaluation.seed == self.seed and self.log.read_text().split().count(str(self.seed)) <= self.times:
            time.sleep(1.2)  # more than a sign of life
            os.kill(os.getpid(), signal.SIGKILL)
        return super().evaluate(architecture, fidelity, evaluation)


def test_one_worker_on_ray_gives_the_record_of_the_local_engine_and_is_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    local = searched(tmp_path / "local", Count(fail_on="ab"), "30trials")
    capfd.readouterr()
    evaluator = Count(fail_on="ab")
    with create_study(tmp_path / "ray", settings(), SPACE) as study, pytest.raises(KeyboardInterrupt):
        drive(study, evaluator, "30trials", lanes=lanes(evaluator, 1), observer=Watching(12, interrupt))
    assert [t.state for t in open_study(tmp_path / "ray").trials][12:] == ["RUNNING"]
    with resume_study(tmp_path / "ray", space=SPACE) as study:
        drive(study, evaluator, "30trials", lanes=lanes(evaluator, 1))
    assert proposals(open_study(tmp_path / "ray")) == proposals(local)
    assert capfd.readouterr() == ("", "")
    assert sorted(entry.name for entry in (tmp_path / "ray").iterdir()) == ["run.yaml", "study.journal", "study.journal.batch"]


def test_what_a_worker_was_killed_with_is_run_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    evaluator = Deadly(tmp_path, trial_seed(1, 3), 1, seconds=0.2)
    observer = Watching()
    with create_study(tmp_path / "run", settings(), SPACE) as study:
        drive(study, evaluator, "14trials", lanes=lanes(evaluator), observer=observer)
    trials = open_study(tmp_path / "run").trials
    assert [trial.number for trial in trials] == list(range(14))
    assert all(trial.state == "COMPLETE" for trial in trials)
    assert trials[3].lost == 1
    assert 1.4 < trials[3].device_seconds < 2.6
    attempts = (tmp_path / "attempts").read_text().split()
    assert attempts.count(str(trial_seed(1, 3))) == 2
    assert len(attempts) == 15
    assert capfd.readouterr() == ("", "")


def test_a_candidate_that_kills_its_worker_again_and_again_fails_and_time_is_kept_on_ray(tmp_path: Path) -> None:
    evaluator = Deadly(tmp_path, trial_seed(1, 0), 9, seconds=30.0, step=0.05, reports=True)
    with create_study(tmp_path / "run", settings(), SPACE) as study:
        drive(study, evaluator, f"{8 / 3600}gpuh", lanes=lanes(evaluator, 1))
    trials = open_study(tmp_path / "run").trials
    assert (trials[0].state, trials[0].lost) == ("FAIL", 2)
    assert trials[0].reason == "the worker died 3 times (killed, or out of memory)"
    assert [(trial.state, trial.cut) for trial in trials[1:]] == [("COMPLETE", True)]
    assert 7 < open_study(tmp_path / "run").ledger().device_seconds <= 8 + 0.5


DRIVER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.test_engine import SPACE, Watching, drive
from tests.test_engine_ray import lanes
from tests.toy import Count, settings
from nas.study import create_study, resume_study
class Loud(Watching):
    def finished(self, finished):
        print("finished", flush=True)
directory = Path(sys.argv[1])
evaluator = Count(0.2, 0.05, fail_on="ab")
new = not (directory / "run.yaml").exists()
with create_study(directory, settings(), SPACE) if new else resume_study(directory, space=SPACE) as study:
    drive(study, evaluator, "30trials", lanes=lanes(evaluator), observer=Loud())
"""


def start_driver(directory: Path) -> subprocess.Popen[bytes]:
    code = DRIVER.format(path=[str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, "-c", code, str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def test_the_driver_killed_then_interrupted_then_left_alone(tmp_path: Path) -> None:
    done: list[dict[int, Any]] = []
    for number in (signal.SIGKILL, signal.SIGINT, None):
        with start_driver(tmp_path / "run") as process:
            assert process.stdout is not None
            for _ in range(5):
                assert process.stdout.readline() == b"finished\n"
            sent = time.monotonic()
            if number == signal.SIGKILL:
                process.kill()
            elif number == signal.SIGINT:
                os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to Ray's processes, too
            _, errors = process.communicate(timeout=90)
            if number == signal.SIGINT:
                assert time.monotonic() - sent < 15
                assert errors.rstrip().endswith(b"KeyboardInterrupt")
        trials = open_study(tmp_path / "run").trials
        done.append({trial[0]: trial for trial in proposals_of(trials)})
        assert (process.returncode == 0) == (number is None), errors.decode()
    for earlier, later in itertools.pairwise(done):
        assert earlier.items() <= later.items()
        assert len(later) >= len(earlier) + 4
    assert sorted(done[-1]) == list(range(30))
