"""What a driver does for a trial grows neither with trials nor, but for one look a step, with lanes; counted, not timed.

Figures and their benchmarks: docs/driver-scale.md.
"""

from __future__ import annotations

import copy
import functools
import gc
import json
import pickle
import random
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas import spaces, strategies
from nas.budget import Budget
from nas.engine import accounts, api, driver
from nas.engine.observer import Finished, Observer
from nas.engine.snapshot import FILE, Remembered
from nas.evaluators import Fidelity, Outcome
from nas.objectives import Objective
from nas.strategies import Proposal, rl
from nas.study import Settings, create_study, open_study, recorder, resume_study
from nas.study.flight import attribute, in_flight
from nas.study.leading import Leading
from nas.study.slim import SlimJournalStorage
from nas.study.trial import Trial
from nas.testing import strategies as kit
from nas.testing.pretend import Fate, PretendedLanes


@functools.cache
def space(name: str = "tiny") -> Any:
    return spaces.load(name)


def settings(**given: Any) -> Settings:
    made = {"study": "run", "space": space().to_yaml(), "strategy": "evolution", "seed": 0, "budget": "9h", "objective": "accuracy"}
    return Settings(**made | given)


class Quarters(Observer):
    """Copies of the counts at each quarter of the trials."""

    def __init__(self, counts: Counter[str], trials: int) -> None:
        self.counts, self.every, self.done = counts, trials // 4, 0
        self.copies = [counts.copy()]

    def finished(self, finished: Finished) -> None:
        self.done += 1
        if self.done % self.every == 0:
            self.copies.append(self.counts.copy())

    def of(self, quarter: int) -> Counter[str]:
        later = self.copies[quarter + 1].copy()
        later.subtract(self.copies[quarter])
        return later


