"""Honest winners: the best trained again with fresh seeds, held against random search; resumed after a kill at any stage."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import nas.engine
from nas import spaces
from nas.engine import KeptLanes, LocalLanes, Observer, Start, trial_seed
from nas.engine.confirm import confirm_settings, control_settings
from nas.engine.lanes import Candidate, Done, Ready
from nas.errors import NasError, StudyError
from nas.evaluators import Evaluation, Fidelity, create
from nas.loading import load
from nas.objectives import Objective
from nas.report.honest import verdict
from nas.study import Comparison, Study, open_study
from nas.study.confirmation import finalists, pending
from nas.study.interval import difference, t_interval, t_quantile
from nas.study.wish import Wish
from tests.cli import Run
from tests.cli import nas as command_line
from tests.test_engine import Watching, interrupt, proposals
from tests.toy import SEEDED, Seeded, ToyArchitecture, settings

WORD: Any = ToyArchitecture("aa")
STAGES = ("", "confirm", "control", "control/confirm")


def search(out: Path, **options: Any) -> Study:
    values = {"space": "tiny", "evaluator": SEEDED, "budget": "8trials", "engine": "local", "out": out, "strategy": "evolution"}
    return nas.engine.search(**(values | options))


def stages(directory: Path) -> list[Any]:
    """All that the runs in the folder hold but times."""
    return [proposals(open_study(directory / stage)) for stage in STAGES]


# ---- intervals -----------------------------------------------------------------------------------------------------


def test_quantiles_are_those_of_the_tables() -> None:
    table = {(0.95, 1): 12.7062, (0.95, 2): 4.30265, (0.95, 4): 2.77645, (0.99, 2): 9.92484, (0.95, 120): 1.97993, (0.9, 10): 1.81246}
    for (level, freedom), value in table.items():
        assert t_quantile(level, freedom) == pytest.approx(value, rel=1e-5)


def test_an_interval_by_hand() -> None:
    # mean 0.93, s = 0.01, so 4.302653 * 0.01 / sqrt(3) to each side
    low, high = t_interval([0.92, 0.93, 0.94]) or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(0.93)
    assert high - 0.93 == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-6)
    assert t_interval([0.9]) is None
    assert t_interval([0.9, 0.9]) == (0.9, 0.9)


def test_a_difference_by_hand() -> None:
    # variances 1 and 4 over 3 each: (1/3 + 4/3)^2 / ((1/3)^2 / 2 + (4/3)^2 / 2) = 50/17 degrees of freedom
    made, interval = difference([9.0, 10.0, 11.0], [6.0, 8.0, 10.0])
    assert made == pytest.approx(2.0)
    assert interval is not None
    assert interval[1] - made == pytest.approx(t_quantile(0.95, 50 / 17) * math.sqrt(5 / 3))
    assert interval[0] < 0 < interval[1]
    assert difference([1.0], [0.0, 0.5]) == (0.75, None)
    assert difference([1.0, 1.0], [0.5, 0.5]) == (0.5, (0.5, 0.5))


# ---- the whole of it -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(tmp_path_factory.mktemp("whole") / "run", confirm="3x2", control=True)


def test_the_best_are_trained_again_with_fresh_seeds(whole: Study) -> None:
    run = whole.nested("confirm")
    assert run is not None
    best = sorted({t.digest: t.value for t in whole.trials}.values(), reverse=True)[:3]  # type: ignore[type-var]
    assert [t.digest for t in run.trials[:3]] == [t.digest for t in run.trials[3:]], "seed after seed"
    assert sorted((item.trial.value for item in whole.confirmation), reverse=True) == best  # type: ignore[type-var]
    for item in whole.confirmation:
        trainings = [t for t in run.trials if t.digest == item.trial.digest]
        assert item.values == tuple(t.value for t in trainings)
        assert item.mean == pytest.approx(sum(item.values) / 2)
        assert item.interval == t_interval(item.values)
        assert item.tests == tuple(t.metrics["test_accuracy"] for t in trainings)
    means = [item.mean for item in whole.confirmation]
    assert means == sorted(means, reverse=True)  # type: ignore[type-var]


def test_no_seed_of_a_training_is_used_twice(whole: Study) -> None:
    seeds = [trial.seed for stage in STAGES for trial in open_study(whole.directory / stage).trials]
    assert len(seeds) == len(set(seeds)) == 2 * (8 + 6)


def test_what_is_confirmed_is_full_size_and_its_time_is_not_the_budget(whole: Study) -> None:
    run = whole.nested("confirm")
    assert run is not None
    fidelity = Fidelity.from_dict(run.settings.fidelity)
    assert (fidelity.width, fidelity.depth, fidelity.samples, fidelity.test) == (1.0, 1.0, 1.0, True)
    assert fidelity.epochs == SEEDED.full_epochs
    assert whole.ledger().finished == 8
    assert run.ledger().finished == 6
    assert not (run.directory / "best.yaml").exists(), "a single training is no best network"
    text = (whole.directory / "confirmed.yaml").read_text()
    assert load(whole.directory / "confirmed.yaml").digest == whole.confirmation[0].trial.digest
    assert "the mean of 2 seeds (95% interval" in text
    assert load(whole.directory).digest == whole.best.digest, "best.yaml stays the search's"  # type: ignore[union-attr]


def test_the_control_is_random_search_under_the_same_budget_with_other_candidates(whole: Study) -> None:
    control = whole.control
    assert control is not None
    assert control.settings.strategy == "random"
    same = ("budget", "space", "objective", "evaluator", "fidelity", "workers", "engine", "dataset", "timeout", "confirm")
    assert all(getattr(control.settings, name) == getattr(whole.settings, name) for name in same)
    ours, theirs = ([t.decisions for t in study.trials] for study in (whole, control))
    assert ours[0] != theirs[0]
    assert len([one for one in theirs if one in ours]) < 4
    assert (control.directory / "confirmed.yaml").exists()


def test_the_comparison_is_of_both_best_means(whole: Study) -> None:
    made, control = whole.comparison, whole.control
    assert made is not None
    assert control is not None
    first, second = whole.confirmation[0].values, control.confirmation[0].values
    assert (made.difference, made.interval) == difference(first, second)
    assert made.confirmed
    assert made.better is (made.interval[0] > 0)  # type: ignore[index]


def test_resuming_what_is_done_changes_nothing(whole: Study) -> None:
    before, files = stages(whole.directory), sorted(whole.directory.rglob("*"))
    nas.engine.resume(whole.directory, evaluator=SEEDED)
    assert stages(whole.directory) == before
    assert sorted(whole.directory.rglob("*")) == files


# ---- broken off ----------------------------------------------------------------------------------------------------

KILLED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from nas.engine import Observer
from tests.test_confirm import search
class Loud(Observer):
    def begin(self, start):
        self.where = str(start.directory.relative_to(sys.argv[1])).strip(".")
    def finished(self, finished):
        if (self.where, finished.number) == (sys.argv[2], 3):
            print("there", flush=True)
            sys.stdin.read()
search(Path(sys.argv[1]), confirm="3x2", control=True, observer=Loud())
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_any_stage_it_goes_on_there(whole: Study, tmp_path: Path, stage: str) -> None:
    code = KILLED.format(path=[str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, "-c", code, str(tmp_path / "run"), stage]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    assert [(tmp_path / "run" / each / "run.yaml").exists() for each in ("confirm", "control", "control/confirm")] == [
        stage in ("confirm", "control", "control/confirm"), stage in ("control", "control/confirm"), stage == "control/confirm",
    ]  # fmt: skip
    half = open_study(tmp_path / "run")
    assert half.comparison is None
    assert (half.directory / "confirmed.yaml").exists() == (stage in STAGES[2:])
    again = nas.engine.resume(tmp_path / "run", evaluator=SEEDED)
    assert stages(tmp_path / "run") == stages(whole.directory)
    assert again.comparison is not None
    assert dataclasses.replace(again.comparison) == whole.comparison
    for name in ("confirmed.yaml", "control/confirmed.yaml"):
        assert (tmp_path / "run" / name).read_text() == (whole.directory / name).read_text()


def test_ctrl_c_in_the_confirmation(whole: Study, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", confirm="3x2", observer=Watching(8 + 4, interrupt))
    half = open_study(tmp_path / "run")
    assert pending(half) == 2
    assert [len(item.values) for item in half.confirmation].count(2) == 1
    assert not (tmp_path / "run" / "confirmed.yaml").exists()
    nas.engine.resume(tmp_path / "run", evaluator=SEEDED)
    assert [item.values for item in open_study(tmp_path / "run").confirmation] == [item.values for item in whole.confirmation]


def test_killed_before_the_settings_were_whole(tmp_path: Path) -> None:
    search(tmp_path / "run")
    (tmp_path / "run" / "confirm").mkdir()
    (tmp_path / "run" / "confirm" / "driver.lock").touch()
    (tmp_path / "run" / "confirm" / "run.yaml.tmp").write_text("format:")
    assert len(nas.engine.resume(tmp_path / "run", evaluator=SEEDED, confirm="2x1").confirmation) == 2


def test_a_run_can_be_confirmed_later(whole: Study, tmp_path: Path) -> None:
    assert search(tmp_path / "run").confirmation == []
    nas.engine.resume(tmp_path / "run", evaluator=SEEDED, control=True)
    study = nas.engine.resume(tmp_path / "run", evaluator=SEEDED, confirm="3x2")
    assert stages(tmp_path / "run") == stages(whole.directory)
    assert study.comparison == whole.comparison
    with pytest.raises(StudyError, match="has a confirmation of 3x2 for 7 epochs already"):
        nas.engine.resume(tmp_path / "run", evaluator=SEEDED, confirm="3x3")
    nas.engine.resume(tmp_path / "run", evaluator=SEEDED, confirm="3x2")


def test_a_run_of_an_older_version_is_opened(tmp_path: Path) -> None:
    search(tmp_path / "run")
    path = tmp_path / "run" / "run.yaml"
    data = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({name: value for name, value in data.items() if name not in ("role", "confirm", "control")}))
    study = open_study(tmp_path / "run")
    assert (study.settings.role, study.settings.wish, study.settings.control) == ("search", None, False)
    path.write_text(yaml.safe_dump(data | {"confirm": {"networks": 0}}))
    with pytest.raises(StudyError, match="allowed: whole numbers from 1 for epochs, networks, seeds"):
        open_study(tmp_path / "run")


# ---- corners -------------------------------------------------------------------------------------------------------


def test_the_finalists_are_different_networks_and_those_that_were_cut_off_come_last() -> None:
    class Record:
        goals = (Objective("accuracy"),)
        ranked = Study.ranked

        def is_reference(self, trial: Any) -> bool:
            return False

        def __init__(self, *trials: tuple[str, float | None, bool, float]) -> None:
            from nas.study import Trial

            self.trials = [
                Trial(number, "COMPLETE" if value is not None else "FAIL", value, {"x": digest}, "", digest, cut=cut, fraction=part)
                for number, (digest, value, cut, part) in enumerate(trials)
            ]

    record: Any = Record(
        ("a", 0.5, False, 1.0), ("b", 0.9, True, 1.0), ("a", 0.7, False, 1.0), ("c", None, False, 1.0),
        ("d", 0.8, False, 0.3), ("e", 0.6, False, 1.0),
    )  # fmt: skip
    assert [trial.number for trial in finalists(record, 9)] == [2, 5, 1, 4]
    assert [trial.number for trial in finalists(record, 2)] == [2, 5]


def test_trainings_that_fail_are_counted_and_a_control_that_finds_nothing_says_so(tmp_path: Path) -> None:
    class Fragile(Seeded):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            if fidelity.test and evaluation.seed % 2:
                raise MemoryError("full size")
            return super().evaluate(architecture, fidelity, evaluation)

    study = search(tmp_path / "run", evaluator=Fragile(), confirm="2x4")
    run = study.nested("confirm")
    assert run is not None
    failed = sum(trial.state == "FAIL" for trial in run.trials)
    assert 0 < failed < 8
    assert sum(item.failed for item in study.confirmation) == failed
    assert pending(study) == 0

    class Broken(Seeded):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            if fidelity.test:
                raise MemoryError("full size")
            return super().evaluate(architecture, fidelity, evaluation)

    notes: list[str] = []
    observer = Observer()
    observer.note = notes.append  # type: ignore[method-assign]
    study = search(tmp_path / "other", evaluator=Broken(), confirm="2x1", observer=observer)
    assert "all 2 candidates failed, most by: out of memory" in notes[0]
    assert [item.mean for item in study.confirmation] == [None, None]
    assert not (tmp_path / "other" / "confirmed.yaml").exists()


def test_a_database_holds_all_of_it(whole: Study, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    study = search(tmp_path / "run", confirm="2x1", control=True, storage=url, budget="2trials")
    assert study.control is not None
    assert study.comparison is not None
    assert not list(tmp_path.rglob("study.journal"))
    import optuna

    assert sorted(optuna.get_all_study_names(url)) == ["run", "run/confirm", "run/control", "run/control/confirm"]


def test_a_function_is_confirmed_for_as_long_as_in_the_search(tmp_path: Path) -> None:
    study = search(tmp_path / "run", evaluator=lambda a, f: f.epochs, fidelity=Fidelity(4, 0.5), confirm=1, budget="2trials", timeout=9)
    assert study.confirmation[0].values == (4.0, 4.0, 4.0)
    run = study.nested("confirm")
    assert run is not None
    assert (run.settings.timeout, run.settings.fidelity["width"]) == (None, 1.0)


def test_one_seed_has_no_interval_and_a_control_without_confirmation_is_no_proof(tmp_path: Path) -> None:
    study = search(tmp_path / "one", confirm="2x1", control=True)
    assert study.confirmation[0].interval is None
    assert study.comparison is not None
    assert study.comparison.better is None
    assert "one seed each" in verdict(study.comparison, "accuracy")
    study = search(tmp_path / "none", control=True)
    assert study.comparison is not None
    assert not study.comparison.confirmed
    assert "lucky seed" in verdict(study.comparison, "accuracy")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Comparison(0.02, (0.01, 0.03), True, False), "interval +1.00 points to +3.00 points): the search is better than random search"),
        (Comparison(0.02, (-0.01, 0.05), True, False), "not better than random search, as far as these seeds can tell"),
        (Comparison(-0.02, (-0.03, -0.01), True, False), "the search is worse than random search"),
        (Comparison(0.0, (0.0, 0.0), True, False), "every seed gave the same value): the search is not better than"),
        (Comparison(0.1, (0.1, 0.1), True, False), "every seed gave the same value): the search is better than"),
        (Comparison(0.0, (-0.1, 0.1), True, True), "both chose the same network: the search is not better"),
    ],
)
def test_the_verdict_is_plain(made: Comparison, said: str) -> None:
    assert said in verdict(made, "accuracy")
    assert made.better is ("is better than" in said)


WRONG = ("0x3", "3x0", "3x", "x3", "3x3x3", "-1", "1.5", "", "all")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        *[({"confirm": text}, r"confirm='.*'; allowed: networks x seeds") for text in WRONG],
        ({"confirm": True}, "confirm='True'"),
        ({"confirm": "3x3", "confirm_epochs": 0}, "confirm_epochs=0; allowed: a whole number from 1"),
        ({"confirm_epochs": 3}, "confirm_epochs=3 needs confirm"),
        ({"control": True, "strategy": "random"}, "a control of random search would be random search again"),
        ({"control": 1}, "control=1"),
    ],
)  # fmt: skip
def test_bad_wishes_are_refused_before_anything_is_written(tmp_path: Path, options: dict[str, Any], match: str) -> None:
    with pytest.raises(NasError, match=match):
        search(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_wishes() -> None:
    assert Wish.parse("3") == Wish.parse("3x3") == Wish.parse(" 3X3 ") == Wish(3, 3)
    assert Wish.parse("2x5", 9) == Wish(2, 5, 9)
    frozen = settings(seed=4, start=[{"letter0": "a"}], timeout=3.0)
    assert control_settings(frozen).start == []
    assert control_settings(frozen).seed != 4
    made = confirm_settings(frozen, Wish(1, 2, 5), [{"letter0": "b"}])
    assert (made.budget, made.start, made.timeout, made.study) == ("2trials", [{"letter0": "b"}] * 2, None, "toy/confirm")
    assert trial_seed(made.seed, 0) != trial_seed(4, 0)


# ---- lanes ---------------------------------------------------------------------------------------------------------


def drive_one(lanes: KeptLanes, number: int) -> Done:
    lanes.start()
    ready = lanes.poll(5)
    assert [event for event in ready if isinstance(event, Ready)]
    lanes.submit(ready[0].lane, Candidate(number, WORD, Fidelity(), 1, 60.0, 60.0))
    (done,) = lanes.poll(5)
    assert isinstance(done, Done)
    return done


def test_lanes_are_kept_from_run_to_run_and_made_anew_after_a_break() -> None:
    made: list[LocalLanes] = []

    def make() -> LocalLanes:
        made.append(LocalLanes(Seeded(), 1))
        return made[-1]

    with KeptLanes(make) as lanes:
        for number in range(3):
            assert drive_one(lanes, number).number == number
            lanes.stop()
        assert len(made) == 1
        lanes.start()
        (ready,) = lanes.poll(5)
        lanes.submit(ready.lane, Candidate(7, WORD, Fidelity(), 1, 60.0, 60.0))
        lanes.stop()  # broken off: it holds something
        assert drive_one(lanes, 8).number == 8
        assert len(made) == 2
    assert not any(thread.is_alive() for lane in made for thread in lane._threads.values())


# ---- test images ---------------------------------------------------------------------------------------------------


def test_test_images_are_measured_where_asked_and_change_nothing_else() -> None:
    evaluator, space = create("training"), spaces.load("tiny")
    candidate = space.decode(space.sample(random.Random(0)))
    plain, tested = (evaluator.evaluate(candidate, Fidelity(1, samples=0.3, test=test), Evaluation(seed=2)) for test in (False, True))
    assert "test_accuracy" not in plain
    assert 0.0 < tested["test_accuracy"] <= 1.0
    assert tested["test_accuracy"] * 359 == pytest.approx(round(tested["test_accuracy"] * 359))
    assert plain["accuracy"] == tested["accuracy"]
    assert "test" not in Fidelity(3).to_dict()
    assert Fidelity.from_dict(Fidelity(3, test=True).to_dict()) == Fidelity(3, test=True)


# ---- the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    monkeypatch.chdir(tmp_path)
    return partial(command_line, capsys, monkeypatch)


@pytest.mark.slow
def test_a_real_search_through_the_command_line(call: Callable[..., Run], tmp_path: Path) -> None:
    run = call(
        "search", "--space", "tiny", "--engine", "local", "--budget", "3trials", "--epochs", 1, "--width", 0.5, "--out", "r",
        "--confirm", "2x2", "--confirm-epochs", 1, "--control",
    )  # fmt: skip
    assert run.status == 0, run.err
    assert run.out.count("2 networks with 2 fresh seeds each, 1 epoch at full size") == 2
    assert "in r/confirmed.yaml" in run.out
    assert "search less control: " in run.out
    assert "next:  nas show r/best.yaml" in run.out
    again, status = call("resume", "r", "--no-dashboard"), json.loads(call("status", "r", "--json").out)
    assert again.status == 0, again.err
    assert again.out.count("search less control: ") == 1
    assert "confirming" not in again.out
    assert status["confirmation"]["pending"] == 0
    assert [len(item["values"]) for item in status["confirmation"]["networks"]] == [2, 2]
    assert all(len(item["test_accuracy"]) == 2 for item in status["confirmation"]["networks"])
    assert status["control"]["finished"] == 3
    low, high = status["comparison"]["interval"]
    assert low <= status["comparison"]["difference"] <= high
    assert status["comparison"]["better"] is (low > 0 and not status["comparison"]["same"])
    assert call("show", "r/confirmed.yaml").status == 0
    assert "next:  nas status r " in call("status", "r/confirm").out
    bad = call("resume", "r", "--confirm", "5x5")
    assert (bad.status, bad.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("--confirm", "0x3"),
        ("--confirm", "3x"),
        ("--confirm-epochs", 3),
        ("--control", "--strategy", "random"),
        ("--confirm", "3", "--confirm-epochs", 0),
    ],
)
def test_contradictory_options_are_one_line(call: Callable[..., Run], tmp_path: Path, words: tuple[Any, ...]) -> None:
    run = call("search", *words)
    assert (run.status, run.err.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])


def test_the_screen_says_what_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nas.report.screen import Screen

    class Roles(Screen):
        roles: list[str] = []

        def begin(self, start: Start) -> None:
            self.roles.append(start.role)
            super().begin(start)

    with Roles() as screen:
        search(tmp_path / "run", confirm="2x1", control=True, observer=screen)
    assert screen.roles == ["search", "confirm", "control", "confirm"]
    assert screen.directory == tmp_path / "run"
    out = capsys.readouterr().out
    assert out.count("confirming: ") == 2
    assert out.count("control: a random search") == 1
    assert out.count("ended by the budget: 8trials") == 2
    assert "2trials" not in out
