"""Several drivers on one study: real processes that are killed and frozen, and simulated ones in random interleavings."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nas.budget import Budget
from nas.engine import Done, Driver, Observer, Ready
from nas.evaluators import Fidelity, Outcome
from nas.strategies import Proposal
from nas.study import Recorder, Study, create_study, drivers, open_study, resume_study
from tests.toy import Climber, ToySpace, settings

SPACE: Any = ToySpace()

# ---- simulated drivers ---------------------------------------------------------------------------------------------


class Remembering(Climber):
    """Notes for each ask how much it had been told, and what it came to."""

    def __init__(self) -> None:
        super().__init__(SPACE, 1)
        self.asked: dict[int, tuple[int, Proposal]] = {}

    def ask(self, number: int) -> Proposal:
        made = super().ask(number)
        self.asked[number] = len(self.told), made
        return made


class Slow:
    """Lanes whose work takes random times by the clock of the world, and is cut off where the driver allows no more."""

    grace_seconds, apart, entangled, device, dashboard = 1e9, True, False, "cpu", None

    def __init__(self, world: World, count: int, share: float) -> None:
        self.world, self.count, self.share = world, count, share
        self.waiting: list[Any] = [Ready(lane, device=f"cpu{lane}") for lane in range(count)]
        self.held: dict[int, tuple[Any, float, float, float]] = {}  # candidate, begun, takes, its deadline

    def start(self) -> None:
        pass

    def submit(self, lane: int, candidate: Any) -> None:
        now = self.world.now
        self.held[lane] = (candidate, now, self.world.rng.uniform(1.0, 20.0), now + candidate.seconds)

    def allow(self, seconds: Any) -> None:
        for lane, amount in seconds.items():
            if lane not in self.held:
                continue  # it has answered
            candidate, begun, takes, _ = self.held[lane]
            self.held[lane] = (candidate, begun, takes, self.world.now + amount)

    def poll(self, timeout: float) -> list[Any]:
        events, self.waiting = self.waiting, []
        for lane, (candidate, begun, takes, deadline) in list(self.held.items()):
            end = min(begun + takes, max(begun, deadline))
            if end <= self.world.now:
                del self.held[lane]
                value = candidate.architecture.letters.count("a") / 4
                outcome = Outcome("complete", {"accuracy": value}, seconds=self.world.now - begun, cut=deadline < begun + takes)
                events.append(Done(lane, candidate.number, outcome))
        return events

    def stop(self) -> None:
        pass


class Simulated:
    """One driver, step by step."""

    def __init__(self, world: World, workers: int) -> None:
        self.study = resume_study(world.path, space=SPACE)
        self.strategy, self.lanes = Remembering(), Slow(world, workers, 1.0)
        self.world, self.stepped, self.frozen = world, world.now, 0
        strategy: Any = self.strategy
        lanes: Any = self.lanes
        self.driver = Driver(self.study, strategy, lanes, world.budget, Fidelity(), simulated=lambda: world.now)
        with self.study.batch():
            self.driver._take_in()
        self.study.works(workers, 1.0)

    def step(self) -> bool:
        """Whether it goes on."""
        self.world.longest = max(self.world.longest, self.world.now - self.stepped)
        self.stepped = self.world.now
        if not self.driver._goes_on():
            self.driver._close_record()
            self.driver._shut_down("ended")
            self.study.close()
            return False
        self.driver._step()
        return True

    def die(self) -> None:
        """As a killed process: the system lets go of its lock."""
        self.study._lease._lock.release()


class World:
    """Drivers that come, work, freeze and die in an order that is drawn, on one journal and one clock."""

    def __init__(self, path: Path, seed: int, budget: str) -> None:
        self.path, self.rng, self.now, self.budget = path, random.Random(seed), 0.0, Budget.parse(budget)
        create_study(path, settings(budget=budget), SPACE).close()
        self.longest = 0.0  # from one step of a driver to its next, while it works
        self.drivers: list[Simulated] = []
        self.ended: list[Simulated] = []
        self.all: list[Simulated] = []

    def join(self) -> None:
        driver = Simulated(self, self.rng.randint(1, 3))
        self.drivers.append(driver)
        self.all.append(driver)

    def run(self, disasters: float) -> None:
        while self.drivers or not self.ended:
            self.now += self.rng.uniform(0.0, 1.5)
            if not self.drivers or (len(self.all) < 7 and self.rng.random() < 0.02):
                self.join()
            driver = self.rng.choice(self.drivers)
            if driver.frozen:
                driver.frozen -= 1
                continue
            draw = self.rng.random()
            if draw < disasters and len(self.all) < 7:
                self.drivers.remove(driver)
                driver.die()
            elif draw < 2 * disasters:
                driver.frozen = self.rng.randint(1, 60)
            elif not driver.step():
                self.drivers.remove(driver)
                self.ended.append(driver)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The world's, for leases."""
    worlds: list[World] = []
    monkeypatch.setattr(drivers, "monotonic", lambda: worlds[-1].now if worlds else 0.0)
    return worlds