def counted(monkeypatch: pytest.MonkeyPatch, counts: Counter[str], owner: Any, name: str) -> None:
    inner = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return inner(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


def simulated(folder: Path, workers: int, trials: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Quarters, PretendedLanes, Path]:
    counts: Counter[str] = Counter()
    for owner, name in (
        (driver.Work, "count"), (driver.Accounts, "bring_up"), (recorder, "from_optuna"), (SlimJournalStorage, "get_all_trials"),
        (SlimJournalStorage, "set_trial_user_attr"), (SlimJournalStorage, "set_study_user_attr"), (driver.Keeping, "prune"),
    ):  # fmt: skip
        counted(monkeypatch, counts, owner, name)
    lanes, quarters = PretendedLanes(workers, fate=Fate(points=3)), Quarters(counts, trials)
    with create_study(folder / "run", settings(), space()) as study:
        made = driver.Driver(
            study, strategies.create("evolution", space(), 0), lanes, Budget(trials=trials, seconds=1e7), Fidelity(),
            observer=quarters, simulated=lanes.now, show_best=study.write_best,
        )  # fmt: skip
        made._accounts.heartbeat = accounts.HEARTBEAT_SECONDS  # of simulated time, as a real search has it
        assert made.run() == f"{trials}trials"
        assert study.ledger().finished + study.ledger().failed == trials
    return quarters, lanes, folder / "run"


def test_what_a_trial_takes_grows_with_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("nas.engine.standing.SHOWN_SECONDS", 0.0)
    few, _, _ = simulated(tmp_path / "few", 10, 400, monkeypatch)
    many, lanes, run = simulated(tmp_path / "many", 50, 1600, monkeypatch)
    early, late, small = many.of(1), many.of(2), few.of(1)
    for name in ("bring_up", "set_trial_user_attr", "set_study_user_attr", "prune"):
        assert late[name] <= 1.2 * early[name] + 20, f"{name}: {early[name]} calls in the second quarter, {late[name]} in the third"
    for name in ("bring_up", "set_trial_user_attr", "prune"):
        assert early[name] / 400 <= 1.2 * small[name] / 100 + 0.2, f"{name} a trial grows with workers"
    assert late["count"] <= 2.5 * 50 * 400  # one look at each lane a step, another at each heartbeat
    assert late["set_trial_user_attr"] <= 10 * 400  # of trials that finish, not of those that run
    assert lanes.messages <= 2 * 50 * 1600
    assert many.counts["from_optuna"] <= 1600  # each is read once, however often the best is shown
    assert many.counts["get_all_trials"] <= 50
    study = open_study(run)
    assert study.ledger().device_seconds == pytest.approx(sum(trial.device_seconds for trial in study.trials))
    assert (run / "best.yaml").read_text().startswith(f"# Trial {study.best.number} ")


def test_a_heartbeat_is_one_write_for_all_that_runs(tmp_path):
    with create_study(tmp_path / "run", settings(), space()) as study:
        proposals = [Proposal(space().sample(random.Random(number))) for number in range(20)]
        for proposal in proposals:
            study.start(proposal, space().decode(proposal.decisions), seed=0, fidelity={})
        before = len((tmp_path / "run" / "study.journal").read_text().splitlines())
        study.beat({number: number + 0.25 for number in range(20)}, 30.0)
        assert len((tmp_path / "run" / "study.journal").read_text().splitlines()) == before + 2
        study.lost(3, 1, 2.0)  # by the lane's clock it was less, but the heartbeat has been written
        study.finish(4, Outcome("fail", {}, "x"), None, 1.0, 0)
    read = open_study(tmp_path / "run")
    assert [trial.device_seconds for trial in read.trials] == [*(n + 0.25 for n in range(4)), 1.0, *(n + 0.25 for n in range(5, 20))]
    with resume_study(tmp_path / "run") as study:
        assert study.unfinished()[7].device_seconds == 8.25
        assert study.ledger().device_seconds == read.ledger().device_seconds


def test_attributes_that_no_driver_wrote_are_passed_over():
    attrs = {"running": {"1": 2.5, "x": 1, "-1": 3, "2": "a"}, "running:b": {"1": 3.0, "7": -1}, "runningx": {"9": 1}, "seconds": 1}
    assert in_flight(attrs) == {1: 3.0}
    assert in_flight({"running": [1]}) == {}
    assert attribute({1: 1 / 3, 2: 2.0}, [1]) == {"1": 0.333333333}


# ---- memory --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 200 trials of a space with 50 decisions, one of them running, with curves."""
    cells, folder = space("nasnet-cell"), tmp_path_factory.mktemp("filled") / "run"
    with create_study(folder, settings(space=cells.to_yaml()), cells) as study, study.batch():
        for number in range(200):
            proposal = Proposal(cells.sample(random.Random(number)))
            study.start(proposal, cells.decode(proposal.decisions), seed=number, fidelity=Fidelity().to_dict())
            curve = tuple((float(epoch), number / epoch, 1.5 * epoch) for epoch in range(1, 50))
            outcome = Outcome("complete", {"accuracy": 0.5, "loss": 1 / 3}, None, 6.0, curve=curve, notes=("é" * 300,))
            if number != 150:
                study.finish(number, outcome if number % 7 else Outcome("fail", {}, "why"), 0.5 if number % 7 else None, 6.0, 0)
    return folder


def plain(run: Path) -> optuna.storages.JournalStorage:
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(run / "study.journal")))


