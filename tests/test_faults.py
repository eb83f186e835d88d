"""GPUs that fail or disappear, pretended: what ends is a worker, or the search with its record; nothing finished is lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nas.engine import KeptLanes, LocalLanes
from nas.engine.lanes import Candidate, Done, Event, Ready, Retired
from nas.engine.ray_starts import START_ATTEMPTS, Starts
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity, Outcome
from nas.evaluators.faults import fault_of, poisons
from nas.study import create_study, open_study, resume_study
from tests.test_engine import SPACE
from tests.test_packing import Crowd, drive, searched
from tests.toy import Count, settings

ASSERT = "CUDA error: device-side assert triggered"
LOST = "CUDA error: GPU is lost. Reboot the system to recover this GPU"


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        (None, None),
        ("ValueError: no", None),
        ("timeout after 3.0s", None),
        ("RuntimeError: Expected all tensors to be on the same device, cuda:0 and cpu", None),
        ("out of memory: CUDA out of memory. Tried to allocate 2 GiB", "memory"),
        ("out of memory: CUDA error: out of memory", "memory"),
        (f"RuntimeError: {ASSERT} CUDA kernel errors might be asynchronously reported", "device"),
        ("AcceleratorError: CUDA error: an illegal memory access was encountered", "device"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm", "device"),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "device"),
        ("RuntimeError: CUDA driver error: unspecified launch failure", "device"),
        (f"RuntimeError: {LOST}", "lost"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "lost"),
        ("RuntimeError: CUDA error: driver shutting down", "lost"),
        ("RuntimeError: No CUDA GPUs are available", "lost"),
        ("RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable", "lost"),
        ("RuntimeError: NVRM: Xid 79, GPU has fallen off the bus", "lost"),
    ],
)
def test_faults_are_told_by_their_reasons(reason: str | None, fault: str | None) -> None:
    assert fault_of(reason) == fault
    assert poisons(reason) == (fault in ("device", "lost"))


class Failing(Count):
    """Raises `text` at the trials `at`, once each, or always."""

    def __init__(self, text: str, at: tuple[int, ...], always: bool = False, seconds: float = 0.02) -> None:
        super().__init__(seconds, 0.01)
        self.text, self.at, self.always = text, set(at), always
        self.seen: list[int] = []
        self.lock = threading.Lock()

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        number = evaluation.task.number
        with self.lock:
            self.seen.append(number)
            fails = number in self.at and (self.always or self.seen.count(number) == 1)
        if fails:
            time.sleep(0.03)
            raise RuntimeError(self.text)
        return super().evaluate(architecture, fidelity, evaluation)


def test_in_one_process_a_fault_of_the_gpu_ends_the_search_with_its_record(tmp_path: Path) -> None:
    evaluator = Failing(ASSERT, at=(4,), always=True)
    observer = Crowd()
    with (
        create_study(tmp_path / "run", settings(), SPACE) as study,
        pytest.raises(NasError, match=r"no worker is left: .*device-side assert.*engine=ray.*`nas resume` goes on") as caught,
    ):
        drive(study, evaluator, "12trials", 1, observer=observer)
    assert "\n" not in str(caught.value)
    assert observer.calls[-1] == ("end", "failed")
    trials = open_study(tmp_path / "run").trials
    assert [trial.state for trial in trials] == ["COMPLETE"] * 4 + ["FAIL"]
    assert trials[4].reason == f"RuntimeError: {ASSERT}"
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, evaluator, "12trials", 1)
    assert [trial.state for trial in open_study(tmp_path / "run").trials] == ["COMPLETE"] * 4 + ["FAIL"] + ["COMPLETE"] * 7


def test_who_ran_beside_the_fault_is_run_again_after_it(tmp_path: Path) -> None:
    evaluator = Failing(ASSERT, at=(3,), always=True, seconds=0.05)
    observer = Crowd()
    with create_study(tmp_path / "run", settings(), SPACE) as study, pytest.raises(NasError, match="no worker is left"):
        drive(study, evaluator, "9trials", 2, observer=observer)
    assert sorted(lane for lane, _ in observer.retired_lanes) == [0, 1]
    before = {trial.number: trial for trial in open_study(tmp_path / "run").trials}
    assert before[3].solo  # whose fault it was is not sure: it is tried again alone
    assert all(trial.state in ("COMPLETE", "RUNNING") for trial in before.values())
    with resume_study(tmp_path / "run", space=SPACE) as study, pytest.raises(NasError, match="no worker is left"):
        drive(study, evaluator, "9trials", 2)
    assert open_study(tmp_path / "run").trials[3].state == "FAIL"
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, evaluator, "9trials", 2)
    assert [trial.state for trial in open_study(tmp_path / "run").trials] == ["COMPLETE"] * 3 + ["FAIL"] + ["COMPLETE"] * 5


class Machine:
    """Pretended lanes, each on a device of its own: what they answer is `script(lane, number)`, an event or a metric."""

    grace_seconds, apart, entangled, device, dashboard = 1.0, True, False, "cuda", None

    def __init__(self, count: int, script: Any, share: float = 1.0) -> None:
        self.count, self.share, self.script = count, share, script
        self.events: list[Event] = [Ready(lane, device=f"gpu{lane}") for lane in range(count)]
        self.submitted: list[tuple[int, int]] = []
        self.stopped = False

    def start(self) -> None:
        pass

    def submit(self, lane: int, candidate: Candidate) -> None:
        self.submitted.append((lane, candidate.number))
        answer = self.script(lane, candidate.number)
        if isinstance(answer, float):
            answer = [Done(lane, candidate.number, Outcome("complete", {"accuracy": answer}, seconds=0.5))]
        self.events += answer

    def poll(self, timeout: float) -> list[Event]:
        events, self.events = self.events[:1], self.events[1:]
        return events

    def allow(self, seconds: Any) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True


def lost(lane: int, number: int, reason: str = f"RuntimeError: {LOST}") -> list[Event]:
    return [Done(lane, number, Outcome("fail", {}, reason, 0.5), gone=True), Ready(lane, device=f"gpu{lane}")]


def test_the_search_goes_on_without_a_worker_that_does_not_come_back(tmp_path: Path) -> None:
    machine = Machine(3, lambda lane, number: [Retired(1, "no such GPU", 0.5)] if lane == 1 else 0.5)
    observer = Crowd()
    study = searched(tmp_path / "run", None, "12trials", lanes=machine, observer=observer)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 12
    assert observer.retired_lanes == [(1, 2)]
    (held,) = [number for lane, number in machine.submitted if lane == 1]
    assert [lane for lane, number in machine.submitted if number == held][1:] in ([0], [2])
    assert study.trials[held].device_seconds >= 0.5
    assert study.trials[held].lost == 0  # no fault of its
    assert machine.stopped


def test_a_gpu_that_loses_one_candidate_after_another_is_not_used_any_more(tmp_path: Path) -> None:
    machine = Machine(2, lambda lane, number: lost(lane, number) if lane == 1 else 0.5)
    observer = Crowd()
    study = searched(tmp_path / "run", None, "12trials", lanes=machine, observer=observer)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 12
    assert [lane for lane, _ in machine.submitted].count(1) == 2
    assert observer.retired_lanes == [(1, 1)]
    assert sum(trial.lost for trial in study.trials) == 2


def test_a_candidate_whose_gpu_is_lost_again_and_again_fails_with_that_reason(tmp_path: Path) -> None:
    machine = Machine(2, lambda lane, number: lost(lane, number) if number == 2 else 0.5)
    study = searched(tmp_path / "run", None, "12trials", lanes=machine)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 9
    assert study.trials[2].reason == f"RuntimeError: {LOST}"
    assert [number for _, number in machine.submitted].count(2) == 3


def test_a_fault_of_its_own_fails_a_candidate_at_once_where_processes_are_apart(tmp_path: Path) -> None:
    machine = Machine(2, lambda lane, number: lost(lane, number, f"RuntimeError: {ASSERT}") if number % 4 == 1 else 0.5)
    study = searched(tmp_path / "run", None, "12trials", lanes=machine)
    assert [trial.state for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"] * 3
    assert len(machine.submitted) == 12


def test_workers_that_never_came_up_are_said_so(tmp_path: Path) -> None:
    machine = Machine(2, None)
    machine.events = [Retired(0, "no torch here"), Retired(1, "no torch here")]
    clear = pytest.raises(NasError, match="the workers cannot start: no torch here")
    with create_study(tmp_path / "run", settings(), SPACE) as study, clear:
        drive(study, None, "2trials", 2, lanes=machine)
    assert machine.stopped


def test_a_lane_that_is_gone_stays_so_for_what_follows(tmp_path: Path) -> None:
    machine = Machine(2, lambda lane, number: [Retired(1, "no such GPU")] if lane == 1 else 0.5)
    with KeptLanes(lambda: machine) as kept:  # type: ignore[arg-type, return-value]
        searched(tmp_path / "run", None, "6trials", lanes=kept)
        submitted = len(machine.submitted)
        study = searched(tmp_path / "next", None, "6trials", lanes=kept)
        assert [trial.state for trial in study.trials] == ["COMPLETE"] * 6
        assert {lane for lane, _ in machine.submitted[submitted:]} == {0}
        assert not machine.stopped


def test_a_gpu_shared_by_lanes_counts_whole(tmp_path: Path) -> None:
    machine = Machine(4, lambda lane, number: 0.5, share=0.25)
    machine.events = [Ready(lane, device="gpu") for lane in range(4)]
    clock = iter(range(10**6))
    study = searched(tmp_path / "run", None, "20trials", lanes=machine, simulated=lambda: float(next(clock)))
    total = sum(trial.device_seconds for trial in study.trials)
    assert total == pytest.approx(study.ledger().device_seconds)
    assert 0.25 <= min(trial.device_seconds for trial in study.trials) / 0.5 <= max(t.device_seconds for t in study.trials) / 0.5 <= 1.0


class Trial:
    """As Tune's."""

    def __init__(self, lane: int, folder: Path) -> None:
        self.config, self.max_failures = {"lane": lane}, -1
        self.error_file = str(folder / "error.txt")
        (folder / "error.txt").write_text("Failure # 1\nImportError: no module\n")