def check(study: Study, trials: int) -> None:
    """Every trial once, finished, in one order, and the ledger its sum."""
    assert [trial.number for trial in study.trials] == list(range(trials))
    assert {trial.state for trial in study.trials} <= {"COMPLETE", "FAIL"}
    assert sorted(trial.order for trial in study.trials if trial.order is not None) == list(range(trials))
    assert study.ledger().finished + study.ledger().failed == trials


@pytest.mark.parametrize("seed", range(12))
def test_any_interleaving_of_drivers_is_one_search(tmp_path: Path, clock: Any, seed: int) -> None:
    clock.append(world := World(tmp_path / "run", seed, "40trials"))
    world.run(0.01 if seed % 3 else 0.0)
    study = open_study(tmp_path / "run")
    check(study, 40)
    history = [(trial.number, trial.value) for trial in study.history()]
    for driver in world.all:
        assert driver.strategy.told == history[: len(driver.strategy.told)]
        assert driver in world.ended or len(driver.strategy.told) <= 40
        for number, (told, proposal) in driver.strategy.asked.items():  # a restart at that moment asks for the same
            again = Climber(SPACE, 1)
            for trial in study.history()[:told]:
                again.tell(trial)
            assert again.ask(number) == proposal
    for driver in world.ended:
        assert driver.strategy.told == history
        assert driver.driver._standing.best is not None
        assert study.best is not None
        assert driver.driver._standing.best.value == study.best.value
        ledger = driver.study.ledger()
        assert (ledger.finished, ledger.failed) == (40, 0)
        assert ledger.device_seconds == pytest.approx(study.ledger().device_seconds)
    assert study.ledger().seconds <= world.now
    assert not study.drivers()


@pytest.mark.parametrize("seed", range(12))
def test_device_time_is_shared_by_all_drivers_there_are(tmp_path: Path, clock: Any, seed: int) -> None:
    clock.append(world := World(tmp_path / "run", seed, f"{400 / 3600}gpuh"))
    world.run(0.01 if seed % 3 else 0.0)
    study = open_study(tmp_path / "run")
    check(study, len(study.trials))
    workers = sum(driver.lanes.count for driver in world.all)
    assert study.ledger().device_seconds <= 400 + workers * world.longest
    if seed % 3 == 0:
        assert study.ledger().device_seconds >= 400 - 3 * workers * 20
    assert study.ledger().seconds <= world.now


# ---- real ones -----------------------------------------------------------------------------------------------------

WORK = """
import os, signal, sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from nas.engine import Observer
from tests.test_drivers import SPACE, drive
from tests.toy import Count, settings
from nas.study import create_study, drivers, resume_study
drivers.LEASE_SECONDS, drivers.SIGN_SECONDS = 2.0, 0.2
directory, storage, budget, act = Path(sys.argv[1]), sys.argv[2] or None, sys.argv[3], sys.argv[4]
meeting = Path(sys.argv[5])
meeting.mkdir(exist_ok=True)

class Worker(Count):
    met = False

    def evaluate(self, architecture, fidelity, evaluation):
        me = meeting / str(os.getpid())
        if not me.exists():
            me.touch()
        while len(list(meeting.iterdir())) < 2 or (act == "freeze" and not Freezing.frozen):
            time.sleep(0.01)
        if act == "hang":
            time.sleep(60)
        return super().evaluate(architecture, fidelity, evaluation)

class Freezing(Observer):
    # once it has work for both workers, when it is not writing

    frozen = False

    def tick(self, progress):
        if progress.running == 2 and not self.frozen and (meeting / str(os.getpid())).exists():
            Freezing.frozen = True
            os.kill(os.getpid(), signal.SIGSTOP)

given = settings(budget=budget, storage=storage)
with create_study(directory, given, SPACE, join=True) as study:
    print("working", flush=True)
    sys.stdin.readline()
    drive(study, Worker(0.02, 0.01), budget, workers=2, observer=Freezing() if act == "freeze" else None)
    print(study.id, study.best.number, study.best.value)
"""