def same(one: list[optuna.trial.FrozenTrial], other: list[optuna.trial.FrozenTrial]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        assert mine == theirs
        assert dict(mine.user_attrs) == theirs.user_attrs


def test_what_is_shared_reads_as_optuna_reads_it(filled, tmp_path):
    slim, storage = open_study(filled)._storage.optuna, plain(filled)
    same(slim.get_all_trials(0), storage.get_all_trials(0))
    same(slim.get_all_trials(0, deepcopy=False), storage.get_all_trials(0))
    url = f"sqlite:///{tmp_path}/study.db"
    with create_study(tmp_path / "run", settings(storage=url), space()) as study:
        for number in range(4):
            proposal = Proposal(space().sample(random.Random(number)))
            study.start(proposal, space().decode(proposal.decisions), seed=number, fidelity={})
            if number:
                study.finish(number, Outcome("complete", {"accuracy": 0.5}, None, 1.0, curve=((1.0, 0.5, 1.0),) * 9), 0.5, 1.0, 0)
    ours = open_study(tmp_path / "run")._storage
    same(ours.optuna.get_all_trials(ours.study_id), optuna.storages.get_storage(url).get_all_trials(ours.study_id))


def test_compressed_attributes_are_a_dictionary(filled):
    attrs = open_study(filled)._storage.optuna.get_all_trials(0, deepcopy=False)[1].user_attrs
    expected = plain(filled).get_all_trials(0)[1].user_attrs
    assert type(attrs) is not dict
    assert sum(isinstance(dict.__getitem__(attrs, name), bytes) for name in attrs) == 3  # architecture, curve, notes
    assert attrs == expected
    assert expected == attrs
    for made in (dict(attrs), {**attrs}, attrs.copy(), copy.copy(attrs), copy.deepcopy(attrs), pickle.loads(pickle.dumps(attrs))):
        assert type(made) is dict
        assert made == expected
    assert json.loads(json.dumps(attrs)) == expected
    assert sorted(map(str, attrs.values())) == sorted(map(str, expected.values()))
    assert attrs.get("curve") == expected["curve"]
    assert attrs.get("nothing", 3) == 3
    assert repr(attrs) == repr(expected)
    with pytest.raises(KeyError):
        attrs["nothing"]


def test_a_trial_in_memory_is_small(filled):
    def taken(make: Any) -> float:
        gc.collect()
        tracemalloc.start()
        held = make()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(held.get_all_trials(0, deepcopy=False)) == 200
        return size / 200

    ours, theirs = taken(lambda: open_study(filled)._storage.optuna), taken(lambda: plain(filled))
    assert ours < 8_000
    assert ours < theirs / 4


# ---- the best, kept up to date -------------------------------------------------------------------------------------


@pytest.mark.parametrize("goals", [("accuracy",), ("accuracy", "params")])
def test_the_leading_are_those_of_the_record(tmp_path, goals):
    rng = random.Random("leading")
    made = settings(objectives=list(goals) if len(goals) > 1 else [], references=[space().sample(random.Random(0))])
    with create_study(tmp_path / "run", made, space()) as study, study.batch():
        waiting = []
        for number in range(120):
            proposal = Proposal(space().sample(random.Random(number)), fraction=rng.choice((1 / 3, 1.0)) if number > 60 else 1 / 3)
            waiting.append(study.start(proposal, space().decode(proposal.decisions), seed=0, fidelity={}))
            if len(waiting) > 5:
                values = [float(rng.randrange(6)) for _ in goals] if rng.random() < 0.9 else None
                stopped = 2.0 if rng.random() < 0.3 else None
                study.finish(waiting.pop(rng.randrange(5)), Outcome("complete", {}, None, 1.0, stopped=stopped), values, 1.0, 0)
            leaders = study._leaders()
            assert leaders.best == study.best
            if len(goals) > 1:
                assert leaders.front == study.front


def test_a_reference_leads_only_alone():
    trial = Trial(0, "COMPLETE", 0.9, {"a": 1}, "", "", values=(0.9,))
    leaders = Leading([Objective("accuracy")], [{"a": 1}])
    leaders.add(trial)
    assert leaders.best is trial
    other = Trial(1, "COMPLETE", 0.1, {"a": 2}, "", "", values=(0.1,))
    leaders.add(other)
    assert leaders.best is other


# ---- snapshots of what was learnt ----------------------------------------------------------------------------------


def learner(path: Path, notes: list[str], key: str = "run", worth: float = 0.0) -> Remembered:
    return Remembered(lambda: strategies.create("rl", space(), 3, hidden=8, batch=4), path, key, notes.append, worth)


def history(count: int = 22) -> list[Any]:
    return kit.run(strategies.create("random", space(), 1), kit.separable(space(), 0), count)


def asked(strategy: Any) -> list[Any]:
    return [strategy.ask(number) for number in range(30, 34)]


@pytest.fixture
def expected() -> list[Any]:
    strategy = strategies.create("rl", space(), 3, hidden=8, batch=4)
    for trial in history():
        strategy.tell(trial)
    return asked(strategy)


def told(strategy: Any, trials: list[Any]) -> Any:
    for trial in trials:
        strategy.tell(trial)
    return strategy


def test_a_snapshot_spares_learning_and_changes_nothing(tmp_path, expected):
    path, notes = tmp_path / FILE, list[str]()
    told(learner(path, notes), history()[:18])  # a driver that was killed there
    assert path.exists()
    again = learner(path, notes, worth=1e9)
    updates = Counter[str]()
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, updates, type(again._inner), "_improve")
        told(again, history())
    assert updates["_improve"] == 1  # of 5: four are in the snapshot
    assert asked(again) == expected
    assert notes == []


