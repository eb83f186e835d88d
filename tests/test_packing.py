"""Many candidates on one device: what they are expected to take, where they go, and who waits for whom."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas
from nas import data as datasets
from nas import spaces
from nas.budget import Budget
from nas.engine import Driver, LocalLanes, resume, search
from nas.engine.devices import AUTO, Shares, share_out
from nas.engine.mps import CONTROL, LOG, PIPE, Mps
from nas.engine.packing import ENOUGH, UNMEASURED, Correction, Room, lanes_that_fit
from nas.engine.place import check_device
from nas.engine.queue import Expected, Queue
from nas.engine.sharing import memory_per_device, packed
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity, create
from nas.evaluators.memory import WORKSPACE, Peak, training_bytes
from nas.evaluators.training import TrainingEvaluator
from nas.loading import load
from nas.study import Recorder, Study, create_study, open_study, resume_study
from nas.training.dataset import TrainingData
from nas.training.recipe import Recipe
from nas.training.run import Run
from tests.test_engine import SPACE, Watching
from tests.toy import Climber, settings

# ---- what a training takes -----------------------------------------------------------------------------------------


def images(count: int = 200) -> TrainingData:
    """Noise of 32 x 32 pixels in ten classes."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 10
    noise = dataclasses.replace(datasets.load("digits"), x_train=x, y_train=y, x_test=None, y_test=None)
    return TrainingData.of(noise, 0.2, 0, torch.device("cpu"))


def measured_bytes(network: Any, recipe: Recipe, data: TrainingData) -> float:
    """The most that a training step had allocated at once, by torch's profiler, with the weights and the optimiser's state."""
    run = Run(network.build(), data, recipe, 1, 0, lambda: None)
    run.module.train()
    run.train_step(data.train[: recipe.batch])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run.train_step(data.train[: recipe.batch])
    kineto: Any = profile.profiler
    events = [event for event in kineto.kineto_results.events() if event.name() == "[memory]"]
    most = total = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        most = max(most, total)
    held = sum(4 * tensor.numel() for tensor in (*run.module.parameters(), *run.module.buffers()))
    return most + held + 4 * sum(parameter.numel() for parameter in run.module.parameters())


@pytest.mark.parametrize("name", ["resnet20", "tiny", "nas-bench-201"])
def test_the_prediction_is_what_a_training_step_allocates(name: str) -> None:
    network: Any
    if name == "resnet20":
        network = load(name).with_input((3, 32, 32), 10)
    else:
        space = spaces.load(name).with_input((3, 32, 32), 10)
        network = space.decode(space.sample(random.Random(0))).resized(width=0.5, depth=0.34)
    recipe = Recipe(batch=32, precision="float32")
    predicted = training_bytes(network, recipe, 160) - WORKSPACE
    assert 0.85 < measured_bytes(network, recipe, images()) / predicted < 1.1


def test_what_the_recipe_adds_to_a_prediction() -> None:
    network = load("resnet20").with_input((3, 32, 32), 10)
    params = network.cost().params
    plain = training_bytes(network, Recipe(batch=64), 1000)
    assert training_bytes(network, Recipe(batch=64, ema=0.99), 1000) == plain + 4 * params
    assert training_bytes(network, Recipe(batch=64, optimizer="adamw"), 1000) == plain + 4 * params
    assert training_bytes(network, Recipe(batch=64), 32) < plain / 1.4  # a batch has no more images than there are
    assert plain / 2 < training_bytes(network, Recipe(batch=64), 1000, half=True) < plain


def test_the_evaluator_predicts_the_proxy_that_it_trains() -> None:
    evaluator = TrainingEvaluator("digits")
    candidate = spaces.load("tiny").decode(spaces.load("tiny").sample(random.Random(1)))
    whole, proxy = (evaluator.memory(candidate, Fidelity(width=width), "cpu") for width in (1.0, 0.5))
    assert WORKSPACE < proxy < whole
    assert evaluator.standing_bytes("cpu") < evaluator.standing_bytes("cuda")
    metrics = evaluator.evaluate(candidate, Fidelity(samples=0.05), Evaluation())
    assert "peak_memory_bytes" not in metrics  # on a CPU nothing honest can be said of one candidate
    assert Peak(torch.device("cpu")).of({"peak_memory_bytes": 3.0, "accuracy": 0.5}) == {"accuracy": 0.5}


