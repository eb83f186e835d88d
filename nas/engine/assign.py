"""From a proposal to what a lane is handed: fidelity, seed, limits of time, and what the evaluator is told of its task."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nas.engine.lanes import Candidate
from nas.engine.queue import Work
from nas.engine.timing import NOTHING
from nas.evaluators import Fidelity, Task
from nas.repeatable import derived_seed
from nas.strategies import PROMOTION, Proposal

if TYPE_CHECKING:
    from nas.engine.stopping import Stopping
    from nas.engine.timing import Timed
    from nas.evaluators import Store
    from nas.study import Recorder


class Assigner:
    """Makes work of proposals, and candidates of work; `timed` and `stopping` say what is measured and stopped on a lane."""

    def __init__(self, study: Recorder, fidelity: Fidelity, timed: Timed, stopping: Stopping, store: Store | None) -> None:
        self._study, self._fidelity, self._timed, self._stopping, self._store = study, fidelity, timed, stopping, store

    def begin(self, number: int, proposal: Proposal) -> Work:
        """A new trial, recorded as running."""
        architecture = self._study.space.decode(proposal.decisions)
        seed, fidelity = trial_seed(self._study.settings.seed, number), self._at(proposal.fraction)
        self._study.start(proposal, architecture, seed=seed, fidelity=fidelity.to_dict())
        return Work(number, proposal, architecture)

    def candidate(self, work: Work, seconds: float, lanes: int) -> Candidate:
        """For one of `lanes`, with the `seconds` that the budget allows it."""
        seed, timeout = trial_seed(self._study.settings.seed, work.number), self.timeout(work)
        wanted = NOTHING if work.alone else self._timed.wanted(work.architecture, lanes, seconds)
        return Candidate(work.number, work.architecture, self._at(work.fraction), seed, seconds, timeout, wanted, self._task(work))

    def timeout(self, work: Work) -> float:
        """Seconds that any candidate may take. A phase is none: it may take as long as the budget lasts."""
        return math.inf if work.alone else self._study.settings.timeout or math.inf

    def _at(self, fraction: float) -> Fidelity:
        """The fidelity of a rung."""
        return self._fidelity.part(fraction, self._study.settings.ladder)

    def _task(self, work: Work) -> Task:
        proposal, settings = work.proposal, self._study.settings
        promoted = proposal.how == PROMOTION
        return Task(
            work.number, proposal.parent, proposal.how, proposal.phase,
            tuple(self._study.space.decode(child) for child in proposal.children),
            self._store,
            keep=settings.inherit or proposal.fraction < 1.0,
            whole=proposal.fraction < 1.0,
            inherit=proposal.parent if settings.inherit and not promoted else None,
            go_on=proposal.parent if promoted else None,
            space=settings.space if proposal.phase is not None else "",
            options=settings.strategy_options if proposal.phase is not None else {},
            role=settings.role,
            bar=self._stopping.bar(work.number, work.fraction, self._at(work.fraction).epochs),
        )  # fmt: skip


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's evaluation, 32 bits: the same on every worker and after every restart."""
    return derived_seed(seed, number)