def test_a_lane_is_given_up_after_starts_that_failed_in_a_row(tmp_path: Path) -> None:
    starts, trial = Starts(), Trial(2, tmp_path)

    def fail() -> bool:
        """As Tune does it; whether it gave the lane up."""
        if trial.max_failures == 0:
            starts.on_trial_error(trial=trial)
            return True
        starts.on_trial_recover(trial=trial)
        return False

    for _ in range(5):  # it dies in its work, and comes up at the last attempt
        assert not any(fail() for _ in range(START_ATTEMPTS - 1))
        starts.came_up(2)
    assert not starts.retired()
    assert [fail() for _ in range(START_ATTEMPTS + 1)] == [False] * START_ATTEMPTS + [True]  # the first was no start
    assert starts.retired() == [Retired(2, "ImportError: no module")]
    assert not starts.retired()
    starts.on_trial_error(trial=SimpleNamespace(config={"lane": 1}, error_file=None))
    assert starts.retired() == [Retired(1, "unknown")]


def test_local_lanes_share_devices_by_their_number() -> None:
    lanes = LocalLanes(Count(), 6, share=1 / 3, devices=("cuda:0", "cuda:1"))
    assert [lanes._device_of(lane) for lane in range(6)] == ["cuda:0"] * 3 + ["cuda:1"] * 3