def test_the_correction_is_a_high_quantile_and_no_outlier() -> None:
    correction = Correction()
    assert correction.factor == UNMEASURED
    for bad in (0.0, math.nan, math.inf, -1.0):
        correction.learn(1.0, bad)
        correction.learn(bad, 1.0)
    assert correction.factor == UNMEASURED
    correction.learn(10.0, 30.0)
    assert correction.factor == 3.0  # an early one that took more counts at once
    for _ in range(99):
        correction.learn(10.0, 8.0)
    assert correction.factor == 0.8
    for _ in range(200):
        correction.learn(1.0, 1e9)
    assert correction.factor == 10.0


# ---- room ----------------------------------------------------------------------------------------------------------


def check(room: Room, lanes: dict[int, str], capacity: dict[str, float], held: dict[int, tuple[float, bool]]) -> None:
    for device in set(lanes.values()):
        on = [held[lane] for lane, place in lanes.items() if place == device and lane in held]
        assert len(on) == 1 or sum(need for need, _ in on) <= capacity[device] + 1e-9
        assert len(on) <= 1 or not any(solo for _, solo in on)


@pytest.mark.parametrize("seed", range(20))
def test_no_device_is_overfilled_and_everything_runs_in_the_end(seed: int) -> None:
    rng = random.Random(seed)
    devices = [f"gpu{index}" for index in range(rng.randint(1, 3))]
    capacity = {device: rng.choice([8.0, 16.0]) for device in devices}
    lanes = {lane: rng.choice(devices) for lane in range(rng.randint(1, 9))}
    room = Room()
    for lane, device in lanes.items():
        room.up(lane, device, capacity[device])
    waiting = [(number, rng.choice([1.0, 3.0, 7.0, 12.0, 99.0]), rng.random() < 0.1) for number in range(60)]
    held: dict[int, tuple[float, bool]] = {}
    queue: list[tuple[int, float, bool]] = []
    started: list[int] = []
    since: dict[int, int] = {}  # what was started since a number began to wait
    while waiting or queue or held:
        for work in list(queue):
            lane = room.take(*work)
            if lane is not None:
                queue.remove(work)
                assert lane not in held
                held[lane] = work[1:]
                started.append(work[0])
        while waiting and room.open:
            work = waiting.pop(0)
            lane = room.take(*work)
            if lane is None:
                queue.append(work)
                since[work[0]] = len(started)
            else:
                held[lane] = work[1:]
                started.append(work[0])
        check(room, lanes, capacity, held)
        assert held, "nothing runs, though something waits"
        assert len(queue) <= len(devices)
        lane = rng.choice(list(held))
        assert room.free(lane) is not None
        del held[lane]
    assert sorted(started) == list(range(60))


def test_a_large_one_waits_for_its_device_while_others_go_to_another() -> None:
    room = Room()
    for lane, device in enumerate("aabb"):
        room.up(lane, device, 10.0)
    first, second = room.take(0, 4.0), room.take(1, 6.0)
    assert {first, second} == {0, 2}  # the device with more left
    assert room.take(2, 9.0) is None  # claims the device that has more left
    assert room.open
    assert room.take(3, 4.0) == 3
    assert not any(room.take(number, 0.1) is not None for number in (4, 5))
    assert room.take(2, 9.0) is None
    room.free(0)
    assert room.take(2, 9.0) == 0  # drained: and it goes first
    assert room.take(4, 2.0) is None


def test_what_fits_beside_nothing_runs_alone_and_what_ran_beside_is_known() -> None:
    room = Room()
    for lane in range(3):
        room.up(lane, "gpu", 10.0)
    assert room.take(0, 50.0) == 0
    assert room.take(1, 0.1) is None
    held = room.free(0)
    assert held is not None
    assert not held.beside
    assert [room.take(1, 0.1), room.take(2, 0.1)] == [0, 1]
    held = room.free(0)
    assert held is not None
    assert held.beside
    assert room.take(3, 0.1, solo=True) is None  # the other one still runs
    room.free(1)
    assert room.take(3, 0.1, solo=True) == 0
    assert room.take(4, 0.1) is None
    room.down(0)
    assert room.take(4, 0.1) == 1


