"""Trials in other programs' records: TensorBoard's events read back, Weights & Biases and MLflow by the calls that they get."""

from __future__ import annotations

import importlib.machinery
import struct
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nas
from nas import trackers
from nas.engine import Observer, Observers
from nas.engine.tracking import TRACKED, Tracking, write_all
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity
from nas.trackers import TRACKERS, Entry
from nas.trackers.mlflow import _key
from tests.cli import nas as call


class Curved:
    """Three epochs that come to a value of the digest; digests that begin with 0 to 3 fail."""

    objective = "accuracy"

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        value = int(architecture.digest[:6], 16) / 2**24
        for epoch in (1, 2, 3):
            evaluation.report({"epochs": epoch, "accuracy": value * epoch / 3})
        if value < 0.25:
            raise ValueError("too small")
        return {"accuracy": value, "epochs": 3, "odd": float("nan")}


def search(out: Path, budget: str = "6trials", **options: Any) -> Any:
    return nas.search("tiny", strategy="random", evaluator=Curved(), budget=budget, engine="local", out=out, seed=3, **options)


class Kept:
    """A tracker that keeps what it gets, and is away for as long as `down` says."""

    name, package, install, metavar, help = "kept", "json", "json", "", ""

    def __init__(self, target: str = "") -> None:
        self.target, self.entries, self.runs, self.down = target, [], [], 0
        self.closed = 0

    def check(self) -> None: ...

    def open(self, run: Any) -> None:
        self.runs.append(run)

    def add(self, entry: Entry) -> None:
        if self.down > 0:
            self.down -= 1
            raise ConnectionError("nobody answers")
        self.entries.append(entry)

    def close(self) -> None:
        self.closed += 1


def agrees(entry: Entry, trial: Any) -> None:
    """An entry is the trial of the record."""
    assert (entry.number, entry.digest, entry.decisions) == (trial.number, trial.digest, trial.decisions)
    assert list(entry.values.values()) == list(trial.values)
    assert entry.curve == trial.curve
    assert entry.device_seconds == pytest.approx(trial.device_seconds)


# ---- what any tracker gets ------------------------------------------------------------------------------------------


def test_every_finished_trial_once(tmp_path: Path) -> None:
    kept = Kept()
    study = search(tmp_path / "run", observer=Tracking(kept))
    assert [entry.number for entry in kept.entries] == [trial.number for trial in study.history()]
    for entry in kept.entries:
        agrees(entry, study.trials[entry.number])
    assert {entry.failed for entry in kept.entries} == {True, False}
    assert kept.runs[0].study == "run"
    assert kept.runs[0].settings["strategy"] == "random"
    assert kept.closed == 1


def test_what_was_missed_is_sent_by_the_next(tmp_path: Path) -> None:
    """After a Ctrl-C, from a search that was not tracked at first, and never twice."""

    class Stop(Observer):
        def finished(self, finished: Any) -> None:
            if finished.number == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", observer=Stop())
    kept, notes = Kept(), []
    study = nas.resume(tmp_path / "run", evaluator=Curved(), observer=Tracking(kept, notes.append))
    assert sorted(entry.number for entry in kept.entries) == list(range(6))
    for entry in kept.entries:
        agrees(entry, study.trials[entry.number])
    again = Kept()
    Tracking(again).complete(study)
    assert again.entries == []
    other = Kept("another project")
    assert write_all(study, other) == len(other.entries) == 6
    assert notes == []


def test_trouble_never_ends_a_search_and_is_made_good(tmp_path: Path) -> None:
    kept, notes = Kept(), []
    kept.down = 2
    study = search(tmp_path / "run", observer=Tracking(kept, notes.append))
    assert study.ledger().finished + study.ledger().failed == 6
    assert sorted(entry.number for entry in kept.entries) == list(range(6))  # two of them at the end
    assert notes == ["kept: ConnectionError: nobody answers; the search goes on, and it is tried again later"]


def test_what_could_not_be_sent_is_said(tmp_path: Path) -> None:
    kept, notes = Kept(), []
    kept.down = 10**6
    study = search(tmp_path / "run", observer=Tracking(kept, notes.append))
    assert notes[-1] == "kept: 6 trials were not sent; `nas resume` with --kept sends them"
    assert len(notes) == 2
    kept.down = 0
    Tracking(kept).complete(study)
    assert sorted(entry.number for entry in kept.entries) == list(range(6))


def test_a_tracker_that_raises_in_the_driver_is_switched_off(tmp_path: Path) -> None:
    """Such as a folder of the run that cannot be read."""
    (tmp_path / "run").mkdir()
    notes: list[str] = []
    tracking = Tracking(Kept(), notes.append)
    tracking._follow(tmp_path / "gone", ("accuracy",))
    tracking.end("")
    assert len(notes) == 1
    assert "nothing is sent" in notes[0]


