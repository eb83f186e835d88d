"""Budgets: what is read, which limit ends first, what is left."""

from __future__ import annotations

import math

import pytest

from nas.budget import Budget, Ledger
from nas.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("100gpuh", Budget(device_seconds=360_000)),
        ("0.5 gpuh", Budget(device_seconds=1800)),
        ("90m", Budget(seconds=5400)),
        ("90 s", Budget(seconds=90)),
        ("1.5h", Budget(seconds=5400)),
        ("2d", Budget(seconds=172_800)),
        ("200trials", Budget(trials=200)),
        ("2h,500trials", Budget(seconds=7200, trials=500)),
        ("2h, 1gpuh, 30m", Budget(seconds=1800, device_seconds=3600)),
    ],
)
def test_what_is_read(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text", ["", "0", "-3h", "12parsecs", "h", "2h,", ",", "1.5trials", "nan h", "inf h", "infh", "0m", "1e999h", "2h;3m", "3"]
)
def test_bad_text_names_the_value_and_what_is_allowed(text: str) -> None:
    with pytest.raises(BudgetError, match=r"allowed: .*gpuh") as caught:
        Budget.parse(text)
    assert "\n" not in str(caught.value)


def test_the_first_limit_to_be_reached_ends_it() -> None:
    budget = Budget.parse("1gpuh,2h,10trials")
    assert budget.reached(Ledger(3599, 7199, 5, 4)) is None
    assert budget.reached(Ledger(3600, 10, 0, 0)) == "1gpuh"
    assert budget.reached(Ledger(0, 7200, 0, 0)) == "2h"
    assert budget.reached(Ledger(0, 0, 6, 4)) == "10trials"
    assert budget.used(Ledger(1800, 1800, 1, 0)) == 0.5


def test_left_never_falls_below_zero() -> None:
    left = Budget.parse("1gpuh,5trials").left(Ledger(4000, 50, 3, 9))
    assert left == Budget(device_seconds=0, seconds=math.inf, trials=0)


def test_lane_seconds_is_the_tighter_of_device_and_wall_time() -> None:
    budget = Budget.parse("1gpuh,40m")
    assert budget.lane_seconds(1, 1.0) == 2400
    assert budget.lane_seconds(2, 1.0) == 1800
    assert budget.lane_seconds(4, 0.25) == 2400
    assert Budget.parse("5trials").lane_seconds(2, 1.0) == math.inf