def test_workers_need_room_of_their_own_and_the_gpu_of_idle_ones_is_charged_to_who_runs() -> None:
    apart, threads = Room(standing=2.0), Room(standing=2.0, apart=False)
    for room in (apart, threads):
        for lane in range(4):
            room.up(lane, "gpu", 10.0)
    assert (apart.left("gpu"), threads.left("gpu")) == (2.0, 8.0)
    assert apart.take(0, 1.0) == 0
    assert apart.part(0, 0.25) == 1.0
    assert apart.take(1, 1.0) == 1
    assert (apart.part(0, 0.25), apart.part(1, 0.25)) == (0.5, 0.5)
    assert apart.part(0, 1.0) == 1.0
    assert Room(capacity=3.0).take(0) is None  # no lane is up


def test_lanes_for_what_candidates_take_on_average() -> None:
    assert lanes_that_fit(80.0, 1.0, [5.0, 7.0], cores=16, apart=True) == 8
    assert lanes_that_fit(40.0, 1.0, [5.0, 7.0], cores=16, apart=True) == 5
    assert lanes_that_fit(40.0, 4.0, [6.0], cores=16, apart=False) == 6
    assert lanes_that_fit(80.0, 1.0, [5.0], cores=3, apart=True) == 3
    assert lanes_that_fit(4.0, 1.0, [5.0], cores=3, apart=True) == 1


def test_shares_by_themselves() -> None:
    assert share_out(None, AUTO, gpus=2, cores=16) == Shares(2, 1.0, 8)
    assert share_out(8, AUTO, gpus=2, cores=16) == Shares(2, 1.0, 8)
    assert share_out(1, AUTO, gpus=2, cores=16) == Shares(1, 1.0, 16)
    assert share_out(None, AUTO, gpus=0, cores=4) == Shares(4, 0.0, 1)
    evaluator: Any = Sized({})
    lines: list[str] = []
    evaluator.need = 4e9

    def chosen(memory: float, workers: int | None = None, gpus: int = 2, cores: int = 16) -> Shares:
        shares = share_out(workers, AUTO, gpus=gpus, cores=cores)
        return packed(shares, evaluator, SPACE, Fidelity(), 0, memory, workers=workers, apart=True, note=lines.append)

    assert chosen(22e9) == Shares(8, 0.25, 2)
    assert chosen(22e9, workers=3) == Shares(3, 0.5, 5)
    assert chosen(800e9, cores=4) == Shares(4, 0.5, 1)
    assert chosen(1e9) == Shares(2, 1.0, 8)
    assert chosen(11e9, gpus=0, cores=4) == Shares(2, 0.0, 1)
    assert chosen(0.0, gpus=0, cores=4) == Shares(4, 0.0, 1)
    assert lines[0] == "packing: 8 workers, 4 on each GPU, a candidate takes about 5 GB of memory and a worker 0 B; 22 GB there"
    with pytest.raises(NasError, match="cluster needs the memory"):
        packed(Shares(2, 1.0, 8), evaluator, SPACE, Fidelity(), 0, 0.0, workers=None, apart=True, here=False)


@pytest.mark.parametrize("given", ["", "lots", "12", 5, -1, "-3GB", math.inf, math.nan, True, "2 parsecs"])
def test_a_size_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(NasError, match=r"memory_per_device=.*allowed"):
        memory_per_device(given)
    assert [memory_per_device(size) for size in (None, 0, "2GB", "512MiB", 3e9)] == [0.0, 0.0, 2e9, 512 * 2**20, 3e9]


# ---- searches ------------------------------------------------------------------------------------------------------


