"""Evaluations: whatever happens becomes an outcome with a one-line reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from nas import evaluators
from nas.errors import NasError, UnknownNameError
from nas.evaluators import Clock, CutOff, Evaluation, Fidelity, Outcome, run, wrap


class Time:
    """A clock's time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """Runs `body(evaluation)`."""

    objective = "accuracy"

    def __init__(self, body: Callable[[Evaluation], Any]) -> None:
        self.body = body

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> Mapping[str, float]:
        return self.body(evaluation)


def outcome_of(body: Callable[[Evaluation], Any], clock: Clock | None = None) -> Outcome:
    return run(Scripted(body), None, Fidelity(), Evaluation(clock=clock or Clock()))  # type: ignore[arg-type]


def raising(error: BaseException) -> Callable[[Evaluation], Any]:
    def body(evaluation: Evaluation) -> Any:
        raise error

    return body


def test_a_complete_evaluation_keeps_its_finite_metrics() -> None:
    outcome = outcome_of(lambda e: {"accuracy": 0.5, "loss": math.nan, "note": "text", "params": 7})
    assert (outcome.state, outcome.metrics, outcome.reason) == ("complete", {"accuracy": 0.5, "params": 7.0}, None)
    assert outcome.seconds >= 0
    assert not outcome.cut


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("a\n  b"), "ValueError: a b"),
        (MemoryError(), "out of memory"),
        (OutOfMemoryError("CUDA"), "out of memory: CUDA"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 12"), "out of memory: DefaultCPUAllocator"),
        (RuntimeError("CUDA error: out of memory"), "out of memory: CUDA"),
        (SystemExit(3), "SystemExit: 3"),
        (Unprintable(), "Unprintable: (no message)"),
        (RuntimeError("x" * 999), "RuntimeError: xxx"),
    ],
)
def test_every_exception_is_a_failed_trial_with_one_line(error: BaseException, reason: str) -> None:
    outcome = outcome_of(raising(error))
    assert outcome.state == "fail"
    assert outcome.metrics == {}
    assert outcome.reason is not None
    assert outcome.reason.startswith(reason)
    assert "\n" not in outcome.reason
    assert len(outcome.reason) < 250


def test_ctrl_c_is_no_failed_trial() -> None:
    with pytest.raises(KeyboardInterrupt):
        outcome_of(raising(KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ({"accuracy": math.nan}, "accuracy is nan"),
        ({"accuracy": -math.inf}, "accuracy is -inf"),
        ({"loss": 1.0}, "the evaluator returned no metric 'accuracy' but loss"),
        ({}, "the evaluator returned no metric 'accuracy' but nothing"),
        (None, "the evaluator returned NoneType, not a mapping of metrics"),
    ],
)
def test_a_metric_that_is_no_number_is_a_failed_trial(returned: Any, reason: str) -> None:
    assert outcome_of(lambda e: returned).reason == reason


def cut_after_reports(*values: float) -> Callable[[Evaluation], Any]:
    def body(evaluation: Evaluation) -> Any:
        for value in values:
            evaluation.report({"accuracy": value})
        raise CutOff("budget")

    return body


def test_a_candidate_cut_by_the_budget_counts_with_the_best_it_reported() -> None:
    outcome = outcome_of(cut_after_reports(0.2, math.nan, 0.4, 0.3))
    assert (outcome.state, outcome.metrics, outcome.cut) == ("complete", {"accuracy": 0.4}, True)
    assert outcome.first_seconds is not None
    assert outcome.first_seconds <= outcome.seconds


def test_a_candidate_cut_by_the_budget_before_a_valid_report_fails() -> None:
    for values in ((), (math.nan,)):
        outcome = outcome_of(cut_after_reports(*values))
        assert (outcome.state, outcome.reason, outcome.cut) == ("fail", "budget", False)


def test_a_timeout_fails_even_after_a_report() -> None:
    time = Time()
    clock = Clock(50, timeout=5, now=time)

    def body(evaluation: Evaluation) -> Any:
        evaluation.report({"accuracy": 0.9})
        time.now += 6
        evaluation.clock.check()

    outcome = outcome_of(body, clock)
    assert (outcome.state, outcome.reason) == ("fail", "timeout after 6.0s")


def test_the_clock_counts_down_and_its_deadline_moves() -> None:
    time = Time()
    clock = Clock(10, now=time)
    time.now += 9
    clock.check()
    assert clock.left() == 1
    assert clock.elapsed() == 9
    time.now += 1
    assert clock.expired()
    clock.allow(5)
    assert not clock.expired()
    assert clock.left() == 5
    time.now += 5
    with pytest.raises(CutOff) as caught:
        clock.check()
    assert caught.value.limit == "budget"


def test_a_plain_function_is_an_evaluator() -> None:
    def number(architecture: Any, fidelity: Fidelity) -> float:
        return 0.25 * fidelity.epochs

    def metrics(architecture: Any, fidelity: Fidelity) -> dict[str, float]:
        return {"score": 2.0}

    assert run(wrap(number), None, Fidelity(epochs=2), Evaluation()).metrics == {"accuracy": 0.5}  # type: ignore[arg-type]
    assert run(wrap(metrics, "score"), None, Fidelity(), Evaluation()).metrics == {"score": 2.0}  # type: ignore[arg-type]
    assert run(wrap(lambda a, f: None), None, Fidelity(), Evaluation()).state == "fail"  # type: ignore[arg-type]


def test_what_cannot_evaluate_is_refused() -> None:
    with pytest.raises(NasError, match="evaluator=7 cannot evaluate; allowed"):
        wrap(7)
    with pytest.raises(UnknownNameError, match=r"trainig.*nearest: training"):
        evaluators.create("trainig")


def test_a_fidelity_round_trips() -> None:
    fidelity = Fidelity(epochs=3, width=0.5)
    assert Fidelity.from_dict(fidelity.to_dict()) == fidelity


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"epochs": 1.5}, {"epochs": True}, {"width": 0}, {"depth": 2}, {"samples": "1"}, {"size": 1},
            {"width": math.nan}]
)  # fmt: skip
def test_a_bad_fidelity_names_its_field(bad: dict[str, Any]) -> None:
    with pytest.raises(NasError, match=rf"fidelity\.{next(iter(bad))}.*allowed"):
        Fidelity.from_dict(bad)
