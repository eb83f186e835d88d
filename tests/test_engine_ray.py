"""The engine on Ray: the same results as in process, restarts of what is killed, the dashboard, a quiet terminal."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from nas.engine import LocalLanes, search, trial_seed
from nas.engine.devices import Shares
from nas.errors import NasError
from nas.evaluators import Evaluation, Evaluator, Fidelity
from nas.measures import MEASURES, Measure
from nas.study import create_study, open_study, resume_study
from tests.test_engine import SPACE, Watching, drive, interrupt, proposals, proposals_of, searched
from tests.toy import SEEDED, Count, settings

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
    assert sorted(entry.name for entry in (tmp_path / "ray").iterdir()) == ["driver.lock", "run.yaml", "study.journal"]


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


def test_the_dashboard_answers_on_the_loopback_address_to_who_has_the_token(tmp_path: Path) -> None:
    evaluator = Count()
    workers = lanes(evaluator, 1, dashboard=True)
    answers: list[Any] = []
    listening: list[str] = []

    def look() -> None:
        url = f"{workers.dashboard.url}/api/version"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url, timeout=20)
        token = subprocess.run(["ray", "get-auth-token"], capture_output=True, text=True, check=True, env=environment)
        headers = {"Authorization": f"Bearer {token.stdout.split()[-1]}"}
        answers.append(urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20).status)
        import ray

        listening.append(ray.get_runtime_context().gcs_address)

    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with create_study(tmp_path / "run", settings(), SPACE) as study:
        drive(study, evaluator, "2trials", lanes=workers, observer=Watching(1, look))
    assert workers.dashboard.url.startswith("http://127.0.0.1:")
    assert "ray get-auth-token" in workers.dashboard.login
    assert answers == [200]
    assert listening[0].startswith("127.0.0.1:")


class Hanging(Count):
    """Does not ask its clock."""

    grace_seconds = 0.5

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        time.sleep(60 if evaluation.seed == self.seconds else 0.1)
        return {"accuracy": 0.5}


def test_a_candidate_that_does_not_ask_its_clock_is_ended_by_force(tmp_path: Path) -> None:
    evaluator = Hanging(trial_seed(1, 1))
    with create_study(tmp_path / "run", settings(timeout=1.0), SPACE) as study:
        drive(study, evaluator, "5trials", lanes=lanes(evaluator, 1))
    trials = open_study(tmp_path / "run").trials
    assert [trial.state for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert trials[1].reason is not None
    assert trials[1].reason.startswith("timeout after")


class Unwelcome(Count):
    """Cannot be unpacked by a worker."""

    def __setstate__(self, state: Any) -> None:
        if os.environ.get("RAY_JOB_ID") or "default_worker" in sys.argv[0]:
            raise ImportError("no module of that name here")


def test_workers_that_cannot_start_are_a_clear_error(tmp_path: Path) -> None:
    evaluator = Unwelcome()
    with (
        create_study(tmp_path / "run", settings(), SPACE) as study,
        pytest.raises(NasError, match=r"the workers cannot start: .*no module of that name here") as caught,
    ):
        drive(study, evaluator, "2trials", lanes=lanes(evaluator, 1))
    assert "\n" not in str(caught.value)


def test_what_ray_cannot_use_is_a_clear_error(tmp_path: Path) -> None:
    import threading

    evaluator: Any = Count()
    evaluator.lock = threading.Lock()
    with create_study(tmp_path / "run", settings(), SPACE) as study, pytest.raises(NasError, match="cannot be sent") as caught:
        drive(study, evaluator, "2trials", lanes=lanes(evaluator))
    assert "\n" not in str(caught.value)
    with resume_study(tmp_path / "run", space=SPACE) as study, pytest.raises(NasError, match="cannot be reached"):
        drive(study, Count(), "2trials", lanes=lanes(Count(), address="127.0.0.1:1"))


def test_what_follows_a_search_uses_the_workers_that_are_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import ray

    starts: list[Any] = []
    start = ray.init
    monkeypatch.setattr(ray, "init", lambda *args, **options: starts.append(options) or start(*args, **options))
    studies = [
        search(
            "tiny", evaluator=SEEDED, budget="6trials", engine=engine, workers=1, out=tmp_path / engine, confirm="2x2", control=True,
            dashboard=False,
        )
        for engine in ("ray", "local")
    ]  # fmt: skip
    assert len(starts) == 1
    assert not ray.is_initialized()
    first, second = ([proposals(open_study(study.directory / name)) for name in RUNS] for study in studies)
    assert first == second
    assert studies[0].comparison == studies[1].comparison
    assert capfd.readouterr() == ("", "")


RUNS = ("", "confirm", "control", "control/confirm")


class Watched(Count):
    """Its workers know a timed measure that notes in a file when it began and ended, and of what."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log
        self.__setstate__(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        MEASURES._items["watched_ms"] = Measure(self.watch, "for this test", larger=False, proxy=False, timed=True)

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        (self.log.parent / f"{os.getpid()}.pid").touch()
        while len(list(self.log.parent.glob("*.pid"))) < 2:  # so both go on to measure at the same time
            time.sleep(0.01)
            evaluation.clock.check()
        return super().evaluate(architecture, fidelity, evaluation)

    def watch(self, architecture: Any, probe: Any) -> float:
        begun = time.time()
        time.sleep(0.05)
        with open(self.log, "a") as file:
            file.write(f"{os.getpid()} {begun} {time.time()} {architecture.digest}\n")
        return len(self.log.read_text().splitlines())


def test_two_workers_measure_one_after_another_and_no_network_again_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MEASURES, "_items", dict(MEASURES._items))
    evaluator = Watched(tmp_path / "log")
    goals = settings(objectives=["max:accuracy", "min:watched_ms"])
    with create_study(tmp_path / "run", goals, SPACE) as study:
        drive(study, evaluator, "8trials", lanes=lanes(evaluator))
        known = {trial.digest for trial in study.trials}
    first = len(evaluator.log.read_text().splitlines())
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, evaluator, "16trials", lanes=LocalLanes(evaluator))
    rows = [line.split() for line in evaluator.log.read_text().splitlines()]
    assert len({pid for pid, *_ in rows[:first]}) == 2  # of both workers, and none of them the driver's
    assert str(os.getpid()) not in {pid for pid, *_ in rows[:first]}
    times = sorted((float(begun), float(ended)) for _, begun, ended, _ in rows)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(times))
    assert known.isdisjoint(digest for *_, digest in rows[first:])
    trials = open_study(tmp_path / "run").trials
    assert [trial.state for trial in trials] == ["COMPLETE"] * 16
    assert all(trial.values == (trial.metrics["accuracy"], trial.metrics["watched_ms"]) for trial in trials)
    assert all(trial.metrics["watched_ms"] <= first for trial in trials if trial.digest in known)
