"""What is searched under faults: several strategies on known values, what follows a search, real training, and budgets of time."""

from __future__ import annotations

from nas.testing.faults.search import Plan

SECONDS = 0.12  # an epoch of the timed evaluator
SLOW = 6.0  # of several heartbeats: what a kill takes from the ledger shows
TRIALS = 36
STRATEGIES = ("evolution", "rl", "predictor", "auto", "random", "local")
_TIMED = ("--space", "tiny", "--evaluator", f"timed(seconds={SECONDS})")
_ALONE = ("--engine", "local", "--workers", "1")


def alone(trials: int = TRIALS) -> list[Plan]:
    """One worker, and a number of trials: the sequence of trials is known beforehand."""
    plans = [Plan(name, (*_TIMED, *_ALONE, "--strategy", name, "--budget", f"{trials}trials"), trials) for name in STRATEGIES]
    slow = ("--space", "tiny", "--evaluator", f"timed(seconds={SLOW})", *_ALONE, "--strategy", "evolution", "--budget", "3trials")
    plans.insert(1, Plan("slow", slow, 3, span=SLOW))
    rungs = trials * 2 // 3
    halving = ("--strategy", "asha:evolution", "--epochs", "4", "--budget", f"{rungs}trials")
    plans.insert(1, Plan("asha", (*_TIMED, *_ALONE, *halving), rungs))
    after = ("--strategy", "evolution", "--budget", "8trials", "--epochs", "1", "--confirm", "2x2", "--confirm-epochs", "2", "--control")
    plans.insert(2, Plan("confirmed", (*_TIMED, *_ALONE, *after), 8))
    plans.insert(3, digits())
    two = ("--strategy", "nsga2", "--objectives", "accuracy,params", "--budget", f"{trials}trials")
    plans.insert(4, Plan("front", (*_TIMED, *_ALONE, *two), trials))
    return plans


def digits(trials: int = 16) -> Plan:
    """Real training with promotions, whose weights go on from one rung to the next."""
    how = ("--space", "tiny", "--evaluator", "watched", "--epochs", "4", "--strategy", "asha:evolution", "--budget", f"{trials}trials")
    return Plan("digits", (*how, *_ALONE, "--execution", "layout=contiguous,precision=float32,graphs=off,threads=1"), trials)


def together(trials: int = TRIALS, workers: int = 2) -> list[Plan]:
    """Several workers on Ray, by trials and by device time, also of long trials."""
    ray = ("--engine", "ray", "--workers", str(workers), "--no-dashboard", "--space", "tiny")
    budgets = (f"{trials}trials", "0.01gpuh", "0.02gpuh")
    return [
        Plan(f"ray-{budget}", (*ray, "--evaluator", f"timed(seconds={seconds})", "--strategy", strategy, "--budget", budget),
             trials if "trials" in budget else 0, alike=False, span=max(1.5, seconds))
        for budget, strategy, seconds in zip(budgets, ("evolution", "random", "rl"), (0.5, 0.5, SLOW), strict=True)
    ]  # fmt: skip


def by_time() -> list[Plan]:
    """One worker and a budget of time."""
    return [
        Plan(f"time-{budget}", (*_TIMED, *_ALONE, "--strategy", "evolution", "--budget", budget), alike=False)
        for budget in ("0.003gpuh", "10s")
    ]
