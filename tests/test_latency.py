"""Latency: the arithmetic of the measurement, real networks, one at a time on a device, as an objective and as a limit."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import nas
from nas import spaces
from nas.engine import Candidate
from nas.engine.observer import Observer
from nas.engine.timing import Wanted, evaluated, settled, taken
from nas.errors import ArchitectureError, NasError, SpaceError
from nas.evaluators import Evaluation, Fidelity
from nas.evaluators.clock import Clock
from nas.latency import Effort, Latency, Setting, measure, turn
from nas.latency.bench import CALM, TURNS, Taken, in_turn, runs, warm_up
from nas.latency.runners import on_gpu, without_aux
from nas.latency.setting import SEARCH
from nas.measures import MEASURES, Measure
from nas.objectives import Objective
from nas.study import open_study
from tests.cli import Run
from tests.cli import nas as typed

QUICK = Effort(3, 0.001)
Call = Callable[..., Run]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return partial(typed, capsys, monkeypatch)


# ---- settings --------------------------------------------------------------------------------------------------------


def test_a_setting_is_written_as_it_is_read() -> None:
    for setting in (Setting(), SEARCH, Setting(8, 2, "cuda:3", "onnx")):
        assert Setting.parse(str(setting)) == setting
    assert Setting.parse(" threads = 2 ", SEARCH) == Setting(threads=2, device="auto")
    assert str(Setting()) == "batch=1,threads=1,device=cpu,backend=torch"
    assert (SEARCH.on("cuda:1").device, SEARCH.on("cpu").device, Setting().on("cuda").device) == ("cuda:1", "cpu", "cpu")
    assert (Setting(device="cuda").on("cuda:1").device, Setting(device="cuda").on("cpu").device) == ("cuda:1", "cuda")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch=0", "latency: batch=0; allowed: a whole number from 1"),
        ("batch=1e3", "latency: batch='1e3'; allowed: a whole number"),
        ("batch=-1", "batch='-1'"),
        ("threads=9999", "threads=9999; allowed: a whole number from 1 to 1024"),
        ("device=gpu", "device='gpu'; allowed: cpu, cuda, auto"),
        ("device=cuda:-1", "allowed: cpu, cuda, auto"),
        ("backend=tf", "backend='tf'; allowed: torch, onnx"),
        ("", "latency: ''; allowed: NAME=VALUE joined by commas, such as batch=1,threads=1"),
        ("8", "latency: '8'; allowed: NAME=VALUE"),
        ("btch=8", "unknown part 'btch' at latency; nearest: batch"),
        ("batch=1,batch=2", "batch is given twice"),
    ],
)
def test_settings_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(NasError) as caught:
        Setting.parse(text)
    assert message in str(caught.value)


def test_what_this_machine_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SEARCH.here() == Setting()
    with pytest.raises(NasError, match="device=cuda, but no GPU can be used here; allowed: cpu"):
        Setting(device="cuda").here()
    with pytest.raises(NasError, match="threads=1024; allowed: at most"):
        Setting(threads=1024).here()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NasError, match=r"backend=onnx needs onnx and onnxruntime: pip install 'nas\[export\]'"):
        measure([nas.load("lenet5")], Setting(backend="onnx"))


# ---- the arithmetic --------------------------------------------------------------------------------------------------


def test_median_and_spread_by_hand() -> None:
    found = Latency.of([0.001 * number for number in (5, 1, 4, 2, 3)], 8)
    assert (found.median_ms, found.runs, found.batch) == (pytest.approx(3.0), 5, 8)
    assert (found.low_ms, found.high_ms) == (pytest.approx(1.2), pytest.approx(4.8))
    assert found.images_per_second == pytest.approx(8 / 0.003)
    assert Latency.of([0.002], 1).high_ms == pytest.approx(2.0)


def test_it_is_warm_when_passes_grow_no_faster() -> None:
    times = iter([1.0, 0.5, 0.3, 0.2, 0.2, 0.21, 0.2, 9.9])
    assert warm_up(lambda: next(times), Effort(3, 5.0)) == 0.2
    assert list(times) == [9.9]  # three in a row were no faster
    cooling = (1.0 / 2**number for number in itertools.count())
    assert warm_up(lambda: next(cooling), Effort(3, 0.8)) == 0.25  # never stable: twice the seconds are enough
    short = iter([0.1] * 99)
    warm_up(lambda: next(short), Effort(3, 10.0))
    assert 99 - len(list(short)) == 20 > CALM + 1  # a device's clocks need a while, too


def test_as_many_passes_as_the_time_allows() -> None:
    assert [runs(Effort(20, 0.5), seconds) for seconds in (1.0, 0.0125, 1e-3, 0.0)] == [20, 40, 500, 5000]


def test_networks_take_turns_and_the_first_pass_after_another_does_not_count() -> None:
    passes: list[str] = []

    def runner(name: str) -> Callable[[], float]:
        return lambda: passes.append(name) or float(passes.count(name))  # type: ignore[func-returns-value]

    first, second = in_turn([runner("a"), runner("b")], [25, 12])
    assert (len(first.seconds), len(second.seconds)) == (25, 12)
    groups = ["".join(group) for _, group in itertools.groupby(passes)]
    assert len(groups) == 2 * TURNS
    assert {group[0]: {len(each) for each in groups if each[0] == group[0]} for group in groups} == {"a": {3, 4}, "b": {2, 3}}
    assert min(first.seconds) == 2.0  # of a and of b the very first does not count
    assert min(second.seconds) == 2.0
    passes.clear()
    (alone,) = in_turn([runner("a")], [25])
    assert passes.count("a") == len(alone.seconds) == 25
    assert 0.0 <= alone.core <= 1.0


def test_time_that_other_work_took_the_core_for_does_not_count_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    some = Taken([1.0, 5.0, 1.1], [1.2, 1.0, 0.9])  # the first needed time beside the pass itself
    assert some.on_core == [1.0, 1.0, 0.9]
    assert some.core == pytest.approx(3.1 / 7.1)
    assert Taken().core == 1.0
    monkeypatch.setattr("nas.latency.bench.in_turn", lambda *given: [some])
    network = nas.Architecture.from_yaml(LINEAR)
    assert measure([network])[0].median_ms == 1000.0
    if len(os.sched_getaffinity(0)) > 1:
        assert measure([network], Setting(threads=2))[0].median_ms == 1100.0


# ---- real networks ---------------------------------------------------------------------------------------------------


def test_networks_of_every_kind_and_nothing_is_left_changed() -> None:
    google, vit = (nas.load(name).resized(width=0.25, depth=0.1).with_input((3, 64, 64), 10) for name in ("googlenet", "vit_ti16"))
    both = nas.ensemble([google, vit])  # type: ignore[list-item]
    before = torch.get_num_threads(), torch.random.get_rng_state()
    found = measure([google, vit, nas.load("lenet5"), both], Setting(batch=2), effort=QUICK)
    assert len(found) == 4
    for latency in found:
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
        assert latency.runs >= 3
        assert latency.batch == 2
    seen: set[int] = set()
    threads = min(2, len(os.sched_getaffinity(0)))
    network = nas.Architecture.from_yaml(LINEAR)
    measure([network], Setting(threads=threads), effort=QUICK, check=lambda: seen.add(torch.get_num_threads()))
    assert threads in seen
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])
    assert measure([]) == []


def test_auxiliary_heads_are_left_out() -> None:
    network = nas.load("googlenet")
    both = without_aux(nas.ensemble(["googlenet", "resnet18"]))
    assert network.aux  # type: ignore[union-attr]
    assert without_aux(network).cost().params == network.cost(aux=False).params < network.cost().params
    assert [member.aux for member in both.members] == [(), ()]  # type: ignore[union-attr]


def test_networks_that_cannot_run_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lenet = nas.load("lenet5")
    small = nas.load("vgg16").with_input((3, 20, 20), 10)
    with pytest.raises(ArchitectureError, match=r"^vgg16 at 1x3x20x20: stages\[4\].*does not fit a map"):
        measure([lenet, small], effort=QUICK)
    with pytest.raises(ArchitectureError, match=r"^lenet5 at 1000000x1x32x32: does not fit into memory on cpu \(at least .*smaller batch"):
        measure([lenet], Setting(batch=1_000_000))
    monkeypatch.setattr("nas.latency.runners.MEMINFO", Path("/nowhere"))  # then it is tried
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: torch.empty(10**9, *shape))
    with pytest.raises(ArchitectureError, match=r"^lenet5 at 9x1x32x32: does not fit into memory on cpu \("):
        measure([lenet], Setting(batch=9))

    def broken(*shape: int, **options: Any) -> Any:
        raise RuntimeError("no kernel image\n  is available")

    monkeypatch.setattr(torch, "randn", broken)
    with pytest.raises(ArchitectureError, match=r"^lenet5 at 1x1x32x32: cannot run: no kernel image is available$"):
        measure([lenet])


def test_it_can_be_stopped_between_passes() -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure([nas.load("lenet5")], check=check)
    assert len(calls) == 20


def test_a_gpu_is_timed_by_its_own_clock_from_idle_to_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of calls, as there may be no GPU here."""
    said: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing
            self.name = f"event {len(said)}"
            said.append(f"new {self.name}")

        def record(self) -> None:
            said.append(f"record {self.name}")

        def synchronize(self) -> None:
            said.append(f"wait for {self.name}")

        def elapsed_time(self, other: Event) -> float:
            said.append(f"{self.name} to {other.name}")
            return 2.5

    class Device:
        def __init__(self, device: str) -> None:
            assert device == "cuda:1"

        def __enter__(self) -> None:
            said.append("on the device")

        def __exit__(self, *error: object) -> None:
            said.append("off the device")

    class Module(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            assert torch.is_inference_mode_enabled()
            said.append("pass")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "device", Device)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("idle"))
    run = on_gpu(Module(), torch.zeros(1), "cuda:1")
    said.clear()
    assert run() == 0.0025
    assert said == [
        "on the device", "idle", "record event 0", "pass", "record event 1", "wait for event 1", "off the device", "event 0 to event 1",
    ]  # fmt: skip