TOO_MUCH = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Sized:
    """Words take memory by their first letter, and a while; it notes who ran beside whom, and what was too much."""

    objective = "accuracy"

    def __init__(self, sizes: dict[str, float], there: float = math.inf, seconds: float = 0.01, factor: float = 1.0) -> None:
        self.sizes, self.there, self.seconds, self.factor = sizes, there, seconds, factor
        self.need = 1.0
        self.running: dict[int, float] = {}
        self.most = self.crowd = 0.0
        self.attempts: list[int] = []
        self.lock = threading.Lock()

    def memory(self, architecture: Any, fidelity: Fidelity, device: str) -> float:
        return self.sizes.get(architecture.letters[0], self.need)

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        number, size = evaluation.task.number, self.factor * self.memory(architecture, fidelity, "cpu")
        with self.lock:
            self.running[number] = size
            self.attempts.append(number)
            self.most = max(self.most, sum(self.running.values()) if len(self.running) > 1 else 0.0)
            self.crowd = max(self.crowd, len(self.running))
        try:
            time.sleep(self.seconds)
            with self.lock:
                if sum(self.running.values()) > self.there:
                    raise RuntimeError(TOO_MUCH)
        finally:
            with self.lock:
                del self.running[number]
        return {"accuracy": architecture.letters.count("a") / 4, "peak_memory_bytes": size}


def drive(study: Recorder, evaluator: Any, budget: str, workers: int, queue: Queue | None = None, **options: Any) -> str:
    lanes = options.pop("lanes", None) or LocalLanes(evaluator, workers)
    strategy: Any = Climber(SPACE, study.settings.seed)
    return Driver(study, strategy, lanes, Budget.parse(budget), Fidelity(), queue=queue, **options).run()


def searched(directory: Path, evaluator: Any, budget: str, workers: int = 4, queue: Queue | None = None, **options: Any) -> Study:
    with create_study(directory, settings(), SPACE) as study:
        drive(study, evaluator, budget, workers, queue, **options)
    return open_study(directory, space=SPACE)


def room_for(evaluator: Any, capacity: float) -> Queue:
    return Queue(Room(capacity), Expected(evaluator, Fidelity(), "cpu"))


def test_candidates_run_together_as_far_as_they_fit(tmp_path: Path) -> None:
    evaluator = Sized({"a": 1.0, "b": 2.0, "c": 4.0, "d": 50.0})
    study = searched(tmp_path / "run", evaluator, "60trials", 4, room_for(evaluator, 8.0))
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 60
    assert {trial.decisions["letter0"] for trial in study.trials} == set("abcd")
    assert evaluator.most <= 8.0
    assert evaluator.crowd > 1
    ledger = study.ledger()
    assert (ledger.finished, ledger.failed) == (60, 0)


def test_candidates_that_take_more_than_predicted_teach_the_prediction(tmp_path: Path) -> None:
    evaluator = Sized({}, factor=3.0, seconds=0.005)
    searched(tmp_path / "run", evaluator, "15trials", 4, room_for(evaluator, 6.5))
    finished = [(SPACE.decode(trial.decisions), 1.0, trial.metrics) for trial in open_study(tmp_path / "run").trials]
    learned = Expected(evaluator, Fidelity(), "cpu", finished)
    assert learned.factor == 3.0  # the same from the record
    assert len(open_study(tmp_path / "run").trials) > ENOUGH
    evaluator.most = 0.0
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, evaluator, "30trials", 4, Queue(Room(6.5), learned))
    assert evaluator.most == 6.0  # two at a time, and not three


def test_out_of_memory_beside_others_is_tried_once_alone(tmp_path: Path) -> None:
    evaluator = Sized({"d": 99.0}, there=8.0, seconds=0.1)
    evaluator.need = 5.0  # two never fit; the first ones are launched together
    watching = Crowd()
    study = searched(tmp_path / "run", evaluator, "14trials", 3, observer=watching)
    failed = [trial for trial in study.trials if trial.state == "FAIL"]
    assert failed
    for trial in study.trials:
        hopeless = trial.decisions["letter0"] == "d"
        assert trial.state == ("FAIL" if hopeless else "COMPLETE")
        tries = evaluator.attempts.count(trial.number)
        assert tries == (2 if trial.solo else 1)
        assert trial.device_seconds >= tries * evaluator.seconds
        assert trial.reason == (f"out of memory: {TOO_MUCH}" if hopeless else None)
    assert {trial.number for trial in study.trials if trial.solo} == set(watching.crowded_trials)
    assert any(trial.solo and trial.state == "COMPLETE" for trial in study.trials)


