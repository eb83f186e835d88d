"""Phases: when they come, whom they train, and a search with them that is killed, redone and gone on with."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import nas.engine
from nas import spaces, strategies
from nas.engine.phases import check_sampling
from nas.errors import NasError
from nas.evaluators import Evaluation, Fidelity
from nas.strategies import STRATEGIES, Proposal, Trial
from nas.strategies.phased import PHASE, SAMPLINGS, Phased, Policy, Schedule, fair, rounds
from nas.strategies.started import Started
from nas.study import Study, open_study
from nas.testing import strategies as kit

TINY = spaces.load("tiny")


def phased(space: Any, seed: int, name: str = "random", **schedule: Any) -> Phased:
    inner = strategies.create(name, space, seed)
    return Phased(inner, space, seed, Schedule(**schedule), inner)


# ---- when they come ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "every"), [(1, 0), (3, 0), (1, 4), (2, 1), (0, 3)])
def test_numbers_of_candidates_and_of_trials_are_inverses(begin: int, every: int) -> None:
    schedule = Schedule(begin=begin, every=every)
    candidates = [number for number in range(60) if not schedule.is_phase(number)]
    assert [schedule.candidate(number) for number in candidates] == list(range(len(candidates)))
    assert [schedule.number(candidate) for candidate in range(len(candidates))] == candidates
    if every:  # phases, then as many candidates each time
        phases = [number for number in range(60) if schedule.is_phase(number)]
        assert phases[begin:] == [begin + every + i * (every + 1) for i in range(len(phases) - begin)]
    else:
        assert candidates[0] == begin


def test_phases_come_where_the_schedule_says_and_are_hidden_from_the_strategy_within() -> None:
    class Noting:
        def __init__(self) -> None:
            self.asked: list[int] = []
            self.told: list[Trial] = []

        def ask(self, number: int) -> Proposal:
            self.asked.append(number)
            return Proposal(TINY.sample(random.Random(number)), parent=number - 1 if number else None, how="x")

        def tell(self, trial: Trial) -> None:
            self.told.append(trial)

    inner = Noting()
    strategy = Phased(inner, TINY, 0, Schedule(begin=1, every=3, children=4, fraction=0.25, close=1))
    proposals = []
    for number in range(9):
        made = strategy.ask(number)
        proposals.append(made)
        strategy.tell(Trial(number, made.decisions, 0.5, (0.5,), made.fraction, made.phase))
    assert [made.phase for made in proposals] == [PHASE, None, None, None, PHASE, None, None, None, PHASE]
    assert [len(made.children) for made in proposals] == [4, 0, 0, 0, 4, 0, 0, 0, 4]
    assert [made.fraction for made in proposals[1:8]] == [0.25, 0.25, 1.0, 1.0, 0.25, 0.25, 1.0], "one in three in full; a phase too"
    assert [made.parent for made in proposals] == [None, None, 1, 2, None, 3, 5, 6, None], "by the numbers of the record"
    assert inner.asked == list(range(6))
    assert [(trial.number, trial.fraction) for trial in inner.told] == [(number, 1.0) for number in range(6)]


QUICK = ("random", "evolution", "local", "grid", "pareto-evolution")


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_every_strategy_keeps_its_contract_with_phases(name: str) -> None:
    def make(space: Any, seed: int) -> Phased:
        return phased(space, seed, name, begin=1, every=3, children=3)

    if name in QUICK:
        kit.check(make, TINY)
    else:  # the rest of the contract does not depend on what is within
        kit.check_restart(make, TINY, lengths=(0, 7, 11))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_every_sampling_keeps_the_contract(sampling: str) -> None:
    def make(space: Any, seed: int) -> Phased:
        return phased(space, seed, "rl:reinforce", begin=2, every=4, children=5, sampling=sampling)

    kit.check_restart(make, TINY, lengths=(0, 7, 25))
    kit.check_asking_changes_nothing(make, TINY)
    kit.check_duplicates_are_ignored(make, TINY)


def test_what_is_given_comes_first() -> None:
    given = [TINY.sample(random.Random(seed)) for seed in (7, 8)]
    inner = strategies.create("random", TINY, 0)
    strategy = Phased(Started(inner, given), TINY, 0, Schedule(begin=1))
    assert strategy.ask(0).phase == PHASE
    assert [strategy.ask(number).decisions for number in (1, 2)] == given
    assert strategy.ask(1).how == "start"
    assert strategy.ask(3).decisions == inner.ask(2).decisions


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"begin": -1}, "schedule.begin=-1; allowed: a whole number from 0"),
        ({"children": 0}, "schedule.children=0; allowed: a whole number from 1"),
        ({"sampling": "best"}, "schedule.sampling='best'; allowed: uniform, fair, policy"),
        ({"fraction": 0}, "schedule.fraction=0; allowed: a fraction in (0, 1]"),
        ({"when": 1}, "schedule.when is unknown; allowed: begin, every"),
    ],
)
def test_a_bad_schedule_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(NasError) as error:
        Schedule.from_dict(values)
    assert said in str(error.value)


# ---- whom they train -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nas-bench-201", "nasnet-cell", "tiny"])
def test_fair_rounds_have_every_option_equally_often(name: str) -> None:
    space = spaces.load(name)
    size = rounds(space)
    made = list(fair(space, 3 * size - 1, random.Random(0)))
    assert len(made) == 3 * size, "whole rounds"
    for start in range(0, len(made), size):
        for decision, options in space.choices.items():
            counts = Counter(network[decision] for network in made[start : start + size] if decision in network)
            if sum(counts.values()) == size:  # met by all
                assert set(counts) == set(options)
                assert max(counts.values()) - min(counts.values()) <= 1
    for network in made:
        space.decode(network)


def test_fair_networks_keep_the_limits_of_the_space() -> None:
    space = spaces.load("nas-bench-201").within({"params": "500K"})
    assert all(space.fits(network) for network in fair(space, 20, random.Random(0)))


def test_a_policy_that_prefers_an_option_trains_it_more_often() -> None:
    space = spaces.load("nas-bench-201")
    strategy = phased(space, 0, "rl", begin=1, every=100, children=200, sampling="policy")
    rng = random.Random(0)
    for number in range(1, 101):
        decisions = space.sample(rng)
        strategy.tell(Trial(number, decisions, float(sum(option == "nor_conv_3x3" for option in decisions.values()))))
    first, second = (
        Counter(child["0>1"] for child in each.children)
        for each in (phased(space, 0, "rl", begin=1, children=200, sampling="policy").ask(0), strategy.ask(101))
    )
    assert 20 < first["nor_conv_3x3"] < 60, "a new policy is about uniform: 40 of 200"  # 3.5 standard deviations
    assert second["nor_conv_3x3"] > 80


def test_a_policy_is_only_drawn_from_where_there_is_one() -> None:
    assert isinstance(strategies.create("rl", TINY, 0), Policy)
    with pytest.raises(NasError, match="sampling=policy needs a strategy that learns a policy"):
        phased(TINY, 0, "evolution", sampling="policy")

    class Asking:
        sampling = "policy"

    with pytest.raises(NasError, match="sampling=policy with strategy evolution, which learns none"):
        check_sampling(Asking(), strategies.create("evolution", TINY, 0), "evolution")  # type: ignore[arg-type]


# ---- in a search ---------------------------------------------------------------------------------------------------


class Sharing:
    """Counts in the store how often each phase was worked at; a candidate is worth what phases there were. `stop` ends the first."""

    objective = "accuracy"

    def __init__(self, schedule: dict[str, Any], stop: bool = False) -> None:
        self.schedule, self.stop = schedule, stop

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        task = evaluation.task
        assert task.store is not None
        known = (task.store.read("bank") or b"").decode()
        if task.phase is None:
            return {"accuracy": known.count(";") / 100 + fidelity.samples / 1000}
        assert task.role == "search"
        task.store.write("bank", f"{known}{task.number}:{len(task.children)}".encode())
        if self.stop and task.number > 0:
            import os

            os.kill(os.getpid(), signal.SIGKILL)
        task.store.write("bank", f"{known}{task.number}:{len(task.children)};".encode())
        return {"accuracy": 1.0}


def bank(study: Study) -> str:
    return (study.directory / "weights" / "bank.pt").read_text()


def search(out: Path, evaluator: Any, **options: Any) -> Study:
    values = {"space": "tiny", "evaluator": evaluator, "budget": "14trials", "engine": "local", "out": out, "strategy": "evolution"}
    return nas.engine.search(**(values | options))


@pytest.mark.parametrize("workers", [1, 3])
def test_phases_run_alone_and_are_never_the_best(tmp_path: Path, workers: int) -> None:
    study = search(tmp_path / "run", Sharing({"begin": 1, "every": 4, "children": 2}), workers=workers)
    phases = [trial for trial in study.trials if trial.phase]
    assert [trial.number for trial in phases] == [0, 5, 10]
    assert bank(study) == "0:2;5:2;10:2;"
    assert all(len(trial.children) == 2 and trial.decisions == trial.children[0] for trial in phases)
    assert study.best is not None
    assert study.best.phase is None
    assert study.best.value == pytest.approx(0.03 + 0.001)
    for trial in study.trials:  # whoever comes after a phase sees all of it, and whoever came before none
        if trial.phase is None:
            assert trial.value == pytest.approx(sum(phase.number < trial.number for phase in phases) / 100 + 0.001)
    assert study.ledger().finished == 14, "phases are trials of the budget"


def test_a_timeout_is_of_candidates_not_of_phases(tmp_path: Path) -> None:
    class Slow(Sharing):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            assert (evaluation.clock.left() > 5.0) is (evaluation.task.phase is not None)
            return super().evaluate(architecture, fidelity, evaluation)

    study = search(tmp_path / "run", Slow({"begin": 2}), timeout=5.0, budget="5trials")
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 5


def test_a_failed_phase_is_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    class Failing(Sharing):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            if evaluation.task.number == 5:
                raise ValueError("no")
            return super().evaluate(architecture, fidelity, evaluation)

    study = search(tmp_path / "run", Failing({"begin": 1, "every": 4}))
    assert (study.trials[5].state, study.trials[5].reason) == ("FAIL", "ValueError: no")
    assert bank(study) == "0:1;10:1;"


KILLED = """
import sys
from tests.test_phases import Sharing, search
search(sys.argv[1], Sharing({"begin": 1, "every": 4, "children": 2}, stop=sys.argv[2] == "stop"))
"""


def test_a_search_killed_in_a_phase_redoes_that_phase_first(tmp_path: Path) -> None:
    schedule = {"begin": 1, "every": 4, "children": 2}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "run"), "stop"], cwd=Path(__file__).parent.parent, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = open_study(tmp_path / "run")
    assert [(trial.number, trial.state, trial.phase) for trial in left.trials][-1] == (5, "RUNNING", PHASE)
    assert bank(left) == "0:2;5:2"
    resumed = nas.engine.resume(tmp_path / "run", evaluator=Sharing(schedule))
    whole = search(tmp_path / "whole", Sharing(schedule))
    assert [(t.number, t.decisions, t.phase, t.children) for t in resumed.trials] == [
        (t.number, t.decisions, t.phase, t.children) for t in whole.trials
    ]
    assert bank(resumed) == "0:2;5:25:2;10:2;", "the phase was begun twice"


def test_the_control_and_the_confirmation_have_no_phases(tmp_path: Path) -> None:
    class Judging(Sharing):
        def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
            if evaluation.task.role == "search":
                return super().evaluate(architecture, fidelity, evaluation)
            assert evaluation.task.phase is None
            return {"accuracy": 0.5}

    study = search(tmp_path / "run", Judging({"begin": 1}), confirm="2x1", control=True)
    for stage in ("confirm", "control", "control/confirm"):
        assert not any(trial.phase for trial in open_study(study.directory / stage).trials)
