"""The engine on Ray: its dashboard, workers that hang or cannot start, what follows a search, what is measured on workers.

Apart from test_engine_ray.py: Ray, started and stopped some eight times in one process, has been seen to abort it.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from nas.engine import LocalLanes, search, trial_seed
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity
from nas.measures import MEASURES, Measure
from nas.study import create_study, open_study, resume_study
from tests.test_engine import SPACE, Watching, drive, proposals
from tests.test_engine_ray import lanes
from tests.toy import SEEDED, Count, settings

pytestmark = pytest.mark.slow


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