def test_out_of_memory_of_who_was_alone_is_recorded_at_once(tmp_path: Path) -> None:
    evaluator = Sized({}, there=0.5)
    study = searched(tmp_path / "run", evaluator, "2trials", 1)
    assert [(trial.state, trial.solo) for trial in study.trials] == [("FAIL", False)] * 2
    assert evaluator.attempts == [0, 1]


class Crowd(Watching):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.crowded_trials: list[int] = []
        self.retired_lanes: list[tuple[int, int]] = []

    def crowded(self, number: int, reason: str) -> None:
        assert reason.startswith(("out of memory", "RuntimeError: CUDA error"))
        self.crowded_trials.append(number)
        if len(self.crowded_trials) == self.at:
            self.on()

    def retired(self, worker: int, reason: str, left: int) -> None:
        self.retired_lanes.append((worker, left))


def test_who_is_to_be_tried_alone_is_so_after_a_resume(tmp_path: Path) -> None:
    class Leaving(Watching):
        def crowded(self, number: int, reason: str) -> None:
            raise KeyboardInterrupt  # here, and not wherever a signal would find the driver

    evaluator = Sized({}, there=8.0, seconds=0.1)
    evaluator.need = 5.0  # two never fit; the first ones are launched together
    with create_study(tmp_path / "run", settings(), SPACE) as study, pytest.raises(KeyboardInterrupt):
        drive(study, evaluator, "12trials", 3, observer=Leaving())
    left = [trial for trial in open_study(tmp_path / "run").trials if trial.state == "RUNNING" and trial.solo]
    assert len(left) == 1
    tried = evaluator.attempts.count(left[0].number)
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, evaluator, "12trials", 3)
    trial = open_study(tmp_path / "run").trials[left[0].number]
    assert (trial.state, trial.solo, tried, evaluator.attempts.count(trial.number)) == ("COMPLETE", True, 1, 2)
    assert trial.device_seconds > left[0].device_seconds > 0
    assert all(trial.state == "COMPLETE" for trial in open_study(tmp_path / "run").trials)


def test_a_real_search_within_a_bound_on_memory(tmp_path: Path) -> None:
    class Notes(Watching):
        lines: list[str] = []

        def note(self, line: str) -> None:
            self.lines.append(line)

    given: dict[str, Any] = {"engine": "local", "dataset": "digits", "fidelity": Fidelity(samples=0.05), "dashboard": False}
    observer = Notes()
    auto = {"gpus_per_trial": "auto", "memory_per_device": "480MB", "observer": observer}
    study = search("tiny", budget="3trials", out=tmp_path / "run", **given, **auto)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 3
    assert observer.lines[-1].startswith("packing: 1 worker, ")
    assert (study.settings.packed, study.settings.memory_per_device, study.settings.workers) == (True, 480e6, 1)
    again = search("tiny", budget="4trials", out=tmp_path / "two", workers=2, memory_per_device="480MB", **given)
    assert again.ledger().finished == 4
    assert [trial.value for trial in again.trials[:3]] == [trial.value for trial in study.trials]
    assert resume(tmp_path / "two", memory_per_device="2GB").ledger().finished == 4
    with pytest.raises(NasError, match="memory_per_device is for an evaluator that says"):
        search("tiny", evaluator=lambda architecture, fidelity: 0.5, budget="4trials", out=tmp_path / "no", memory_per_device="2GB")
    assert not (tmp_path / "no").exists()


# ---- a GPU, pretended ----------------------------------------------------------------------------------------------