def test_what_is_no_snapshot_of_this_history_is_passed_over(tmp_path, expected):
    def resumed(what: str, key: str = "run", trials: Any = None) -> list[str]:
        notes: list[str] = []
        found = asked(told(learner(path, notes, key, worth=1e9), history() if trials is None else trials))
        if trials is None:
            assert found == expected, what
        return notes

    path = tmp_path / FILE
    told(learner(path, []), history()[:18])
    good = path.read_bytes()
    assert "another history" in resumed("of another run", key="other")[0]
    assert "more trials than the record has" in resumed("stale", trials=history()[:9])[0]
    changed = [*history()[:4], *reversed(history()[4:])]
    assert "another history" in resumed("of another order", trials=changed)[0]
    for what, data in (("torn", good[: len(good) // 2]), ("empty", b""), ("foreign", b"PK\x03\x04" + b"x" * 100)):
        path.write_bytes(data)
        assert "not a readable snapshot" in resumed(what)[0]
    path.write_bytes(pickle.dumps({"format": 1}))
    assert "not a readable snapshot" in resumed("a pickle")[0]
    import torch

    whole = torch.load(tmp_path / "good", weights_only=True) if (tmp_path / "good").write_bytes(good) else {}
    for name, broken in (("state", {}), ("count", "many"), ("state", {**whole["state"], "advantages": [0.5] * 3})):
        torch.save({**whole, name: broken}, path)
        assert len(resumed(f"a wrong {name}")) == 1


class Interrupts(Observer):
    """Ctrl-C after some trials; keeps the notes."""

    def __init__(self, after: float) -> None:
        self.left, self.notes = after, list[str]()

    def note(self, line: str) -> None:
        self.notes.append(line)

    def finished(self, finished: Finished) -> None:
        self.left -= 1
        if self.left <= 0:
            raise KeyboardInterrupt


def test_a_run_that_goes_on_uses_its_snapshot(tmp_path, monkeypatch):
    monkeypatch.setattr(Remembered.__init__, "__defaults__", (0.0,))  # after every trial

    def evaluate(architecture: Any, fidelity: Any) -> float:
        return int(architecture.digest[:6], 16) / 2**24

    def search(name: str, watcher: Interrupts) -> Any:
        return api.search(
            space(), strategy="rl", strategy_options={"hidden": 8, "batch": 3}, evaluator=evaluate, budget="14trials", engine="local",
            workers=1, out=tmp_path / name, observer=watcher,
        )  # fmt: skip

    whole = search("whole", Interrupts(99))
    with pytest.raises(KeyboardInterrupt):
        search("part", Interrupts(8))
    assert (tmp_path / "part" / FILE).exists()
    watcher, restored = Interrupts(99), Counter[str]()
    counted(monkeypatch, restored, rl.PolicyGradient, "restore")
    resumed = api.resume(tmp_path / "part", evaluator=evaluate, observer=watcher)
    assert restored["restore"] == 1
    assert [trial.decisions for trial in resumed.trials] == [trial.decisions for trial in whole.trials]
    assert watcher.notes == []
