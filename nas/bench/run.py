"""One search of one strategy on one problem: ask, look up, tell."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nas.errors import NasError
from nas.strategies.base import Key, Trial, key

if TYPE_CHECKING:
    from nas.spaces import Decisions
    from nas.strategies import Strategy

ASKS = 1000  # an evaluation: a strategy that asks for ever smaller fractions of one does not come to an end


class Problem(Protocol):
    """What strategies are measured on."""

    full: bool  # whether it knows evaluations in full alone
    mean_seconds: float  # of an evaluation in full

    def look(self, decisions: Decisions, fraction: float) -> tuple[float | None, float, float]:
        """The signal that strategies are told (None: failed), the true worth in percent, the simulated seconds."""
        ...

    def optimum(self) -> float | None:
        """The largest true worth, as far as it can be known."""
        ...


@dataclass(frozen=True)
class Run:
    """What one search found. A step is (evaluations, simulated seconds, worth of the best so far), where that changed.

    evaluations: in full ones, so that one at a third of the fidelity counts a third; asks: how many proposals that
    were; cost: CPU seconds of all asks and tells.
    """

    strategy: str
    seed: int
    steps: tuple[tuple[float, float, float], ...]
    evaluations: float
    seconds: float
    asks: int
    cost: float
    optimum: float | None = None

    def after(self, evaluations: float) -> float:
        """Worth of the best after so many evaluations, NaN before the first success."""
        index = bisect_right(self.steps, evaluations + 1e-9, key=lambda step: step[0])
        return self.steps[index - 1][2] if index else math.nan

    def at(self, seconds: float) -> float:
        """Worth of the best at a simulated time, NaN before the first success."""
        index = bisect_right(self.steps, seconds, key=lambda step: step[1])
        return self.steps[index - 1][2] if index else math.nan


class Best:
    """The best candidate so far by its signal, among those of the largest fraction of an evaluation.

    Where several candidates tie, their mean worth counts; one that is evaluated again is no second candidate.
    """

    def __init__(self) -> None:
        self._rank = (0.0, -math.inf)
        self._tied: dict[Key, float] = {}

    def add(self, decisions: Decisions, fraction: float, signal: float, worth: float) -> float | None:
        """Note an evaluation; the worth of the best if that has changed."""
        rank = (fraction, signal)
        if rank < self._rank:
            return None
        name = key(decisions)
        if rank > self._rank:
            self._rank, self._tied = rank, {name: worth}
            return worth
        if name in self._tied:
            return None
        self._tied[name] = worth
        return math.fsum(self._tied.values()) / len(self._tied)


def run(
    strategy: Strategy,
    problem: Problem,
    *,
    name: str,
    seed: int,
    trials: float = math.inf,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.thread_time,
) -> Run:
    """Search until `trials` evaluations are made or the next would overrun the simulated `seconds`; that one counts not.

    Raises `NasError` naming the strategy, the seed and the trial where the strategy fails.
    """
    best, steps = Best(), []
    number, done, used, cost = 0, 0.0, 0.0, 0.0
    while done < trials - 1e-9 and number < trials * ASKS:
        begun = clock()
        try:
            proposal = strategy.ask(number)
        except Exception as error:
            raise _failed(error, name, seed, number) from error
        cost += clock() - begun
        decisions, fraction = proposal.decisions, proposal.fraction
        if fraction != 1.0 and problem.full:
            what = f"proposes {fraction:g} of an evaluation, and a table has whole ones only"
            raise NasError(f"strategy {name} {what}; allowed: strategies of one fidelity, or a toy function")
        signal, worth, took = problem.look(decisions, fraction)
        if used + took > seconds:
            break
        used, done = used + took, done + fraction
        changed = None if signal is None else best.add(decisions, fraction, signal, worth)
        if changed is not None:
            steps.append((done, used, changed))
        begun = clock()
        try:
            strategy.tell(Trial(number, decisions, signal, fraction=fraction))
        except Exception as error:
            raise _failed(error, name, seed, number) from error
        cost += clock() - begun
        number += 1
    return Run(name, seed, tuple(steps), done, used, number, cost, problem.optimum())


def _failed(error: Exception, name: str, seed: int, number: int) -> NasError:
    why = str(error) if isinstance(error, NasError) else f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return NasError(f"strategy {name} failed at trial {number} of seed {seed}: {why}")