@pytest.mark.parametrize("name", TRACKERS.names())
def test_the_package_of_a_tracker_is_looked_for_first(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    run = call(capsys, monkeypatch, "search", "--space", "tiny", f"--{name}", "--out", tmp_path / "run")
    kind = TRACKERS.get(name)
    assert (run.status, run.err) == (2, f"error: --{name} needs the package {kind.package}; allowed: pip install {kind.install}\n")
    assert not (tmp_path / "run").exists()


# ---- TensorBoard ----------------------------------------------------------------------------------------------------


def events(folder: Path) -> list[Any]:
    """Summaries of all event files there: each record is a length, its checksum, the data and theirs."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(value.tag, event.step, value) for value in event.summary.value]
            at += 16 + length
    return found


def scalars(folder: Path, tag: str) -> dict[int, float]:
    return {step: value.simple_value for name, step, value in events(folder) if name == tag}


def test_curves_for_tensorboard(tmp_path: Path) -> None:
    study = search(tmp_path / "run", observer=Tracking(trackers.create("tensorboard")))
    check_board(study)


def check_board(study: Any) -> None:
    """Every curve is there, point by point."""
    top = study.directory / "tensorboard"
    for trial in study.trials:
        folder = top / f"trial-{trial.number:05d}-{trial.digest[:12]}"
        assert scalars(folder, "accuracy") == {int(epoch): pytest.approx(value) for epoch, value, _ in trial.curve}
        assert scalars(folder, "seconds") == {int(epoch): pytest.approx(seconds) for epoch, _, seconds in trial.curve}
        (text,) = [value.tensor.string_val[0].decode() for name, _, value in events(folder) if name.startswith("trial")]
        assert trial.digest in text
        assert all(f"| {name} | {value} |" in text for name, value in trial.decisions.items())
    complete = {trial.number: pytest.approx(trial.value) for trial in study.trials if trial.state == "COMPLETE"}
    assert scalars(top / "trials", "accuracy") == complete


def test_curves_from_the_record(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = search(tmp_path / "run")
    run = call(capsys, monkeypatch, "dashboard", tmp_path / "run", "--tensorboard")
    assert run.status == 0
    assert f"tensorboard --logdir {tmp_path / 'run' / 'tensorboard'}" in run.out
    check_board(study)
    before = sorted((tmp_path / "run" / "tensorboard").rglob("*"))
    assert call(capsys, monkeypatch, "dashboard", tmp_path / "run", "--tensorboard").out.startswith("6 trials")
    assert sorted((tmp_path / "run" / "tensorboard").rglob("*")) == before


# ---- Weights & Biases -----------------------------------------------------------------------------------------------


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> types.ModuleType:
    """A module of that name with exactly what is used of the real one."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class FakeRun:
    """Of wandb."""

    def __init__(self, made: dict[str, Any]) -> None:
        self.made, self.logged, self.summary, self.status = made, [], {}, None

    def define_metric(self, name: str, *, step_metric: str) -> None:
        assert step_metric == "epoch"

    def log(self, row: dict[str, float]) -> None:
        self.logged.append(row)

    def finish(self, exit_code: int) -> None:
        self.status = exit_code


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeRun]:
    """Runs by their identity, of a wandb that is offline."""
    runs: dict[str, FakeRun] = {}

    def init(
        *, project: str, id: str, name: str, group: str, job_type: str, dir: str, config: Any, resume: str, reinit: str, settings: Any
    ) -> FakeRun:
        assert (resume, reinit, settings["silent"], settings["console"]) == ("allow", "create_new", True, "off")
        runs[id] = FakeRun({"project": project, "name": name, "group": group, "job_type": job_type, "config": config, "dir": dir})
        return runs[id]

    fake(monkeypatch, "wandb", init=init, Settings=dict, login=lambda prompt, verify: False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    return runs


def test_a_run_a_candidate_in_wandb(wandb: dict[str, FakeRun], tmp_path: Path) -> None:
    study = search(tmp_path / "run", observer=Tracking(trackers.create("wandb", "mine")))
    assert len(wandb) == 6
    for trial, run in zip(study.history(), wandb.values(), strict=True):
        assert (run.made["project"], run.made["group"], run.made["job_type"]) == ("mine", "run", "search")
        assert run.made["name"] == f"trial-{trial.number}"
        assert run.made["config"]["decisions"] == trial.decisions
        assert run.made["config"]["digest"] == trial.digest
        assert [(row["epoch"], row["accuracy"], row["seconds"]) for row in run.logged] == list(trial.curve)
        assert run.status == (0 if trial.state == "COMPLETE" else 1)
        if trial.value is not None:
            assert run.summary["accuracy"] == trial.value
            assert "odd" not in run.summary  # not a number


def test_wandb_without_a_login(wandb: dict[str, FakeRun], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")
    with pytest.raises(NasError, match="nobody is logged in; allowed: wandb login"):
        trackers.create("wandb")


# ---- MLflow ---------------------------------------------------------------------------------------------------------


class FakeClient:
    """Of MLflow; its limits are enforced."""

    def __init__(self, tracking_uri: str | None) -> None:
        self.uri = tracking_uri
        self.runs: dict[str, Any] = {}
        self.experiments: list[str] = []

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id=name) if name in self.experiments else None

    def create_experiment(self, name: str) -> str:
        self.experiments.append(name)
        return name

    def search_runs(self, experiments: list[str], text: str, *, max_results: int) -> list[Any]:
        return [run for run in self.runs.values() if text == f"tags.`nas.trial` = '{run.tags['nas.trial']}'"][:max_results]

    def create_run(self, experiment: str, began: int, tags: dict[str, str], name: str) -> Any:
        info = SimpleNamespace(run_id=str(len(self.runs)))
        run = SimpleNamespace(info=info, tags=tags, name=name, params={}, metrics=[], status="RUNNING")
        self.runs[run.info.run_id] = run
        return run

    def log_batch(self, run: str, metrics: Any = (), params: Any = ()) -> None:
        assert len(metrics) <= 1000
        assert len(params) <= 100
        self.runs[run].params |= {param.key: param.value for param in params}
        self.runs[run].metrics += metrics

    def set_terminated(self, run: str, status: str, now: int) -> None:
        self.runs[run].status = status


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> list[FakeClient]:
    """Its clients, of which there is one a run."""
    made: list[FakeClient] = []

    def client(tracking_uri: str | None) -> FakeClient:
        made.append(made[0] if made else FakeClient(tracking_uri))
        return made[-1]

    names = ("key", "value", "timestamp", "step")
    package = fake(monkeypatch, "mlflow")
    package.__path__ = []
    fake(monkeypatch, "mlflow.tracking", MlflowClient=client)
    entities = {
        "Metric": lambda *values: SimpleNamespace(**dict(zip(names, values, strict=True))),
        "Param": lambda key, value: SimpleNamespace(key=key, value=value),
    }
    fake(monkeypatch, "mlflow.entities", **entities)
    return made


def test_a_run_a_candidate_in_mlflow(mlflow: list[FakeClient], tmp_path: Path) -> None:
    study = search(tmp_path / "run", observer=Tracking(trackers.create("mlflow", "sqlite:///m.db")))
    (client,) = mlflow
    assert client.uri == "sqlite:///m.db"
    assert client.experiments == ["run"]
    for trial, run in zip(study.history(), client.runs.values(), strict=True):
        assert run.name == f"trial-{trial.number}"
        assert run.params["digest"] == trial.digest
        assert {_key(name): str(value) for name, value in trial.decisions.items()}.items() <= run.params.items()
        curve = [(item.step, item.value) for item in run.metrics if item.key == "accuracy"][: len(trial.curve)]
        assert curve == [(int(epoch), value) for epoch, value, _ in trial.curve]
        assert run.status == ("FINISHED" if trial.state == "COMPLETE" else "FAILED")
    for path in (tmp_path / "run" / TRACKED).iterdir():  # as if a kill had come before these were noted
        path.unlink()
    write_all(study, trackers.create("mlflow", "sqlite:///m.db"))
    assert len(client.runs) == 6


def test_names_that_mlflow_allows() -> None:
    assert _key("normal.nodes[0][1].op") == "normal.nodes.0.1.op"
    assert _key("a:b*c") == "a_b_c"


def test_trackers_by_the_command_line(
    wandb: dict[str, FakeRun], mlflow: list[FakeClient], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    """All at once, and on `nas resume` of a run that has ended."""
    given = ("--space", "nas-bench-201", "--evaluator", "tabular", "--table", "synthetic", "--engine", "local", "--strategy", "random")
    out = tmp_path / "run"
    run = call(capsys, monkeypatch, "search", *given, "--budget", "4trials", "--out", out, "--tensorboard", "--wandb", "mine", "--mlflow")
    assert run.status == 0, run.err
    assert len(wandb) == len(mlflow[0].runs) == len(list((out / "tensorboard").glob("trial-*"))) == 4
    assert mlflow[0].uri is None
    assert call(capsys, monkeypatch, "resume", out, "--wandb", "other", "--log-format", "json").status == 0
    assert [item.made["project"] for item in wandb.values()] == ["other"] * 4  # the same identities


def test_options_of_trackers_are_of_searches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "train.yaml").write_text("")
    run = call(capsys, monkeypatch, "resume", tmp_path, "--tensorboard")
    assert run.status == 2
    assert "--tensorboard" in run.err


def test_observers_hold_trackers(tmp_path: Path) -> None:
    """A third one needs no more than its class."""
    first, second = Kept(), Kept()
    search(tmp_path / "run", budget="2trials", observer=Observers([Tracking(first), Tracking(second, lambda line: None)]))
    assert len(first.entries) == 2
