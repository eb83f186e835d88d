"""The engine in this process: the loop, the budget, failures, Ctrl-C, kill -9, and going on after each of them."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas.engine
from nas import spaces
from nas.budget import Budget
from nas.engine import Driver, LocalLanes, Observer, Progress, trial_seed
from nas.engine.devices import Shares, share_out
from nas.errors import NasError, NothingFinishedError, StudyError, UnknownNameError
from nas.evaluators import Evaluator, Fidelity
from nas.study import Recorder, Study, create_study, open_study, resume_study
from tests.toy import Climber, Count, ToyArchitecture, ToySpace, settings

SPACE: Any = ToySpace()


def drive(study: Recorder, evaluator: Evaluator, budget: str, *, workers: int = 1, **options: Any) -> str:
    strategy: Any = Climber(SPACE, study.settings.seed)
    lanes = options.pop("lanes", None) or LocalLanes(evaluator, workers, share=options.pop("share", 1.0))
    return Driver(study, strategy, lanes, Budget.parse(budget), Fidelity(), **options).run()


def searched(directory: Path, evaluator: Evaluator, budget: str, *, changes: Any = None, **options: Any) -> Study:
    with create_study(directory, settings(**(changes or {})), SPACE) as study:
        drive(study, evaluator, budget, **options)
    return open_study(directory, space=SPACE)


def proposals(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.decisions, t.state, t.value, t.reason, t.metrics, t.order) for t in study.trials]


def function(evaluate: Callable[..., Any]) -> Evaluator:
    from nas.evaluators import wrap

    return wrap(evaluate)


class Watching(Observer):
    """Notes what it is told; `on` runs after the n-th finished trial."""

    def __init__(self, at: int = -1, on: Callable[[], None] = lambda: None) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.progress: list[Progress] = []
        self.at, self.on = at, on

    def begin(self, start: Any) -> None:
        self.calls.append(("begin", start.unfinished))

    def launched(self, number: int, architecture: Any) -> None:
        self.calls.append(("launched", number))

    def finished(self, finished: Any) -> None:
        self.calls.append(("finished", finished.number))
        if sum(name == "finished" for name, _ in self.calls) == self.at:
            self.on()

    def tick(self, progress: Progress) -> None:
        self.progress.append(progress)

    def end(self, reason: str) -> None:
        self.calls.append(("end", reason))


def interrupt() -> None:
    raise KeyboardInterrupt


# ---- the loop ------------------------------------------------------------------------------------------------------


def test_a_search_runs_its_trials_and_records_them(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(fail_on="ab"), "60trials")
    assert [trial.number for trial in study.trials] == list(range(60))
    assert study.best is not None
    assert study.best.value == max(t.decisions_a() for t in map(_Checked, study.trials))
    for trial in study.trials:
        word = SPACE.decode(trial.decisions).letters
        assert trial.seed == trial_seed(1, trial.number)
        if word.startswith("ab"):
            assert (trial.state, trial.reason) == ("FAIL", "ValueError: no word may start with ab")
        else:
            assert (trial.state, trial.value) == ("COMPLETE", word.count("a") / 4)
            assert trial.metrics["seed"] == trial_seed(1, trial.number)
    ledger = study.ledger()
    assert ledger.finished + ledger.failed == 60
    assert ledger.failed > 0
    assert ledger.seconds > 0


class _Checked:
    def __init__(self, trial: Any) -> None:
        self.trial = trial

    def decisions_a(self) -> float:
        return self.trial.value if self.trial.value is not None else -1.0


def test_with_several_workers_the_record_holds_the_order_that_the_strategy_saw(tmp_path: Path) -> None:
    with create_study(tmp_path / "run", settings(), SPACE) as study:
        strategy: Any = Climber(SPACE, 1)
        evaluator = function(lambda a, f: time.sleep(random.random() / 200) or a.letters.count("a") / 4)
        Driver(study, strategy, LocalLanes(evaluator, 3), Budget.parse("40trials"), Fidelity()).run()
    replayed = [(trial.number, trial.value) for trial in open_study(tmp_path / "run").history()]
    assert replayed == strategy.told
    assert len(replayed) == 40
    assert [number for number, _ in replayed] != sorted(number for number, _ in replayed)


def test_the_observer_hears_of_everything(tmp_path: Path) -> None:
    observer = Watching()
    searched(tmp_path / "run", Count(0.1), "5trials", observer=observer)
    pairs = itertools.chain.from_iterable((("launched", n), ("finished", n)) for n in range(5))
    told = [call for call in observer.calls if call[0] in ("launched", "finished")]
    assert sorted(told) == sorted(pairs)
    assert observer.calls[0] == ("begin", 0)
    assert observer.calls[-1] == ("end", "5trials")
    last = observer.progress[-1]
    assert last.ledger.finished >= 4
    assert last.best is not None
    assert last.seconds_left is not None


def test_trials_are_durable_before_they_are_launched(tmp_path: Path) -> None:
    seen: list[str] = []

    def evaluate(architecture: ToyArchitecture, fidelity: Fidelity) -> float:
        seen.append(open_study(tmp_path / "run").trials[-1].state)
        return 1.0

    searched(tmp_path / "run", function(evaluate), "3trials")
    assert seen == ["RUNNING"] * 3


# ---- the budget ----------------------------------------------------------------------------------------------------

STEP = 0.05
SLACK = 0.15  # s that a sleep or a thread may be late on a busy machine


def test_device_time_is_summed_over_workers_and_never_exceeded_by_more_than_a_step_each(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(9.0, STEP, reports=True), f"{2.4 / 3600}gpuh", workers=2)
    ledger = study.ledger()
    assert 2.2 <= ledger.device_seconds <= 2.4 + 2 * (STEP + SLACK)
    assert [(trial.state, trial.cut, trial.value) for trial in study.trials] == [
        ("COMPLETE", True, SPACE.decode(trial.decisions).letters.count("a") / 4) for trial in study.trials
    ]
    assert len(study.trials) == 2
    assert 1.1 <= ledger.seconds <= 1.2 + STEP + 3 * SLACK


def test_half_a_device_a_worker_lasts_twice_as_long(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(9.0, STEP, reports=True), f"{0.8 / 3600}gpuh", workers=2, share=0.5)
    assert 0.7 <= study.ledger().device_seconds <= 0.8 + STEP + SLACK
    assert 0.75 <= study.ledger().seconds <= 0.8 + STEP + 3 * SLACK


def test_wall_time_ends_a_search(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(0.2, STEP), "1.5s", workers=2)
    assert study.ledger().seconds <= 1.5 + STEP + 3 * SLACK
    assert study.ledger().finished >= 8


def test_it_stops_launching_when_no_other_candidate_could_be_validated(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(0.5, STEP), "1.3s")
    assert [trial.state for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.ledger().seconds < 1.3


def test_time_that_an_idle_worker_leaves_goes_to_the_other(tmp_path: Path) -> None:
    class Uneven(Count):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Any) -> dict[str, float]:
            self.seconds = 0.6 if evaluation.seed == trial_seed(1, 0) else 1.3
            return super().evaluate(architecture, fidelity, evaluation)

    study = searched(tmp_path / "run", Uneven(step=STEP), f"{2.0 / 3600}gpuh", workers=2)
    first, second = study.trials
    assert (first.state, second.state, second.cut) == ("COMPLETE", "COMPLETE", False)
    assert second.device_seconds > 1.2  # its first deadline was after one second


def test_a_candidate_cut_off_before_it_was_validated_fails(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(9.0, STEP), "0.5s")
    assert [(trial.state, trial.reason) for trial in study.trials] == [("FAIL", "budget")]
    assert study.ledger().failed == 1


def test_a_candidate_has_a_time_of_its_own(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(9.0, STEP), "2trials", changes={"timeout": 0.3})
    assert [trial.reason for trial in study.trials] == ["timeout after 0.3s"] * 2


def test_a_function_that_overruns_is_left_behind(tmp_path: Path) -> None:
    release = threading.Event()

    def evaluate(architecture: ToyArchitecture, fidelity: Fidelity) -> float:
        if not hung:
            hung.append(architecture)
            release.wait(20)
        return 0.5

    hung: list[Any] = []
    evaluator: Any = function(evaluate)
    evaluator.grace_seconds = 0.2
    begun = time.monotonic()
    study = searched(tmp_path / "run", evaluator, "3trials", changes={"timeout": 0.3})
    release.set()
    assert time.monotonic() - begun < 10
    assert [trial.state for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[0].reason is not None
    assert study.trials[0].reason.startswith("timeout after")
    assert len(open_study(tmp_path / "run").trials) == 3


def test_trials_count_finished_and_failed(tmp_path: Path) -> None:
    study = searched(tmp_path / "run", Count(fail_on=""), "7trials", workers=3)
    assert study.ledger().failed == 7
    assert study.best is None


def test_a_search_whose_candidates_all_fail_does_not_go_on_for_days(tmp_path: Path) -> None:
    observer = Watching()
    study = searched(tmp_path / "run", Count(fail_on=""), "100gpuh", observer=observer)
    assert study.ledger().failed == 50
    assert observer.calls[-1] == ("end", "the first 50 candidates failed")


# ---- Ctrl-C, resuming ----------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_a_record_that_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    undisturbed = proposals(searched(tmp_path / "whole", Count(fail_on="ab"), "30trials"))
    observer = Watching(11, interrupt)
    with create_study(tmp_path / "run", settings(), SPACE) as study, pytest.raises(KeyboardInterrupt):
        drive(study, Count(fail_on="ab"), "30trials", observer=observer)
    assert observer.calls[-1] == ("end", "interrupted")
    states = [trial.state for trial in open_study(tmp_path / "run").trials]
    assert states[11:] == ["RUNNING"]
    assert "RUNNING" not in states[:11]
    observer = Watching()
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, Count(fail_on="ab"), "30trials", observer=observer)
    assert observer.calls[0] == ("begin", 1)
    assert ("launched", 11) in observer.calls[:2]
    assert proposals(open_study(tmp_path / "run")) == undisturbed


def test_seconds_of_what_was_cut_off_stay_in_the_ledger(tmp_path: Path) -> None:
    timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with create_study(tmp_path / "run", settings(), SPACE) as study, pytest.raises(KeyboardInterrupt):
        drive(study, Count(1.0, STEP), "2trials")
    before = open_study(tmp_path / "run").ledger()
    assert 0.3 < before.device_seconds < 0.95
    assert before.finished == 0
    with resume_study(tmp_path / "run", space=SPACE) as study:
        drive(study, Count(1.0, STEP), "2trials")
    after = open_study(tmp_path / "run").ledger()
    assert after.device_seconds > before.device_seconds + 2.0
    assert after.seconds > before.seconds + 2.0
    assert after.finished == 2


def test_resuming_a_finished_search_changes_nothing(tmp_path: Path) -> None:
    before = proposals(searched(tmp_path / "run", Count(), "5trials"))
    observer = Watching()
    with resume_study(tmp_path / "run", space=SPACE) as study:
        assert drive(study, Count(), "5trials", observer=observer) == "5trials"
    assert proposals(open_study(tmp_path / "run")) == before
    assert [name for name, _ in observer.calls] == ["end"]


def test_what_cannot_be_run_again_within_the_budget_fails(tmp_path: Path) -> None:
    with create_study(tmp_path / "run", settings(), SPACE) as study, pytest.raises(KeyboardInterrupt):
        drive(study, Count(0.2), "0.6s", observer=Watching(1, interrupt))
    with resume_study(tmp_path / "run", space=SPACE) as study:
        study.beat({}, 99.0)
        drive(study, Count(0.2), "0.6s")
    assert [(t.state, t.reason) for t in open_study(tmp_path / "run").trials] == [("COMPLETE", None), ("FAIL", "budget")]


KILLED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.test_engine import SPACE, drive
from tests.toy import Count, settings
from nas.study import create_study, resume_study
directory = Path(sys.argv[1])
new = not (directory / "run.yaml").exists()
with create_study(directory, settings(), SPACE) if new else resume_study(directory, space=SPACE) as study:
    print("working", flush=True)
    drive(study, Count(0.01, 0.01, fail_on="ab"), "300trials")
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_finishes_with_the_trials_of_an_undisturbed_run(tmp_path: Path) -> None:
    undisturbed = proposals(searched(tmp_path / "whole", Count(fail_on="ab"), "300trials"))
    seed = random.SystemRandom().randrange(10**6)
    print(f"moments of seed {seed}")
    rng = random.Random(seed)
    code = KILLED.format(path=[str(Path(__file__).parent.parent), *sys.path])
    done: list[int] = []
    for kill in (True,) * 5 + (False,):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"working\n"
            if kill:
                time.sleep(rng.uniform(0.0, 0.5))
                process.kill()
            assert process.wait(60) == (-signal.SIGKILL if kill else 0)
        trials = open_study(tmp_path / "run").trials
        done.append(sum(trial.finished for trial in trials))
        assert proposals_of(trials) == undisturbed[: done[-1]]
    assert done == sorted(done)
    assert done[-1] == 300
    assert done[2] > 0
    assert open_study(tmp_path / "run").ledger().device_seconds >= 3.0


def proposals_of(trials: list[Any]) -> list[tuple[Any, ...]]:
    return [(t.number, t.decisions, t.state, t.value, t.reason, t.metrics, t.order) for t in trials if t.finished]


# ---- search and resume ---------------------------------------------------------------------------------------------


def share_of_skips(architecture: Any, fidelity: Fidelity) -> dict[str, float]:
    return {"accuracy": int(architecture.digest[:4], 16) / 65536, "epochs": fidelity.epochs}


def search(out: Path, **options: Any) -> Study:
    values = {"space": "tiny", "evaluator": share_of_skips, "budget": "12trials", "engine": "local", "out": out}
    return nas.engine.search(**(values | options))


@pytest.mark.parametrize("strategy", ["random", "evolution", "rl"])
def test_a_search_of_a_real_space_by_each_strategy(tmp_path: Path, strategy: str) -> None:
    study = search(tmp_path / "run", strategy=strategy, seed=3)
    assert study.ledger().finished == 12
    assert study.best is not None
    best = study.best
    assert best.architecture.digest == best.digest
    assert best.value == int(best.digest[:4], 16) / 65536
    from nas.loading import load

    assert load(tmp_path / "run").digest == best.digest
    again = search(tmp_path / "again", strategy=strategy, seed=3)
    assert proposals(again) == proposals(study)


def test_settings_of_a_search_can_be_read(tmp_path: Path) -> None:
    frozen = search(tmp_path / "run", fidelity=Fidelity(epochs=7), timeout=60, budget="1gpuh,3trials").settings
    assert (frozen.strategy, frozen.engine, frozen.workers, frozen.budget) == ("auto", "local", 1, "1gpuh,3trials")
    assert frozen.fidelity["epochs"] == 7
    assert frozen.timeout == 60
    assert {"python", "optuna"} <= set(frozen.versions)
    study = open_study(tmp_path / "run")
    assert study.space.to_yaml() == spaces.load("tiny").to_yaml()
    assert study.trials[0].metrics["epochs"] == 7


def test_resume_takes_the_evaluator_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", observer=Watching(4, interrupt))
    assert (tmp_path / "run" / "best.yaml").exists()
    with pytest.raises(StudyError, match="hand it in"):
        nas.engine.resume(tmp_path / "run")
    study = nas.engine.resume(tmp_path / "run", evaluator=share_of_skips, workers=2)
    assert study.ledger().finished == 12
    assert proposals(nas.engine.resume(tmp_path / "run", evaluator=share_of_skips)) == proposals(study)


def test_the_evaluator_fits_the_fidelity_before_the_launch(tmp_path: Path) -> None:
    class Fitting(Count):
        def prepare(self, space: Any, seconds_per_worker: float, seed: int) -> Fidelity:
            assert (space.name, seconds_per_worker, seed) == ("tiny", 90.0, 5)
            return Fidelity(epochs=4)

        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Any) -> dict[str, float]:
            return {"accuracy": fidelity.epochs}

    study = search(tmp_path / "run", evaluator=Fitting(), budget="2m,0.05gpuh,2trials", workers=2, seed=5)
    assert study.settings.fidelity["epochs"] == 4
    assert study.best is not None
    assert study.best.value == 4


def test_a_search_in_which_nothing_finished_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(NothingFinishedError, match="no candidate was validated within 1s; give a larger --budget") as caught:
        search(tmp_path / "run", evaluator=Count(9.0), budget="1s", space="tiny")
    assert caught.value.exit_status == 3
    assert [trial.reason for trial in open_study(tmp_path / "run").trials] == ["budget"]

    def broken(architecture: Any, fidelity: Fidelity) -> float:
        raise ZeroDivisionError("no")

    with pytest.raises(NothingFinishedError, match="all 4 candidates failed, most by: ZeroDivisionError: no"):
        search(tmp_path / "other", evaluator=broken, budget="4trials")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"space": "tyni"}, UnknownNameError, "nearest: tiny"),
        ({"strategy": "evolutoin"}, UnknownNameError, "nearest: evolution"),
        ({"strategy_options": {"popluation": 3}}, NasError, "popluation"),
        ({"evaluator": "trainin"}, UnknownNameError, "nearest: training"),
        ({"evaluator": 3}, NasError, "evaluator=3 cannot evaluate"),
        ({"engine": "rya"}, UnknownNameError, "nearest: ray"),
        ({"budget": "-3h"}, NasError, "budget '-3h'"),
        ({"workers": 0}, NasError, "workers=0; allowed: a whole number from 1"),
        ({"gpus_per_trial": 1.5}, NasError, "gpus_per_trial=1.5"),
        ({"timeout": -1}, NasError, "timeout=-1; allowed: seconds > 0"),
        ({"address": "auto"}, NasError, "needs the engine ray"),
        ({"storage": "nonsense"}, StudyError, "not a database URL"),
        ({"dataset": "digits"}, NasError, "dataset is an option of a named evaluator"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], error: type[NasError], match: str
) -> None:
    with pytest.raises(error, match=match) as caught:
        search(tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_devices_are_shared_out() -> None:
    assert share_out(None, None, gpus=0, cores=8) == Shares(8, 0.0, 1)
    assert share_out(2, None, gpus=0, cores=8) == Shares(2, 0.0, 1)
    assert share_out(None, None, gpus=4, cores=32) == Shares(4, 1.0, 8)
    assert share_out(None, 0.25, gpus=2, cores=4) == Shares(8, 0.25, 1)
    assert share_out(None, 0.3, gpus=1, cores=4).workers == 3
    assert share_out(None, 0, gpus=4, cores=8) == Shares(8, 0.0, 1)
    assert share_out(2, 2, gpus=4, cores=8) == Shares(2, 2.0, 4)
    assert (Shares(8, 0.25, 1).devices, Shares(8, 0.25, 1).device) == (0.25, "cuda")
    assert (Shares(8, 0.0, 1).devices, Shares(8, 0.0, 1).device) == (1.0, "cpu")
    for workers, share, gpus in ((9, 0.25, 2), (None, 1.5, 4), (None, math.nan, 1), (None, 0.5, 0), (None, -1, 1)):
        with pytest.raises(NasError, match=r"allowed|leave it out"):
            share_out(workers, share, gpus=gpus, cores=4)


def test_importing_the_engine_imports_neither_ray_nor_torch() -> None:
    code = "import sys, nas.engine; print([name for name in ('ray', 'torch', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
