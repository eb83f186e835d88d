"""The driver: ask, record, submit, poll, record, tell, until the budget ends. One thread, one loop."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nas.budget import Budget
from nas.engine.judging import measured, values_of
from nas.engine.lanes import Candidate, Done, Event, Lanes, Ready
from nas.engine.observer import Finished, Observer, Progress, Start
from nas.engine.timing import NOTHING, Timed
from nas.errors import StudyError
from nas.evaluators import Fidelity, Outcome, Store, Task
from nas.objectives import oriented
from nas.repeatable import derived_seed
from nas.strategies import PROMOTION, Proposal, Trial
from nas.strategies.dominance import Front
from nas.study import Recorder

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.strategies import Strategy

ATTEMPTS = 3  # a candidate that took this many workers down with it has failed
HEARTBEAT_SECONDS = 5.0  # the ledger in the record is at most this old
POLL_SECONDS = 0.5
TICK_SECONDS = 0.1
RECENT = 8  # trials whose time to the first validation says how long another will need
HOPELESS = 50  # candidates that failed before one was complete: the fault is not theirs, so stop and say so
LOST_SECONDS = 15.0  # beyond the grace: a lane that has not answered by then never will


@dataclass
class Work:
    """A trial on its way. `prior` is the device seconds of its earlier attempts, `lost` the workers that died with it."""

    number: int
    proposal: Proposal
    architecture: Architecture
    prior: float = 0.0
    lost: int = 0
    started: float = 0.0  # by the driver's clock
    deadline: float = math.inf

    @property
    def fraction(self) -> float:
        """Of the full fidelity."""
        return self.proposal.fraction

    @property
    def alone(self) -> bool:
        """Whether nothing else may run meanwhile."""
        return self.proposal.phase is not None


class Driver:
    """Runs a study to the end of its budget, new or resumed: its state is what the strategy is told of the record.

    first_seconds: how long a candidate is expected to need to its first validation, until trials have shown it;
    spent: wall seconds that were used before the driver began, as for fitting the fidelity; show_best: called when there
    is a better trial in the record; simulated: a clock by which budgets are counted in place of the real one, where
    evaluators do not wait; store: where evaluations leave weights for later ones.
    """

    def __init__(
        self,
        study: Recorder,
        strategy: Strategy,
        lanes: Lanes,
        budget: Budget,
        fidelity: Fidelity,
        *,
        observer: Observer | None = None,
        first_seconds: float = 0.0,
        spent: float = 0.0,
        show_best: Callable[[], None] = lambda: None,
        simulated: Callable[[], float] | None = None,
        store: Store | None = None,
    ) -> None:
        self._study, self._strategy, self._lanes, self._budget, self._fidelity = study, strategy, lanes, budget, fidelity
        self._observer, self._store = observer or Observer(), store
        self._timeout = study.settings.timeout or math.inf
        self._running: dict[int, Work] = {}  # by lane
        self._idle: set[int] = set()
        self._closing = False  # no time is left for another launch
        self._now, self._heartbeat = (simulated, 0.0) if simulated else (time.monotonic, HEARTBEAT_SECONDS)
        self._began = self._now() - spent - study.ledger().seconds
        self._beaten = self._ticked = self._saved = -math.inf
        self._goals = study.goals
        self._timed = Timed(self._goals, study.settings.timing, study.trials)
        self._best: Finished | None = None
        self._front: Front[int] = Front()  # numbers of the trials that no other beats
        self._closest = 0.0  # the fraction of the fidelity of those on it
        self._news = False  # whether the best or the front has changed since it was shown
        self._show_best = show_best
        self._first: deque[float] = deque([first_seconds] if first_seconds > 0 else [], RECENT)
        self._redo = deque(self._unfinished())
        self._replay()

    def _unfinished(self) -> Iterator[Work]:
        for trial in self._study.unfinished():
            architecture = self._study.space.decode(trial.decisions)
            proposal = Proposal(trial.decisions, trial.parent, trial.how, trial.fraction, trial.phase, trial.children)
            yield Work(trial.number, proposal, architecture, trial.device_seconds, trial.lost)

    def _replay(self) -> None:
        for trial in self._study.history():
            proposal = Proposal(trial.decisions, trial.parent, trial.how, trial.fraction, trial.phase, trial.children)
            self._tell(trial.number, proposal, trial.values, trial.found)
            if trial.judged and trial.first_seconds is not None:
                self._first.append(trial.first_seconds)
        best = self._study.best
        if best is not None:
            outcome = Outcome("complete", best.metrics, cut=best.cut, first_seconds=best.first_seconds)
            architecture = self._study.space.decode(best.decisions)
            self._best = Finished(best.number, best.value, architecture, outcome, best.device_seconds, best.fraction)

    def _tell(
        self, number: int, proposal: Proposal, values: tuple[float, ...], found: Sequence[Mapping[str, Any]]
    ) -> None:  # fmt: skip
        """Tell the strategy, larger for better, and keep the front."""
        numbers, fraction = oriented(self._goals, values) if values else (), proposal.fraction
        came = tuple(map(dict, found))
        value = numbers[0] if numbers else None
        self._strategy.tell(Trial(number, proposal.decisions, value, numbers, fraction, proposal.phase, came))
        if proposal.phase is not None:
            return
        if numbers and fraction > self._closest:
            self._front, self._closest = Front(), fraction
        if numbers and fraction == self._closest and self._front.add(numbers, number):
            self._news |= len(self._goals) > 1

    # ---- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Run to the end of the budget; returns the limit that ended it.

        Whatever ends it, the record is up to date and what ran is left RUNNING in it. Ctrl-C is raised again.
        Raises `StudyError` when the record cannot be written, `NasError` when the workers cannot go on.
        """
        reason = "failed"
        try:
            if self._may_launch():
                self._lanes.start()
                self._observer.begin(self._start_notice())
                while self._running or self._may_launch():
                    self._step()
            self._close_record()
            reason = self._ended_by()
        except KeyboardInterrupt:
            reason = "interrupted"
            raise
        finally:
            self._shut_down(reason)
        return reason

    def _shut_down(self, reason: str) -> None:
        try:
            with suppress(StudyError) if reason == "failed" else nullcontext():  # it may be why it failed
                self._account(write=True)
        finally:
            self._lanes.stop()
            self._observer.end(reason)

    def _step(self) -> None:
        events = [self._measured(event) for event in self._lanes.poll(POLL_SECONDS)]
        finished: list[Finished] = []
        with self._study.batch():
            for event in events:
                finished += self._handle(event)
            finished += self._give_up()
            launches = list(self._launches())
            self._account(write=time.monotonic() >= self._beaten + self._heartbeat)
        for lane, candidate in launches:  # only now are they sure to be in the record
            self._running[lane].started = self._now()
            self._lanes.submit(lane, candidate)
        self._allow()
        self._save_best()
        self._tell_observer(finished, launches)

    def _measured(self, event: Event) -> Event:
        """With what the objectives need beyond what was reported; before the record is locked, for it may take a while."""
        work = self._running.get(event.lane)
        if isinstance(event, Ready) or work is None or work.number != event.number:
            return event
        if work.proposal.phase is not None:  # it judges nothing, but the record wants a number for each goal
            blank = dict.fromkeys((goal.name for goal in self._goals), 0.0)
            return replace(event, outcome=replace(event.outcome, metrics=blank | event.outcome.metrics))
        return replace(event, outcome=measured(self._goals, event.outcome, work.architecture))

    def _handle(self, event: Event) -> list[Finished]:
        work = self._running.get(event.lane)
        if isinstance(event, Ready):
            self._idle.add(event.lane)
            return self._lost(event.lane, event.seconds) if work else []
        if work is None or work.number != event.number:
            return []  # the driver had given it up
        return [self._finish(event, work)]

    def _finish(self, done: Done, work: Work) -> Finished:
        outcome, values = done.outcome, values_of(self._goals, done.outcome)
        value = values[0] if values else None
        seconds = work.prior + outcome.seconds * self._lanes.share
        self._study.finish(work.number, outcome, values or None, seconds, done.lane)
        del self._running[done.lane]
        if not done.gone:
            self._idle.add(done.lane)
        self._tell(work.number, work.proposal, values, outcome.found)
        if work.proposal.phase is None:
            self._timed.learn(work.architecture.digest, outcome.metrics)
            if outcome.first_seconds is not None:
                self._first.append(outcome.first_seconds)
        finished = Finished(work.number, value, work.architecture, outcome, seconds, work.fraction, work.proposal.phase)
        if finished.better(self._best, self._goals[0]) and self._counts(work):
            self._best, self._news = finished, True
        return finished

    def _counts(self, work: Work) -> bool:
        """Whether its network may be the best."""
        return work.proposal.phase is None and work.proposal.decisions not in self._study.settings.references

    def _lost(self, lane: int, seconds: float) -> list[Finished]:
        """The worker died with what it held: that is next, under its number, unless it has had its attempts."""
        work = self._running[lane]
        work.lost += 1
        if work.lost >= ATTEMPTS:
            outcome = Outcome("fail", {}, f"the worker died {ATTEMPTS} times (killed, or out of memory)", seconds)
            return [self._finish(Done(lane, work.number, outcome), work)]
        del self._running[lane]
        work.prior += seconds * self._lanes.share
        self._study.lost(work.number, work.lost, work.prior)
        self._redo.appendleft(work)
        self._observer.lost(work.number, work.lost)
        return []

    def _give_up(self) -> list[Finished]:
        """Lanes that say nothing long after what they hold must have been ended by force."""
        late = self._now() - self._lanes.grace_seconds - LOST_SECONDS
        gone = [(lane, work) for lane, work in self._running.items() if work.deadline < late]
        outcome = Outcome("fail", {}, "the worker does not answer")
        return [
            self._finish(Done(lane, work.number, replace(outcome, seconds=self._now() - work.started), gone=True), work)
            for lane, work in gone
        ]  # fmt: skip

    def _close_record(self) -> None:
        """No time is left to run these again."""
        with self._study.batch():
            for work in self._redo:
                self._study.finish(work.number, Outcome("fail", {}, "budget"), None, work.prior, 0)
        self._redo.clear()

    # ---- launching -----------------------------------------------------------------------------------------------

    def _may_launch(self) -> bool:
        """Whether time is left for one more candidate to be validated once, and the trials allow one more."""
        left = self._left()
        seconds = left.lane_seconds(self._lanes.count, self._lanes.share)
        if seconds <= max(self._first, default=0.0) or self._hopeless():
            self._closing = True
        return not self._closing and left.trials > len(self._running)

    def _hopeless(self) -> bool:
        ledger = self._study.ledger()
        return ledger.finished == 0 and ledger.failed >= HOPELESS

    def _launches(self) -> Iterator[tuple[int, Candidate]]:
        """Candidates for the idle lanes, recorded as running but not submitted yet."""
        while self._idle and self._may_launch() and not any(work.alone for work in self._running.values()):
            work = self._next()
            if work is None:
                return
            lane = min(self._idle)
            self._idle.remove(lane)
            self._running[lane] = work
            work.started = self._now()
            yield lane, self._candidate(work)

    def _next(self) -> Work | None:
        """What is to be launched next; None where that must wait until nothing runs."""
        if self._redo:
            return None if self._redo[0].alone and self._running else self._redo.popleft()
        number = self._study.next_number
        start = self._study.settings.start
        proposal = Proposal(start[number], how="start") if number < len(start) else self._strategy.ask(number)
        if proposal.phase is not None and self._running:
            return None  # asked again when nothing runs, for it may depend on how that ends
        return self._begun(number, proposal)

    def _begun(self, number: int, proposal: Proposal) -> Work:
        """A new trial, recorded as running."""
        architecture = self._study.space.decode(proposal.decisions)
        seed, fidelity = trial_seed(self._study.settings.seed, number), self._fidelity.part(proposal.fraction).to_dict()
        self._study.start(proposal, architecture, seed=seed, fidelity=fidelity)
        return Work(number, proposal, architecture)

    def _candidate(self, work: Work) -> Candidate:
        seconds = self._left().lane_seconds(self._lanes.count, self._lanes.share)
        work.deadline = work.started + min(seconds, self._timeout)
        seed = trial_seed(self._study.settings.seed, work.number)
        phase = work.proposal.phase is not None
        wanted = NOTHING if phase else self._timed.wanted(work.architecture, self._lanes.count, seconds)
        fidelity, task = self._fidelity.part(work.fraction), self._task(work)
        return Candidate(work.number, work.architecture, fidelity, seed, seconds, self._timeout, wanted, task)

    def _task(self, work: Work) -> Task:
        proposal, inherits = work.proposal, self._study.settings.inherit
        promoted = proposal.how == PROMOTION
        return Task(
            work.number, proposal.parent, proposal.how, proposal.phase,
            tuple(self._study.space.decode(child) for child in proposal.children),
            self._store,
            keep=inherits or proposal.fraction < 1.0,
            inherit=proposal.parent if inherits and not promoted else None,
            go_on=proposal.parent if promoted else None,
            space=self._study.settings.space if proposal.phase is not None else "",
            options=self._study.settings.strategy_options if proposal.phase is not None else {},
        )  # fmt: skip

    def _allow(self) -> None:
        """Share what is left among the lanes that use it: those that hold something, once the others get nothing new."""
        lanes = self._lanes.count if not self._closing else len(self._running)
        seconds = self._left().lane_seconds(lanes, self._lanes.share) if lanes else math.inf
        if math.isfinite(seconds):
            now = self._now()
            self._lanes.allow(dict.fromkeys(self._running, seconds))
            for work in self._running.values():
                work.deadline = min(now + seconds, work.started + self._timeout)

    # ---- the ledger ----------------------------------------------------------------------------------------------

    def _left(self) -> Budget:
        self._account(write=False)
        return self._budget.left(self._study.ledger())

    def _account(self, *, write: bool) -> None:
        """Bring the ledger up to now."""
        now = self._now()
        used = {work.number: work.prior + (now - work.started) * self._lanes.share for work in self._running.values()}
        self._study.beat(used, now - self._began, write=write)
        if write:
            self._beaten = time.monotonic()

    def _ended_by(self) -> str:
        if self._hopeless():
            return f"the first {HOPELESS} candidates failed"
        return self._budget.reached(self._study.ledger()) or str(self._budget)

    def _save_best(self) -> None:
        """Show the best at most a heartbeat late: a person may look at it, and the driver may be killed."""
        now = time.monotonic()
        if self._news and now >= self._saved + HEARTBEAT_SECONDS:
            self._show_best()
            self._news, self._saved = False, now

    # ---- the observer --------------------------------------------------------------------------------------------

    def _start_notice(self) -> Start:
        lanes = self._lanes
        return Start(
            self._study.directory, self._budget, self._study.ledger(), lanes.count, lanes.device, lanes.share,
            self._fidelity, lanes.dashboard, len(self._redo), self._study.settings.role, self._goals,
        )  # fmt: skip

    def _tell_observer(self, finished: list[Finished], launches: list[tuple[int, Candidate]]) -> None:
        for item in finished:
            self._observer.finished(item)
        for _, candidate in launches:
            self._observer.launched(candidate.number, candidate.architecture)
        now = time.monotonic()
        if now >= self._ticked + TICK_SECONDS:
            self._ticked = now
            ledger = self._study.ledger()
            left = self._seconds_left()
            self._observer.tick(
                Progress(self._budget, ledger, len(self._running), self._lanes.count, self._best, left, len(self._front))
            )  # fmt: skip

    def _seconds_left(self) -> float | None:
        """By the time limits, or by the mean pace of the trials so far, whichever ends first."""
        ledger = self._study.ledger()
        left = self._budget.left(ledger)
        done = ledger.finished + ledger.failed
        by_trials = left.trials * ledger.seconds / done if done else math.inf
        seconds = min(left.lane_seconds(self._lanes.count, self._lanes.share), by_trials)
        return seconds if math.isfinite(seconds) else None


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's evaluation, 32 bits: the same on every worker and after every restart."""
    return derived_seed(seed, number)
