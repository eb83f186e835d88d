"""Hand-designed networks trained as the candidates of a search were: by what, where they are shown, resumed after a kill."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import nas
import nas.engine
from nas.engine import Observer
from nas.errors import NasError, StudyError
from nas.evaluators import Evaluation, Fidelity
from nas.report.baselines import plain, shown
from nas.report.tables import console
from nas.study import Study, open_study
from nas.study.baselines import beaten_by, comparable, untrained
from tests.cli import Run
from tests.cli import nas as command_line
from tests.test_engine import Watching, interrupt, proposals
from tests.toy import SEEDED, Seeded

NAMES = ("resnet20", "densenet_bc_100_12", "wrn_16_4")
RESNET: Any = nas.load("resnet20")
HEAD = ["global_pool", {"block": "linear", "width": "classes"}]
ONE = {"name": "mine", "input": [3, 8, 8], "classes": 2, "stages": [{"block": "conv3x3", "width": 8}], "head": HEAD}


def search(out: Path, **options: Any) -> Study:
    values = {"space": "tiny", "evaluator": SEEDED, "budget": "8trials", "engine": "local", "out": out, "strategy": "evolution"}
    return nas.engine.search(**(values | options))


def text(study: Study) -> str:
    """What a person is shown of the baselines."""
    out = console()
    with out.capture() as captured:
        for part in shown(study):
            out.print(part)
    return captured.get()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(tmp_path_factory.mktemp("whole") / "run", baselines=NAMES, confirm="2x1", control=True)


# ---- the whole of it -----------------------------------------------------------------------------------------------


def test_they_are_trained_as_the_candidates_were(tmp_path: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    class Noting(Seeded):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            seen.append((architecture.name, fidelity, evaluation.task.role, (architecture.input, architecture.classes)))
            return super().evaluate(architecture, fidelity, evaluation)

    given = Fidelity(3, 0.5, 0.34, 0.7)
    study = search(tmp_path / "run", evaluator=Noting(), fidelity=given, baselines=NAMES, stop_early=None, timeout=50.0)
    candidate = study.space.decode(study.trials[0].decisions)
    assert seen[8:] == [(name, given, "baselines", (candidate.input, candidate.classes)) for name in NAMES]
    assert {fidelity for _, fidelity, *_ in seen} == {given}
    run = study.nested("baselines")
    assert run is not None
    same = ("objective", "evaluator", "fidelity", "workers", "engine", "dataset", "timeout", "latency", "memory_per_device")
    assert all(getattr(run.settings, name) == getattr(study.settings, name) for name in same)
    assert (run.settings.budget, run.settings.role, run.settings.baselines) == ("3trials", "baselines", "")


def test_the_best_comes_first_under_its_name(whole: Study) -> None:
    assert {trial.architecture.name for trial in whole.baselines} == set(NAMES)
    values = [trial.value for trial in whole.baselines]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    for trial in whole.baselines:
        name = trial.architecture.name
        assert trial.decisions == {"network": name}
        assert trial.architecture == nas.load(name).with_input((3, 8, 8), 10)
    run = whole.nested("baselines")
    assert run is not None
    assert run.space.choices == {"network": NAMES}
    assert not (run.directory / "best.yaml").exists(), "what was there before is no find"


def test_their_time_is_not_the_budget(whole: Study) -> None:
    run = whole.nested("baselines")
    assert run is not None
    assert (whole.ledger().finished, run.ledger().finished) == (8, 3)
    from nas.study.spending import spending

    assert [name for name, _ in spending(whole).following] == ["confirm", "baselines", "control", "control/confirm"]
    assert whole.control is not None
    assert whole.control.baselines == []
    assert not (whole.directory / "control" / "baselines").exists()


def test_no_seed_of_a_training_is_used_twice(whole: Study) -> None:
    stages = ("", "confirm", "baselines", "control", "control/confirm")
    seeds = [trial.seed for stage in stages for trial in open_study(whole.directory / stage).trials]
    assert len(seeds) == len(set(seeds)) == 2 * (8 + 2) + 3


def test_how_many_candidates_are_better(whole: Study) -> None:
    candidates = comparable(whole)
    assert len(candidates) == 8
    for trial in whole.baselines:
        better = [each.number for each in whole.trials if each.value > trial.value]  # type: ignore[operator]
        assert [each.number for each in beaten_by(whole, trial, candidates)] == better
    data = plain(whole)
    assert data is not None
    assert [row["network"] for row in data["networks"]] == [trial.architecture.name for trial in whole.baselines]
    assert [len(row["beaten_by"]) for row in data["networks"]] == sorted(len(row["beaten_by"]) for row in data["networks"])
    assert (data["pending"], data["compared"], data["failed"]) == (0, 8, [])


def test_what_nothing_beats_and_what_all_beat(tmp_path: Path) -> None:
    from nas.baselines import get

    def small(architecture: Any, fidelity: Fidelity) -> float:
        return -float(architecture.cost().params)

    study = search(tmp_path / "run", evaluator=small, baselines=[get("resnet20").make(), nas.Architecture.from_dict(ONE)])
    assert [trial.architecture.name for trial in study.baselines] == ["mine", "resnet20"]
    assert [len(beaten_by(study, trial, comparable(study))) for trial in study.baselines] == [0, 8]
    lines = text(study).splitlines()
    assert lines[0].startswith("baselines, trained once each as the candidates were; ")
    assert [line.split()[0] for line in lines[1:]] == ["network", "mine", "resnet20"]
    assert lines[2].rstrip().endswith("0 of 8 trials")
    assert lines[3].rstrip().endswith("8 of 8 trials")


def test_of_several_objectives_a_better_one_is_nowhere_worse(tmp_path: Path) -> None:
    study = search(tmp_path / "run", objectives="accuracy,params", baselines="resnet20, wrn_16_4", strategy="nsga2")
    for trial in study.baselines:
        assert trial.values == (trial.metrics["accuracy"], float(trial.architecture.cost(aux=False).params))
        better = [t.number for t in study.trials if t.values[0] >= trial.values[0] and t.values[1] <= trial.values[1]]
        assert [each.number for each in beaten_by(study, trial, comparable(study))] == better
        assert len(better) == sum(t.value >= trial.value for t in study.trials)  # type: ignore[operator]  # all are smaller
    assert "parameters" in text(study)
    assert text(study).count("parameters") == 1


def test_of_a_search_by_halving_only_what_was_trained_in_full_is_compared(tmp_path: Path) -> None:
    study = search(tmp_path / "run", strategy="asha:random", fidelity=Fidelity(9), budget="20trials", baselines="resnet20")
    full = [trial for trial in study.trials if trial.fraction == 1.0]
    assert 0 < len(full) < 20
    assert comparable(study) == full
    study = search(tmp_path / "brief", strategy="asha:random", fidelity=Fidelity(9), budget="2trials", baselines="resnet20")
    assert comparable(study) == []
    assert "no trial of the search was trained in full" in text(study)


def test_beside_scaled_networks_and_a_search_that_stops_early(tmp_path: Path) -> None:
    from nas.engine.coefficients import scale_search

    def curved(architecture: Any, fidelity: Fidelity) -> float:
        return float(architecture.cost().params)

    study = scale_search(
        "resnet20", evaluator=curved, baselines="resnet20,wrn_16_4", out=tmp_path / "scaled", engine="local", confirm=None, step=0.2
    )
    assert [trial.architecture.name for trial in study.baselines] == ["wrn_16_4", "resnet20"]
    assert {trial.architecture.input for trial in study.baselines} == {(3, 32, 32)}
    run = search(tmp_path / "run", evaluator=Curved(), fidelity=Fidelity(4), stop_early=0.9, baselines=NAMES).nested("baselines")
    assert run is not None
    assert all(trial.stopped is None and len(trial.curve) == 4 for trial in run.trials), "no curve ends one of them early"


class Curved(Seeded):
    """Reports its value after each epoch."""

    metrics = ("accuracy", "epochs")

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        made = super().evaluate(architecture, fidelity, evaluation)
        for epoch in range(fidelity.epochs):
            evaluation.report({**made, "epochs": epoch + 1})
        return made


def test_a_training_that_fails_is_shown(tmp_path: Path) -> None:
    class Fragile(Seeded):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            if architecture.name in fail:
                raise MemoryError("too large")
            return super().evaluate(architecture, fidelity, evaluation)

    fail: Iterable[str] = ("wrn_16_4",)
    study = search(tmp_path / "run", evaluator=Fragile(), baselines=NAMES)
    assert len(study.baselines) == 2
    assert untrained(study) == 0
    assert "wrn_16_4 failed: out of memory: too large" in text(study)
    data = plain(study)
    assert data is not None
    assert data["failed"] == [{"network": "wrn_16_4", "reason": "out of memory: too large"}]
    fail = NAMES
    notes: list[str] = []
    observer = Observer()
    observer.note = notes.append  # type: ignore[method-assign]
    study = search(tmp_path / "none", evaluator=Fragile(), baselines=NAMES, observer=observer)
    assert study.best is not None
    assert study.baselines == []
    assert "all 3 candidates failed, most by: out of memory" in notes[-1]
    assert text(study).count("failed: out of memory") == 3


def test_files_and_architectures_and_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(yaml.safe_dump(ONE))
    found = search(tmp_path / "first", budget="2trials")
    second = found.ranked()[1].architecture
    study = search(tmp_path / "run", baselines=["ResNet-20", Path("my.yaml"), "first", second])
    run = study.nested("baselines")
    assert run is not None
    assert run.space.choices["network"] == ("resnet20", "my.yaml", "first", "tiny")


def test_files_that_change_later_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(ONE))
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", baselines=[path], observer=Watching(3, interrupt))
    path.unlink()
    study = nas.engine.resume(tmp_path / "run", evaluator=SEEDED)
    assert [trial.architecture.stages for trial in study.baselines] == [nas.Architecture.from_dict(ONE).stages]


# ---- broken off, and asked for later -------------------------------------------------------------------------------

KILLED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from nas.engine import Observer
from tests.test_beside import NAMES, search
class Loud(Observer):
    def begin(self, start):
        self.where = str(start.directory.relative_to(sys.argv[1])).strip(".")
    def finished(self, finished):
        if (self.where, finished.number) == (sys.argv[2], int(sys.argv[3])):
            print("there", flush=True)
            sys.stdin.read()
search(Path(sys.argv[1]), baselines=NAMES, confirm="2x1", control=True, observer=Loud())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "number"), [("", 3), ("baselines", 1), ("control", 2)])
def test_killed_in_any_stage_it_goes_on_there(whole: Study, tmp_path: Path, stage: str, number: int) -> None:
    code = KILLED.format(path=[str(Path(__file__).parent.parent), *sys.path])
    command = [sys.executable, "-c", code, str(tmp_path / "run"), stage, str(number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    half = open_study(tmp_path / "run")
    assert untrained(half) == {"": 3, "baselines": 1, "control": 0}[stage]
    assert ("not begun" in text(half)) == (stage == "")
    assert ("1 of 3 trainings are still to be done" in text(half)) == (stage == "baselines")
    again = nas.engine.resume(tmp_path / "run", evaluator=SEEDED)
    for name in ("", "confirm", "baselines", "control", "control/confirm"):
        assert proposals(open_study(tmp_path / "run" / name)) == proposals(open_study(whole.directory / name))
    assert [trial.architecture for trial in again.baselines] == [trial.architecture for trial in whole.baselines]


def test_they_can_be_asked_for_later(whole: Study, tmp_path: Path) -> None:
    assert search(tmp_path / "run").baselines == []
    study = nas.engine.resume(tmp_path / "run", evaluator=SEEDED, baselines=NAMES)
    assert [trial.value for trial in study.baselines] == [trial.value for trial in whole.baselines]
    with pytest.raises(StudyError, match="has the baselines resnet20, densenet_bc_100_12, wrn_16_4 already; leave out baselines"):
        nas.engine.resume(tmp_path / "run", evaluator=SEEDED, baselines="resnet20")
    before = proposals(open_study(tmp_path / "run" / "baselines"))
    nas.engine.resume(tmp_path / "run", evaluator=SEEDED, baselines=NAMES)
    assert proposals(open_study(tmp_path / "run" / "baselines")) == before


def test_a_run_without_them_says_nothing_of_them(tmp_path: Path) -> None:
    study = search(tmp_path / "run", budget="2trials")
    assert "baselines" not in (tmp_path / "run" / "run.yaml").read_text()
    assert (study.baselines, shown(study), plain(study)) == ([], [], None)


def test_a_database_holds_all_of_it(tmp_path: Path) -> None:
    import optuna

    url = f"sqlite:///{tmp_path}/all.db"
    study = search(tmp_path / "run", baselines="resnet20", storage=url, budget="2trials")
    assert [trial.architecture.name for trial in study.baselines] == ["resnet20"]
    assert sorted(optuna.get_all_study_names(url)) == ["run", "run/baselines"]


def test_who_joins_need_not_name_them_and_may_name_no_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    search(tmp_path / "run", baselines="resnet20", storage=url, budget="3trials")
    assert len(search(tmp_path / "other" / "run", storage=url, budget="3trials").baselines) == 1
    assert len(search(tmp_path / "third" / "run", baselines="resnet20", storage=url, budget="3trials").baselines) == 1
    with pytest.raises(StudyError, match=r"baselines: .*wrn.* here, but .*resnet20.* in the search 'run', which has begun"):
        search(tmp_path / "fourth" / "run", baselines="wrn_16_4", storage=url, budget="3trials")


# ---- refused before anything is written ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"baselines": "resnet2o"}, "^baselines: unknown network 'resnet2o'; nearest: resnet"),
        ({"baselines": ["nothere.yaml"]}, "^baselines: cannot read nothere.yaml"),
        ({"baselines": [3]}, "^baselines=3; allowed: names of networks, YAML files, architectures"),
        ({"baselines": "resnet20,ResNet-20"}, "^baselines: resnet20 stands there twice"),
        ({"baselines": [RESNET, dataclasses.replace(RESNET, name="b")]}, "^baselines: resnet20 and b are one network"),
        ({"baselines": "resnet20,vit_b_16"}, r"^baselines: vit_b16 does not fit images of 3x8x8 \(.*patches.*\); leave it out, or take"),
        ({"baselines": "lenet5"}, r"^baselines: lenet5 does not fit .* one that fits, such as resnet18, "),
        ({"baselines": "resnet20", "evaluator": "shared"}, "^baselines for a search on shared weights"),
        (
            {"baselines": "resnet20", "space": "nas-bench-201", "evaluator": "tabular", "evaluator_options": {"table": "synthetic"}},
            "^baselines: synthetic: has the cells of nas-bench-201, not of space 'baselines'",
        ),
    ],
)  # fmt: skip
def test_bad_ones_are_one_line(tmp_path: Path, options: dict[str, Any], match: str) -> None:
    with pytest.raises(NasError, match=match) as caught:
        search(tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    if "evaluator" not in options:
        search(tmp_path / "other", budget="1trials")
        with pytest.raises(NasError, match=match):
            nas.engine.resume(tmp_path / "other", evaluator=SEEDED, **options)
        assert not (tmp_path / "other" / "baselines").exists()


def test_what_has_no_proxy_of_the_size(tmp_path: Path) -> None:
    grouped = {**ONE, "stages": [{"block": "conv3x3", "width": 8}, {"block": {"conv": {"groups": 8}}, "width": 24}]}
    network = nas.Architecture.from_dict(grouped)
    match = r"^baselines: mine cannot be made as small as candidates are trained, width x0.25, depth x0.17 \(.*groups=8.*\); leave it"
    search(tmp_path / "run", fidelity=Fidelity(1, 0.25, 0.17), budget="1trials")
    with pytest.raises(NasError, match=match):
        search(tmp_path / "other", fidelity=Fidelity(1, 0.25, 0.17), baselines=[network])
    with pytest.raises(NasError, match=match):
        nas.engine.resume(tmp_path / "run", evaluator=SEEDED, baselines=[network])
    assert not (tmp_path / "other").exists()
    assert search(tmp_path / "whole", baselines=[network], budget="1trials").baselines[0].architecture.name == "mine"


# ---- the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    monkeypatch.chdir(tmp_path)
    return partial(command_line, capsys, monkeypatch)


@pytest.mark.slow
def test_a_real_search_through_the_command_line(call: Callable[..., Run]) -> None:
    words = ("--space", "tiny", "--engine", "local", "--budget", "3trials", "--epochs", 1, "--width", 0.5)
    plan = json.loads(call("search", *words, "--baselines", "resnet20", "--dry-run", "--json").out)
    (following,) = plan["following"]
    assert (following["name"], following["trainings"]) == ("baselines", 1)
    assert following["seconds"] > 0
    run = call("search", *words, "--out", "r", "--baselines", "resnet20")
    assert run.status == 0, run.err
    assert run.out.count("baselines: hand-designed networks are trained as the candidates were") == 1
    assert "trial    0   resnet20   " in run.out
    assert "of 3 trials" in run.out
    data = json.loads(call("status", "r", "--json").out)["baselines"]
    (row,) = data["networks"]
    cost = nas.load("resnet20").with_input((1, 8, 8), 10).cost(aux=False)
    assert (row["network"], row["params"], row["macs"]) == ("resnet20", cost.params, cost.macs)
    (trial,) = nas.open_study("r").baselines
    assert (trial.metrics["params"], trial.metrics["macs"]) == (cost.params, cost.macs), "of the network, not of its proxy"
    assert [epoch for epoch, _, _ in trial.curve] == [1]
    assert trial.fidelity == nas.open_study("r").trials[0].fidelity
    assert "next:  nas status r      these networks beside what was found" in call("status", "r/baselines").out
    assert "baselines" in call("budget", "r").out
    again = call("resume", "r", "--no-dashboard")
    assert (again.status, again.out.count("trained once each as the candidates were")) == (0, 1)
    bad = call("resume", "r", "--baselines", "resnet32")
    assert (bad.status, bad.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("names", ["resnet2o", "vit_b_16", "nothere.yaml"])
def test_bad_names_are_one_line(call: Callable[..., Run], tmp_path: Path, names: str) -> None:
    run = call("search", "--space", "tiny", "--engine", "local", "--budget", "3trials", "--epochs", 1, "--baselines", names)
    assert (run.status, run.err.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])