def test_the_peak_of_a_gpu_is_what_was_reserved_beyond_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = {"now": 100.0, "most": 900.0}
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: reserved.update(now=40.0))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: reserved.update(most=reserved["now"]))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: reserved["now"])
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: reserved["most"])
    peak = Peak(torch.device("cuda"))
    reserved["most"] = 240.0
    assert peak.of({"accuracy": 0.5}) == {"accuracy": 0.5, "peak_memory_bytes": 200.0}
    assert Peak(torch.device("cuda"), crowded=True).of({"accuracy": 0.5}) == {"accuracy": 0.5}


def test_threads_on_a_gpu_have_streams_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    streams: dict[str, list[Any]] = {}

    class Stream:
        def __init__(self, device: torch.device) -> None:
            self.device = device

    @contextlib.contextmanager
    def stream(made: Stream) -> Iterator[None]:
        streams.setdefault(threading.current_thread().name, []).append(made)
        yield

    class Seen(Sized):
        seen: list[tuple[str, bool]] = []

        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            self.seen.append((evaluation.device, evaluation.crowded))
            return super().evaluate(architecture, fidelity, evaluation)

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    evaluator = Seen({})
    lanes = LocalLanes(evaluator, 3, share=0.5, devices=("cuda:0", "cuda:1"), memory={"cuda:0": 8.0, "cuda:1": 8.0})
    study = searched(tmp_path / "run", evaluator, "12trials", lanes=lanes)
    assert study.ledger().finished == 12
    assert {name: [str(made.device) for made in each] for name, each in streams.items()} == {
        "lane-0": ["cuda:0"], "lane-1": ["cuda:0"], "lane-2": ["cuda:1"],
    }  # fmt: skip
    assert set(evaluator.seen) == {("cuda:0", True), ("cuda:1", False)}


def test_a_lane_whose_gpu_cannot_be_used_does_not_begin() -> None:
    with pytest.raises((RuntimeError, AssertionError), match=r"CUDA|NVIDIA"):
        check_device("cuda")
    check_device("cpu")


# ---- MPS -----------------------------------------------------------------------------------------------------------

DAEMON = """#!/bin/sh
echo "$@ $CUDA_MPS_PIPE_DIRECTORY" >> {log}
if [ "$1" = -d ]; then exit {status}; fi
cat >> {log}
"""


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pretended control program on the path, which notes what it is asked."""

    def make(status: int = 0) -> Path:
        program, log = tmp_path / "bin" / CONTROL, tmp_path / "log"
        program.parent.mkdir()
        program.write_text(DAEMON.format(log=log, status=status))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return log

    monkeypatch.delenv(PIPE, raising=False)
    monkeypatch.delenv(LOG, raising=False)
    return make


def test_mps_runs_for_one_search_with_a_pipe_of_its_own(control: Any) -> None:
    log = control()
    mps = Mps(trial=("true",))
    assert mps.start()
    folder = os.environ[PIPE]
    assert Path(folder).is_dir()
    mps.stop()
    mps.stop()
    assert log.read_text().split() == ["-d", folder, folder, "quit", "-t", "5"]
    assert not Path(folder).exists()
    assert PIPE not in os.environ
    assert LOG not in os.environ
    assert not mps.running


def test_without_mps_a_search_goes_on(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mps = Mps(trial=("true",))
    assert (mps.start(), mps.why) == (False, f"{CONTROL} is not installed")
    log = control(status=1)
    assert (mps.start(), mps.why) == (False, f"{CONTROL} could not be started")
    assert PIPE not in os.environ
    (log.parent / "bin" / CONTROL).write_text(DAEMON.format(log=log, status=0))
    mps = Mps(trial=("false",))
    assert (mps.start(), mps.why) == (False, "no process could use a GPU under it")
    assert PIPE not in os.environ
    mps = Mps(trial=("no-such-program",))
    assert not mps.start()
    monkeypatch.setenv(PIPE, "/somewhere")
    assert (mps.start(), mps.why, os.environ[PIPE]) == (False, f"{PIPE} is set already", "/somewhere")


def test_fewer_pixels_are_expected_to_take_less() -> None:
    evaluator: Any = create("training")
    network = nas.load("resnet20")
    whole, coarse = (evaluator.memory(network, Fidelity(resolution=part), "cpu") for part in (1.0, 0.5))
    assert coarse < whole