LINEAR = "name: linear\ninput: [1, 4, 4]\nclasses: 3\nstages: []\nhead: [{block: {flatten: {}}}, {block: linear, width: classes}]\n"


def test_onnxruntime_runs_what_was_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    import nas.export.onnx

    options: list[Any] = []
    session = onnxruntime.InferenceSession

    def watched(model: bytes, given: Any, **more: Any) -> Any:
        options.append(given)
        return session(model, given, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    network = nas.Architecture.from_yaml(LINEAR)
    (found,) = measure([network], Setting(batch=5, backend="onnx"), effort=QUICK)
    assert (options[0].intra_op_num_threads, options[0].inter_op_num_threads) == (1, 1)
    assert found.low_ms > 0
    monkeypatch.setattr(nas.export.onnx, "to_onnx", lambda *given: b"no model")
    with pytest.raises(ArchitectureError, match=r"^linear at 1x1x4x4: cannot run: onnxruntime: .*"):
        measure([network], Setting(backend="onnx"))


# ---- one at a time ---------------------------------------------------------------------------------------------------

HOLDER = "import sys, time; from nas.latency import turn\nwith turn('cpu'):\n    print('held', flush=True); time.sleep(600)"


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of this test alone."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_turn_is_waited_for_and_a_killed_holder_is_none(own_folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(nas.__file__).parent.parent)}
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        looks: list[int] = []

        def check() -> None:
            looks.append(1)
            if len(looks) == 2:
                raise KeyboardInterrupt

        try:
            with pytest.raises(KeyboardInterrupt), turn("cpu", check):
                raise AssertionError("not its turn")
        finally:
            holder.kill()
        holder.wait()
        with turn("cpu"):
            pass


def test_no_place_for_the_lock_is_one_line(own_folder: Path) -> None:
    for path in own_folder.iterdir():
        path.rmdir()
    user = os.getuid()
    (own_folder / f"nas-latency-{user}").write_text("a file in its place")
    with pytest.raises(NasError, match=r"no turn can be had to measure on cpu: .*; allowed: a temporary folder"), turn("cpu"):
        pass


class Watch:
    """A timed measure that notes when it began and ended, of whom, and under what."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.times: list[tuple[float, float]] = []
        self.digests: list[str] = []
        self.settings: list[Setting] = []

    def __call__(self, architecture: Any, probe: Any) -> float:
        begun = time.monotonic()
        time.sleep(self.seconds)
        self.digests.append(architecture.digest)
        self.settings.append(probe.setting)
        self.times.append((begun, time.monotonic()))
        return int(architecture.digest[:4], 16) + len(self.digests) / 1000

    @property
    def overlap(self) -> bool:
        ordered = sorted(self.times)
        return any(later[0] < earlier[1] for earlier, later in itertools.pairwise(ordered))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setitem(MEASURES._items, "watch_ms", Measure(made, "for this test", larger=False, proxy=False, timed=True))
    return made


def accuracy(architecture: Any, fidelity: Fidelity) -> dict[str, float]:
    return {"accuracy": int(architecture.digest[:4], 16) / 65536}


def search(out: Path, **options: Any) -> Any:
    values: dict[str, Any] = {
        "space": "tiny", "evaluator": accuracy, "budget": "8trials", "engine": "local", "strategy": "random", "out": out,
        "objectives": "accuracy,watch_ms",
    }  # fmt: skip
    return nas.search(**(values | options))


def test_two_lanes_do_not_measure_at_the_same_time(tmp_path: Path, watch: Watch, own_folder: Path) -> None:
    watch.seconds = 0.05
    study = search(tmp_path / "run", workers=2)
    assert {trial.worker for trial in study.trials} == {0, 1}
    assert len(watch.times) == 8
    assert not watch.overlap
    for trial in study.trials:
        assert trial.values == (trial.metrics["accuracy"], trial.metrics["watch_ms"])
        assert trial.device_seconds >= 0.05  # they count
        assert trial.first_seconds is not None
        assert 0.05 <= trial.first_seconds <= trial.device_seconds


class Stop(Observer):
    """Ctrl-C once trial `last` is finished."""

    def __init__(self, last: int) -> None:
        self.last = last

    def finished(self, item: Any) -> None:
        if item.number == self.last:
            raise KeyboardInterrupt


def test_a_network_is_measured_once_also_after_a_resume(tmp_path: Path, watch: Watch) -> None:
    space = spaces.load("tiny")
    first, second = (space.decode(space.sample(random.Random(seed))) for seed in (1, 2))
    assert first.digest != second.digest
    start = [first, second, first, first, second, first]
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", start=start, budget="6trials", observer=Stop(2), latency="batch=3")
    assert watch.digests == [first.digest, second.digest]
    study = nas.resume(tmp_path / "run", evaluator=accuracy)
    assert watch.digests == [first.digest, second.digest]  # neither again
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 6
    assert len({trial.values for trial in study.trials}) == 2
    assert study.settings.latency == "batch=3,threads=1,device=cpu,backend=torch"
    assert watch.settings == [Setting(3)] * 2
    fewer = search(tmp_path / "other", start=start, budget="6trials", latency="batch=4")  # another run, another setting
    assert len(watch.digests) == 4
    assert [trial.values for trial in fewer.trials] != [trial.values for trial in study.trials]


def test_a_measure_that_fails_and_one_that_the_evaluator_reports(tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def both(architecture: Any, fidelity: Fidelity) -> dict[str, float]:
        return {**accuracy(architecture, fidelity), "watch_ms": 7.0}

    study = search(tmp_path / "own", evaluator=both)
    assert {trial.values[1] for trial in study.trials} == {7.0}
    assert watch.digests == []

    def sometimes(architecture: Any, probe: Any) -> float:
        if int(architecture.digest[0], 16) % 2:
            raise RuntimeError("no room for this network")
        return 1.0

    monkeypatch.setitem(MEASURES._items, "watch_ms", Measure(sometimes, "for this test", larger=False, timed=True))
    trials = search(tmp_path / "run").trials
    assert {trial.reason for trial in trials} == {None, "watch_ms of tiny cannot be measured: no room for this network"}


def test_a_run_of_before_is_opened_and_measured_as_it_was(tmp_path: Path, watch: Watch) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", observer=Stop(1))
    path = tmp_path / "run" / "run.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("latency:")))
    assert open_study(tmp_path / "run").settings.timing == Setting()
    assert len(nas.resume(tmp_path / "run", evaluator=accuracy).trials) == 8
    assert set(watch.settings) == {Setting()}
    path.write_text(path.read_text() + "latency: batch=none\n")
    with pytest.raises(NasError, match=r"run.yaml: latency: batch='none'"):
        open_study(tmp_path / "run")
    plain = search(tmp_path / "plain", objectives="accuracy", budget="1trials")
    assert "latency" not in yaml.safe_load((plain.directory / "run.yaml").read_text())


# ---- under the clock of a lane ---------------------------------------------------------------------------------------


class Time:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Steps:
    """A second a step, for `steps` steps; reported after each."""

    objective = "accuracy"

    def __init__(self, steps: int, time: Time) -> None:
        self.steps, self.time = steps, time

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        for _ in range(self.steps):
            evaluation.clock.check()
            self.time.now += 1.0
            evaluation.report({"accuracy": 0.5})
        return {"accuracy": 0.75}


def on_a_lane(monkeypatch: pytest.MonkeyPatch, steps: int, takes: float, wanted: Wanted, timeout: float = 1e9) -> Any:
    """The outcome of `steps` s of training, then of a measure that `takes` s, where the budget allows 10 s."""
    passing = Time()

    def slow(architecture: Any, probe: Any) -> float:
        for _ in range(int(takes * 10)):
            probe.check()
            passing.now += 0.1
        return 3.0

    monkeypatch.setitem(MEASURES._items, "slow_ms", Measure(slow, "for this test", larger=False, timed=True))
    evaluation = Evaluation(clock=Clock(10.0, timeout=timeout, now=passing))
    candidate = Candidate(0, nas.load("lenet5"), Fidelity(), 0, 10.0, timeout, wanted)  # type: ignore[arg-type]
    return evaluated(Steps(steps, passing), candidate, evaluation, taken())


def test_time_is_kept_for_the_measurement_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    run = partial(on_a_lane, monkeypatch)
    wanted = Wanted(("slow_ms",), seconds=2.0)
    whole = run(4, 1.0, wanted)
    assert (whole.metrics, whole.cut) == ({"accuracy": 0.75, "slow_ms": 3.0}, False)
    assert (whole.seconds, whole.first_seconds) == (pytest.approx(5.0), pytest.approx(2.0))
    cut = run(99, 1.0, wanted)
    assert (cut.metrics, cut.cut) == ({"accuracy": 0.5, "slow_ms": 3.0}, True)
    assert cut.seconds == pytest.approx(9.0)
    late = run(99, 5.0, wanted)
    assert (late.state, late.reason, late.metrics) == ("fail", "budget", {})
    assert late.seconds == pytest.approx(10.0, abs=0.11)
    over = run(4, 5.0, wanted, timeout=6.0)
    assert (over.state, over.reason) == ("fail", f"timeout after {over.seconds:.1f}s")
    known = run(99, 5.0, Wanted(("slow_ms",), known={"slow_ms": 8.0}))
    assert (known.metrics, known.seconds) == ({"accuracy": 0.5, "slow_ms": 8.0}, pytest.approx(10.0))
    nothing = run(4, 1.0, Wanted())
    assert (nothing.metrics, nothing.seconds) == ({"accuracy": 0.75}, pytest.approx(4.0))


def test_a_worker_remembers_and_simulated_time_stands_still(monkeypatch: pytest.MonkeyPatch, watch: Watch) -> None:
    class LookedUp:
        objective, simulated = "accuracy", True

        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            evaluation.report({"accuracy": 0.25})
            evaluation.clock.skip(20.0)
            return {"accuracy": 0.5}

    memory = taken()
    for seconds, cut in ((100.0, False), (20.0, False), (10.0, True)):
        evaluation = Evaluation(clock=Clock.simulated(seconds))
        wanted = Wanted(("watch_ms",), seconds=5.0)
        candidate: Any = Candidate(0, nas.load("lenet5"), Fidelity(), 0, seconds, 1e9, wanted)  # type: ignore[arg-type]
        outcome = evaluated(LookedUp(), candidate, evaluation, memory)
        assert (outcome.cut, outcome.seconds) == (cut, min(seconds, 20.0))
        assert outcome.metrics["watch_ms"] > 0
    assert len(watch.digests) == 1


def test_what_a_search_cannot_time() -> None:
    goals, space = [Objective("accuracy"), Objective("latency_ms", False)], spaces.load("tiny")
    text, same = settled(None, goals, space, "cpu")
    assert (text, same) == ("batch=1,threads=1,device=cpu,backend=torch", space)
    assert settled(None, goals[:1], space, "cuda") == ("", space)
    assert settled("threads=3", goals, space, "cuda", here=False)[0] == "batch=1,threads=3,device=cuda,backend=torch"
    with pytest.raises(NasError, match="device=cuda, but no worker holds a GPU; allowed: cpu, or auto"):
        settled("device=cuda", goals, space, "cpu")
    with pytest.raises(NasError, match="but nothing is timed; allowed with an objective or a limit"):
        settled("batch=8", goals[:1], space, "cpu")


# ---- limits ----------------------------------------------------------------------------------------------------------


def test_a_limit_is_measured_once_a_network_under_its_setting(watch: Watch) -> None:
    space = spaces.load("tiny").within({"watch_ms": 1e9})
    assert settled("batch=8", [], space, "cpu")[1].limits[0].setting == Setting(8)
    own = spaces.load("tiny").within({"watch_ms": {"max": 1e9, "setting": "batch=2,threads=1"}})
    assert own.within({"watch_ms": 1e8}).limits[0].setting == Setting(2)  # a bound replaces only the bound
    _, kept = settled("batch=8", [], own, "cpu")
    assert kept.limits == own.limits
    assert spaces.Space(yaml.safe_load(own.to_yaml())).limits == own.limits
    assert "watch_ms: {max: 1000000000.0, setting:" in own.to_yaml()
    drawn = {own.decode(own.sample(random.Random(seed))).digest for seed in range(30)}
    assert len(watch.digests) == len(set(watch.digests))
    assert drawn == set(watch.digests)
    assert set(watch.settings) == {Setting(2)}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"params": {"max": 5, "setting": "batch=8"}}, "limits.params.setting='batch=8'; allowed: of what is timed only"),
        ({"latency_ms": {"max": 5, "setting": 8}}, "limits.latency_ms.setting=8; allowed"),
        ({"latency_ms": {"max": 5, "setting": "batch=x"}}, "limits.latency_ms.setting: latency: batch='x'"),
        ({"latency_ms": {"setting": "batch=8"}}, "allowed: a number, or {min: NUMBER, max: NUMBER}"),
    ],
)
def test_limits_that_cannot_be_read(limits: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        spaces.load("tiny").within(limits)
    assert message in str(caught.value)


# ---- the command line ------------------------------------------------------------------------------------------------


def test_a_table_and_json(call: Call, monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    monkeypatch.setattr(measure, "__kwdefaults__", {**measure.__kwdefaults__, "effort": QUICK})
    run = call("latency", "lenet5", "resnet20")
    assert run.status == 0, run.err
    lines = run.out.splitlines()
    assert lines[0].split("  ")[0].strip() == "network"
    assert [line.split()[0] for line in lines[1:3]] == ["lenet5", "resnet20"]
    assert "61.71K" in lines[1]
    assert "416.5K" in lines[1]
    assert "batch 1, 1 thread, cpu, torch" in run.out
    rows = json.loads(call("latency", "resnet20", "--batch", 2, "--input", "3x16x16", "--json").out)
    assert len(rows) == 1
    row = rows[0]
    assert (row["name"], row["input"], row["batch"], row["threads"]) == ("resnet20", [3, 16, 16], 2, 1)
    assert (row["params"], row["device"], row["backend"]) == (269_722, "cpu", "torch")
    assert row["low_ms"] <= row["median_ms"] <= row["high_ms"]
    assert row["images_per_second"] == pytest.approx(2000 / row["median_ms"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lenet5 --device cuda", "latency: device=cuda, but no GPU can be used here; allowed: cpu"),
        ("lenet5 --batch 0", "--batch"),
        ("lenet5 --threads 1000", "threads=1000; allowed: at most"),
        ("lenet5 --input 3x4", "--input='3x4'; allowed: channels x rows x columns"),
        ("lenet5 vgg16 --input 3x20x20", "vgg16 at 1x3x20x20: stages[4]"),
        ("lenet5 --batch 1000000", "lenet5 at 1000000x1x32x32: does not fit into memory"),
        ("lenet6", "unknown network 'lenet6'; nearest: lenet5"),
        ("--batch 8", "Missing argument"),
    ],
)
def test_bad_input(call: Call, words: str, message: str) -> None:
    run = call("latency", *words.split())
    assert run.status == 2
    assert message in run.err
    assert run.err.count("\n") == 1
    assert run.out == ""


def test_a_search_for_accuracy_and_latency(call: Call, tmp_path: Path) -> None:
    words = "--space tiny --dataset digits --budget 2trials --engine local --epochs 1 --width 0.25 --depth 0.2 --strategy nsga2"
    out = tmp_path / "run"
    run = call("search", *words.split(), "--objectives", "accuracy,latency_ms", "--latency", "batch=2", "--out", out)
    assert run.status == 0, run.err
    assert yaml.safe_load((out / "run.yaml").read_text())["latency"] == "batch=2,threads=1,device=cpu,backend=torch"
    status = json.loads(call("status", out, "--json").out)
    best = status["trials"][status["best"]]
    assert best["metrics"]["latency_ms"] == best["values"][1] > 0
    (step,) = json.loads(call("show", out, "--trial", status["best"], "--lineage", "--json").out)
    assert step["values"] == best["values"]
    assert "latency_ms" in call("show", out, "--lineage").out
    assert f"latency_ms {best['values'][1]:.6g}" in (out / "best.yaml").read_text().splitlines()[0]
    for option, message in (("batch=0", "batch=0; allowed"), ("device=cuda", "no worker holds a GPU"), ("size=1", "unknown part 'size'")):
        bad = call("search", *words.split(), "--objectives", "accuracy,latency_ms", "--latency", option, "--out", tmp_path / "bad")
        assert (bad.status, bad.err.count("\n")) == (2, 1)
        assert message in bad.err
        assert not (tmp_path / "bad").exists()
