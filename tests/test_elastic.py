"""Lanes that come and go, attempts of a candidate, and devices of different weight: with pretended lanes, without Ray."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from nas.engine.elastic import Attempts, check_failures, check_workers, seconds_of
from nas.engine.lanes import Done, Event, Lost, Ready
from nas.engine.packing import Room
from nas.engine.queue import Work
from nas.engine.roster import Roster
from nas.engine.weights import Weights
from nas.errors import NasError
from nas.evaluators import Outcome
from nas.strategies import Proposal
from nas.study import create_study, open_study
from tests.test_engine import SPACE, drive
from tests.test_faults import Machine, searched
from tests.toy import ToyArchitecture, settings


class Nodes(Machine):
    """Pretended lanes of which `expected` are up from the start; others come with what `script` says."""

    def __init__(self, count: int, expected: int, script: Any) -> None:
        super().__init__(count, script)
        self.expected = expected
        self.events: list[Event] = [Ready(lane, device=f"gpu{lane}", node=f"node{lane}") for lane in range(expected)]


def complete(lane: int, number: int, accuracy: float = 0.5) -> Done:
    return Done(lane, number, Outcome("complete", {"accuracy": accuracy}, seconds=0.5))


def test_a_lane_of_a_node_that_joins_is_used(tmp_path: Path) -> None:
    def script(lane: int, number: int) -> list[Event]:
        joins = [Ready(1, device="gpu1", node="late")] if number == 3 else []
        return [*joins, complete(lane, number)]

    machine = Nodes(2, 1, script)
    study = searched(tmp_path / "run", None, "12trials", lanes=machine)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 12
    assert {lane for lane, _ in machine.submitted} == {0, 1}
    assert [lane for lane, _ in machine.submitted[:4]] == [0] * 4


def test_what_a_lost_node_held_is_next_on_another_and_nothing_is_doubled(tmp_path: Path) -> None:
    gone: list[int] = []

    def script(lane: int, number: int) -> list[Event]:
        if lane == 1 and number >= 2 and not gone:
            gone.append(number)
            return [Lost(1, 0.25, silent=True)]
        return [complete(lane, number)]

    machine = Nodes(2, 2, script)
    study = searched(tmp_path / "run", None, "10trials", lanes=machine)
    assert [trial.state for trial in study.trials] == ["COMPLETE"] * 10
    (held,) = gone
    after = machine.submitted[machine.submitted.index((1, held)) + 1 :]
    assert held in [number for _, number in after[:2]]  # the next but for what the other lane was given meanwhile
    assert {lane for lane, _ in after} == {0}
    assert (study.trials[held].lost, study.trials[held].lost_nodes) == (1, 1)


@pytest.mark.parametrize(("failures", "attempts"), [(0, 1), (2, 3), (5, 6)])
def test_a_candidate_whose_worker_dies_is_run_again_so_often(tmp_path: Path, failures: int, attempts: int) -> None:
    def script(lane: int, number: int) -> list[Event]:
        return [Lost(lane, 0.1), Ready(lane, device=f"gpu{lane}")] if number == 1 else [complete(lane, number)]

    machine = Machine(1, script)
    with create_study(tmp_path / "run", settings(max_failures=failures), SPACE) as study:
        drive(study, None, "4trials", lanes=machine)
    trials = open_study(tmp_path / "run").trials
    assert [trial.state for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert [number for _, number in machine.submitted].count(1) == attempts
    assert "the worker died" in str(trials[1].reason)


def test_the_loss_of_nodes_is_counted_apart() -> None:
    attempts = Attempts(0)
    work = Work(0, Proposal({}), ToyArchitecture("aaaa"))  # type: ignore[arg-type]
    assert attempts.lost(work, silent=True) is None
    assert attempts.lost(work, silent=True) is None
    assert "node" in str(attempts.lost(work, silent=True))
    other = Work(1, Proposal({}), ToyArchitecture("aaaa"))  # type: ignore[arg-type]
    assert attempts.lost(other, silent=True) is None
    assert "died" in str(attempts.lost(other, silent=False))


def test_a_search_without_workers_waits_for_one_and_then_says_so() -> None:
    roster = Roster(2, patience=60.0)
    assert roster.why_none(0.0) is None  # none has come up yet
    roster.came_up(0)
    roster.went_down(0, silent=True)
    assert roster.why_none(10.0) is None
    assert roster.why_none(69.0) is None
    assert "none came back within 1m" in str(roster.why_none(71.0))
    assert roster.came_up(0)
    assert roster.why_none(500.0) is None


def test_weights_go_by_the_words_of_a_name() -> None:
    weights = Weights.parse("H100=2.5, A100=1,A100 80GB=1.2,T4=0.3")
    assert weights.of("NVIDIA H100 80GB HBM3") == 2.5
    assert weights.of("NVIDIA A100-SXM4-40GB") == 1.0
    assert weights.of("NVIDIA A100 80GB PCIe") == 1.2
    assert weights.of("Tesla T4") == 0.3
    assert weights.of("NVIDIA L40S") is None
    assert Weights.parse(str(weights)) == weights


@pytest.mark.parametrize("text", ["H100", "=2", "H100=", "H100=nan", "H100=-1", "H100=0", "H100=1e9", "H100=1,h100=2", ",,"])
def test_weights_that_are_none_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(NasError, match="gpu_weights") as caught:
        Weights.parse(text)
    assert "\n" not in str(caught.value)


@profile(derandomize=True, max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.3, 1.0, 2.5]), min_size=1, max_size=6), st.sampled_from([0.25, 0.5, 1.0]))
def test_a_device_counts_by_its_weight_whoever_holds_it(weights: list[float], share: float) -> None:
    room, each = Room(), round(1 / share)
    lanes = itertools.count()
    for device, weight in enumerate(weights):
        for _ in range(each):
            room.up(next(lanes), f"gpu{device}", weight=weight)
    for number in range(len(weights) * each):
        held = room.take(number)
        assert held is not None
        used = sum(room.part(lane, share) for lane in range(len(weights) * each) if room.holds(lane))
        busy = {lane // each for lane in range(len(weights) * each) if room.holds(lane)}
        assert used == pytest.approx(sum(weights[device] for device in busy))
    assert room.mean_weight() == pytest.approx(sum(weights) / len(weights))


def test_a_second_on_a_heavier_device_costs_more(tmp_path: Path) -> None:
    machine = Machine(2, lambda lane, number: 0.5)
    machine.events = [Ready(0, device="a", kind="NVIDIA H100"), Ready(1, device="b", kind="Tesla T4")]
    clock = itertools.count()
    with create_study(tmp_path / "run", settings(gpu_weights="H100=2.5,T4=0.5"), SPACE) as study:
        drive(study, None, "20trials", lanes=machine, simulated=lambda: float(next(clock)))
    trials = open_study(tmp_path / "run").trials
    by = {lane: {trial.device_seconds / 0.5 for trial in trials if trial.worker == lane} for lane in (0, 1)}
    assert by == {0: {2.5}, 1: {0.5}}


def test_what_cannot_be_is_refused() -> None:
    for count in (-1, 1.5, True, "2"):
        with pytest.raises(NasError, match="max_failures"):
            check_failures(count)  # type: ignore[arg-type]
    with pytest.raises(NasError, match="max_workers=2 with 4 workers"):
        check_workers(2, 4, "auto")
    with pytest.raises(NasError, match="without an address"):
        check_workers(8, 4, None)
    assert check_workers(8, 4, "auto") == 8
    assert check_workers(4, 4, None) == 0
    for wait in ("soon", "0s", "5trials", -1.0, True):
        with pytest.raises(NasError, match="wait_for_nodes"):
            seconds_of(wait)
    assert seconds_of("10m") == 600.0