def drive(study: Recorder, evaluator: Any, budget: str, workers: int = 1, observer: Observer | None = None) -> str:
    from nas.engine import LocalLanes

    strategy: Any = Climber(SPACE, study.settings.seed)
    return Driver(study, strategy, LocalLanes(evaluator, workers), Budget.parse(budget), Fidelity(), observer=observer).run()


@contextmanager
def driver(directory: Path, storage: str | None, budget: str, act: str, meeting: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that opens the study, and begins at a line from us.

    act: at its first candidate it waits until two drivers have one (`meet`), then stays at it (`hang`), or freezes (`freeze`).
    """
    code = WORK.format(path=[str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, "-c", code, str(directory), storage or "", budget, act, str(meeting)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def go(*processes: subprocess.Popen[str]) -> None:
    """Let them begin, once all have opened the study."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def said(process: subprocess.Popen[str]) -> list[str]:
    """Its id, and the number and value of the best, when it has ended."""
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return out.split()


@pytest.fixture(params=["journal", "sqlite"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, str | None]:
    """Two run folders of a study, and where it lies."""
    first, second, storage = tmp_path / "toy", tmp_path / "toy", None
    if request.param == "sqlite":
        first, second, storage = tmp_path / "a" / "toy", tmp_path / "b" / "toy", f"sqlite:///{tmp_path}/all.db"
    create_study(first, settings(storage=storage), SPACE).close()
    return first, second, storage


def test_two_drivers_share_the_work(places: tuple[Path, Path, str | None], tmp_path: Path) -> None:
    first, second, storage = places
    given: Any = storage, "30trials", "meet", tmp_path / "meeting"
    with driver(first, *given) as one, driver(second, *given) as two:
        go(one, two)
        answers = [said(one), said(two)]
    study = open_study(first)
    check(study, 30)
    assert {trial.driver for trial in study.trials} == {answer[0] for answer in answers}
    assert answers[0][1:] == answers[1][1:]
    assert study.best is not None
    assert str(study.best.number) == answers[0][1]
    assert [trial.decisions for trial in open_study(second).trials] == [trial.decisions for trial in study.trials]
    assert study.drivers() == []


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_a_killed_driver_had_is_run_by_the_other(places: tuple[Path, Path, str | None], tmp_path: Path) -> None:
    first, second, storage = places
    with (
        driver(first, storage, "12trials", "hang", tmp_path / "meeting") as one,
        driver(second, storage, "12trials", "meet", tmp_path / "meeting") as two,
    ):
        go(one, two)
        wait_for(lambda: sum(trial.finished for trial in open_study(second).trials) == 10)  # all but what the one holds
        held = [trial for trial in open_study(second).trials if not trial.finished]
        assert len(held) == 2
        one.kill()
        answer = said(two)
    study = open_study(second)
    check(study, 12)
    assert {trial.driver for trial in study.trials} == {answer[0]}
    assert {trial.number for trial in study.history()[-2:]} == {trial.number for trial in held}
    assert all(study.trials[trial.number].device_seconds >= trial.device_seconds for trial in held)
    assert study.drivers() == []


def test_a_frozen_driver_that_comes_back_records_nothing_that_went_to_another(
    places: tuple[Path, Path, str | None], tmp_path: Path
) -> None:  # fmt: skip
    first, second, storage = places
    meeting = tmp_path / "meeting"
    with driver(first, storage, "12trials", "freeze", meeting) as one, driver(second, storage, "12trials", "meet", meeting) as two:
        go(one, two)
        answer = said(two)  # it ends the search alone
        before = open_study(second)
        check(before, 12)
        assert {trial.driver for trial in before.trials} == {answer[0]}
        one.send_signal(signal.SIGCONT)
        assert said(one)[1:] == answer[1:]
    after = open_study(first)
    assert after.trials == before.trials
    assert after.ledger().device_seconds == before.ledger().device_seconds
    assert after.ledger().device_seconds == pytest.approx(sum(trial.device_seconds for trial in after.trials))


def test_an_outage_kills_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage was away for longer than a lease: whoever comes back first does not take the others for dead."""
    now = [1000.0]
    monkeypatch.setattr(drivers, "monotonic", lambda: now[0])
    watch = drivers.Watch(tmp_path, "0" * 12)
    sign = {drivers.PREFIX + "1" * 12: {"host": "elsewhere", "pid": 7, "workers": 1, "beat": 3}}
    watch.heed(sign)
    now[0] += drivers.LEASE_SECONDS * 2
    assert watch.living() == []
    watch.excuse(drivers.LEASE_SECONDS * 2)
    watch.heed(sign)
    assert [each.host for each in watch.living()] == ["elsewhere"]
    now[0] += drivers.LEASE_SECONDS + 1
    assert watch.living() == []
