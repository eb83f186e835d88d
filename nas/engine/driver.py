"""The driver: ask, record, submit, poll, record, tell, until the budget ends. One thread, one loop.

Several may be at work on one study. Each takes in what the others have finished, in the order of the record, before it writes
or asks for anything; so all strategies are told the same, and each ends when the search does.
"""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from nas.budget import Budget
from nas.engine.accounts import Accounts
from nas.engine.assign import Assigner
from nas.engine.deadlines import Deadlines
from nas.engine.elastic import PATIENCE_SECONDS, Attempts, Elastic
from nas.engine.judging import measured, values_of
from nas.engine.keeping import Keeping, cap_of
from nas.engine.lanes import Candidate, Done, Event, Lanes, Lost, Ready, Retired, expected_of
from nas.engine.observer import Finished, Observer, Progress, Start
from nas.engine.others import Others
from nas.engine.queue import Queue, Work
from nas.engine.roster import Roster
from nas.engine.standing import Standing
from nas.engine.stopping import Stopping
from nas.engine.timing import Timed
from nas.errors import NasError, StudyError
from nas.evaluators import Fidelity, Outcome, Store
from nas.evaluators.curve import Curve
from nas.evaluators.faults import fault_of
from nas.objectives import oriented
from nas.strategies import Proposal, Trial
from nas.study import Recorder

if TYPE_CHECKING:
    from nas.strategies import Strategy
    from nas.study import Trial as Recorded

POLL_SECONDS = 0.5
TICK_SECONDS = 0.1
RECENT = 8  # trials whose time to the first validation says how long another will need
HOPELESS = 50  # candidates that failed before one was complete: the fault is not theirs, so stop and say so


class Driver:
    """Runs a study to the end of its budget, new or resumed: its state is what the strategy is told of the record.

    first_seconds: how long a candidate is expected to need to its first validation, until trials have shown it;
    spent: wall seconds that were used before the driver began, as for fitting the fidelity; show_best: called when there
    is a better trial in the record; simulated: a clock by which budgets are counted in place of the real one, where
    evaluators do not wait; store: where evaluations leave weights for later ones; queue: what waits for a lane, with the
    room on devices; patience: for how many seconds it waits for a lane once the last is gone.
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
        queue: Queue | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._study, self._strategy, self._lanes, self._fidelity = study, strategy, lanes, fidelity
        self._observer = observer or Observer()
        study.be_patient(self._observer.note)
        self._running: dict[int, Work] = {}  # by lane
        self._roster = Roster(lanes.count, expected_of(lanes), patience)
        self._closing = False  # no time is left for another launch
        self._ticked = -math.inf
        self._goals = study.goals
        self._timed = Timed(self._goals, study.settings.timing, study.trials)
        self._standing = Standing(study, show_best)
        self._first: deque[float] = deque([first_seconds] if first_seconds > 0 else [], RECENT)
        self._stopping = Stopping(self._goals[0], study.settings.stop_early, study.settings.seed)
        self._assigner = Assigner(study, fidelity, self._timed, self._stopping, store)
        self._keeping = Keeping(store, cap_of(study.settings.keep), lanes.count)
        self._said: set[str] = set()  # kinds of notes
        self._queue = queue or Queue()
        self._others = Others(study, simulated or time.monotonic, counted=simulated is None)
        self._elastic = Elastic(self._roster, self._queue.room, study.settings.gpu_weights, self._observer.note)
        self._attempts = Attempts(study.settings.max_failures)
        self._accounts = Accounts(
            study, budget, lanes.share, self._queue.room, self._roster, self._running, self._others, spent=spent, simulated=simulated
        )
        self._deadlines = Deadlines(lanes, self._accounts, self._running, self._assigner.timeout)
        for trial in study.unfinished():
            self._queue.add(Work.of(trial, study.space.decode(trial.decisions)))
        self._replayed: set[int] = set()  # trials that may be news, for the others are at work meanwhile
        self._replay()

    def _replay(self) -> None:
        for trial in self._study.history():
            self._learn(trial)
            self._replayed.add(trial.number)
        self._standing.restore()

    def _learn(self, trial: Recorded) -> None:
        """Of a finished trial in the record."""
        self._tell(trial.number, trial.proposal, trial.values, trial.found, trial.curve, trial.stopped is not None)
        if trial.judged and trial.first_seconds is not None:
            self._first.append(trial.first_seconds)

    def _take_in(self) -> None:
        """What other drivers have done since the last step; within a batch, before anything is written."""
        if self._others.look():
            self._closing = False  # there is more for those that are left
        for trial in self._study.news():
            if trial.number not in self._replayed:
                self._learn(trial)
                if trial.phase is None:
                    self._timed.learn(trial.digest, trial.metrics)
                self._standing.heard(trial)
        self._replayed.clear()
        self._accounts.catch_up()
        self._let_go()

    def _let_go(self) -> None:
        """Of trials that were taken from this driver, for it gave no sign of life: their end is not its to record."""
        gone = [lane for lane, work in self._running.items() if not self._study.owns(work.number)]
        for lane in gone:
            self._observer.note(f"trial {self._running.pop(lane).number} went to another driver: this one gave no sign of life")
            self._others.lanes.add(lane)
        if gone:
            self._lanes.allow(dict.fromkeys(gone, -math.inf))
        for work in [work for work in self._queue.waiting if not self._study.owns(work.number)]:
            self._queue.waiting.remove(work)

    def _tell(
        self, number: int, proposal: Proposal, values: tuple[float, ...], found: Sequence[Mapping[str, Any]],
        curve: Curve, stopped: bool,
    ) -> None:  # fmt: skip
        """Tell the strategy, larger for better, and keep the front.

        Of a trial that was stopped the strategy is told what it had reached: less than it would have come to, and so never
        more than it is worth.
        """
        numbers, fraction = oriented(self._goals, values) if values else (), proposal.fraction
        came = tuple(map(dict, found))
        value = numbers[0] if numbers else None
        self._strategy.tell(Trial(number, proposal.decisions, value, numbers, fraction, proposal.phase, came))
        if proposal.phase is not None:
            return
        self._keeping.learn(number, proposal, value)
        if value is not None:
            self._stopping.learn(fraction, curve, stopped)
        if numbers and not stopped:
            self._standing.join(number, numbers, fraction)

    # ---- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Run to the end of the budget; returns the limit that ended it.

        Whatever ends it, the record is up to date and what ran is left RUNNING in it. Ctrl-C is raised again.
        Raises `StudyError` when the record cannot be written, `NasError` when the workers cannot go on.
        """
        reason = "failed"
        try:
            with self._study.batch():
                self._take_in()
            if not self._others.there:
                self._keeping.sweep()
            self._prune()
            if self._goes_on():
                self._study.works(self._lanes.count, self._lanes.share)
                self._lanes.start()
                self._observer.begin(self._start_notice())
                while self._goes_on():
                    self._step()
            self._close_record()
            reason = self._ended_by()
        except KeyboardInterrupt:
            reason = "interrupted"
            raise
        finally:
            self._shut_down(reason)
        return reason

    def _goes_on(self) -> bool:
        """Whether there is something to do, or may be: what another driver runs falls to this one if that one dies."""
        return bool(self._running) or self._may_launch() or self._others.running > 0

    def _shut_down(self, reason: str) -> None:
        try:
            with suppress(StudyError) if reason == "failed" else nullcontext():  # it may be why it failed
                self._accounts.bring_up(write=True)
        finally:
            self._lanes.stop()
            if not self._others.there:
                self._keeping.sweep()
            if reason not in ("failed", "interrupted") and not self._others.there:
                self._keeping.prune((), (), ended=True)
            self._observer.tick(self._progress())  # as it stands in the end
            self._observer.end(reason)

    def _prune(self) -> None:
        """Remove weights that are no longer needed, beyond the cap."""
        if self._keeping.empty:
            return
        held = [*self._running.values(), *self._queue.waiting]
        parents = [work.proposal.parent for work in held if work.proposal.parent is not None]
        self._keeping.prune([work.number for work in held] + self._others.numbers, parents + self._others.parents)

    def _step(self) -> None:
        events = [self._measured(event) for event in self._lanes.poll(POLL_SECONDS)]
        self._accounts.bring_up()  # by what ran until now
        finished: list[Finished] = []
        with self._study.batch():
            self._take_in()
            for event in events:
                finished += self._handle(event)
            finished += self._give_up()
            launches = list(self._launches())
            if self._accounts.due:
                self._accounts.bring_up(write=True)
        if finished:
            self._prune()
        for lane, candidate in launches:  # only now are they sure to be in the record
            self._running[lane].begin(self._accounts.now())
            self._lanes.submit(lane, candidate)
        self._allow()
        self._standing.show()
        self._tell_observer(finished, launches)
        if self._may_launch() and (why := self._roster.why_none(time.monotonic())):
            raise NasError(why)

    def _measured(self, event: Event) -> Event:
        """With what the objectives need beyond what was reported; before the record is locked, for it may take a while."""
        work = self._running.get(event.lane)
        if not isinstance(event, Done) or work is None or work.number != event.number:
            return event
        if work.proposal.phase is not None:  # it judges nothing, but the record wants a number for each goal
            blank = dict.fromkeys((goal.name for goal in self._goals), 0.0)
            return replace(event, outcome=replace(event.outcome, metrics=blank | event.outcome.metrics))
        return replace(event, outcome=measured(self._goals, event.outcome, work.architecture))

    def _handle(self, event: Event) -> list[Finished]:
        work = self._running.get(event.lane)
        if isinstance(event, Retired):
            self._retire(event.lane, event.reason, event.seconds)
            return []
        if isinstance(event, Ready):
            lost = self._lost(event.lane, event.seconds) if work else []
            self._elastic.joined(event)
            return lost
        if isinstance(event, Lost):
            lost = self._lost(event.lane, event.seconds, silent=event.silent) if work else []
            self._elastic.left(event)
            return lost
        if work is None or work.number != event.number:  # the driver had given it up
            if work is None and event.lane in self._others.lanes:
                self._others.lanes.discard(event.lane)
                self._leave(event)
            return []
        return self._done(event, work)

    def _done(self, done: Done, work: Work) -> list[Finished]:
        """A lane has answered: with what counts, or with a fault of its device, for which the candidate gets another chance."""
        fault = fault_of(done.outcome.reason) if done.outcome.state == "fail" else None
        held = self._queue.room.holds(done.lane)
        useless = self._roster.answered(done.lane, lost=fault == "lost")
        if fault == "lost":
            finished = self._lost(done.lane, done.outcome.seconds, done)
            if useless:
                self._retire(done.lane, done.outcome.reason or "")
            return finished
        crowded = held is not None and held.beside and not work.solo
        if crowded and (fault == "memory" or (fault == "device" and self._lanes.entangled)):
            self._again_alone(done, work)
            return []
        return [self._finish(done, work)]

    def _again_alone(self, done: Done, work: Work) -> None:
        """What ran beside it may be why it failed."""
        work.solo = True
        self._take_back(done, work, done.outcome.seconds)
        self._study.crowded(work.number, work.prior)
        self._queue.first(work)
        self._observer.crowded(work.number, done.outcome.reason or "")

    def _take_back(self, done: Done, work: Work, seconds: float | None) -> None:
        """It was not its end: the lane holds nothing any more."""
        del self._running[done.lane]
        self._leave(done)
        work.prior = self._accounts.charge(work, seconds)

    def _leave(self, done: Done) -> None:
        if done.gone:
            self._queue.room.down(done.lane)
        else:
            self._queue.room.free(done.lane)

    def _retire(self, lane: int, reason: str, seconds: float | None = None) -> None:
        """Go on without a lane. What it held is next: that the lane is gone is no fault of its."""
        if lane not in self._roster:
            return
        self._roster.retire(lane, reason)
        work = self._running.get(lane)
        if work is not None:
            self._take_back(Done(lane, work.number, Outcome("fail"), gone=True), work, seconds)
            self._study.lost(work.number, work.lost, work.prior, work.lost_nodes)
            self._queue.first(work)
        self._queue.room.down(lane)
        self._observer.retired(lane, reason, self._roster.count)

    def _finish(self, done: Done, work: Work) -> Finished:
        outcome, values = done.outcome, values_of(self._goals, done.outcome)
        value = values[0] if values else None
        seconds = self._accounts.charge(work, outcome.seconds)
        where = self._queue.room.where(done.lane)
        self._study.finish(work.number, outcome, values or None, seconds, done.lane, where=where, wasted=work.prior)
        del self._running[done.lane]
        self._leave(done)
        self._tell(work.number, work.proposal, values, outcome.found, outcome.curve, outcome.stopped is not None)
        self._note(work.number, outcome.notes)
        if work.proposal.phase is None:
            self._timed.learn(work.architecture.digest, outcome.metrics)
            self._queue.learn(work, outcome.metrics)
            if outcome.first_seconds is not None:
                self._first.append(outcome.first_seconds)
        proposal = work.proposal
        finished = Finished(
            work.number, value, work.architecture, outcome, seconds, work.fraction, proposal.phase, proposal.decisions, proposal.parent,
            proposal.how, done.lane,
        )  # fmt: skip
        self._standing.finished(finished, work.proposal)
        return finished

    def _note(self, number: int, notes: Sequence[str]) -> None:
        """Say the first note of each kind; the record has all."""
        self._keeping.heed(notes)
        for note in notes:
            kind = re.sub(r"[0-9]+", "", note)
            if kind not in self._said:
                self._said.add(kind)
                self._observer.note(f"trial {number}: {note}")

    def _lost(self, lane: int, seconds: float, done: Done | None = None, *, silent: bool = False) -> list[Finished]:
        """The worker died with what it held, or (`done`) its GPU did: that is next, under its number, unless it has had its attempts."""
        work = self._running[lane]
        if reason := self._attempts.lost(work, silent=silent):
            return [self._finish(done or Done(lane, work.number, Outcome("fail", {}, reason, seconds)), work)]
        self._take_back(done or Done(lane, work.number, Outcome("fail")), work, seconds)
        self._study.lost(work.number, work.lost, work.prior, work.lost_nodes)
        self._queue.first(work)
        self._observer.lost(work.number, work.lost)
        return []

    def _give_up(self) -> list[Finished]:
        """Lanes that say nothing long after what they hold must have been ended by force."""
        outcome = Outcome("fail", {}, "the worker does not answer")
        return [
            self._finish(Done(lane, work.number, replace(outcome, seconds=self._accounts.now() - work.started), gone=True), work)
            for lane, work in self._deadlines.late()
        ]  # fmt: skip

    def _close_record(self) -> None:
        """No time is left to run these again."""
        with self._study.batch():
            self._take_in()
            while self._claim():
                pass
            for work in self._queue.waiting:
                self._study.finish(work.number, Outcome("fail", {}, "budget"), None, work.prior, None, wasted=work.prior)
        self._queue.waiting.clear()

    # ---- launching -----------------------------------------------------------------------------------------------

    def _may_launch(self) -> bool:
        """Whether time is left for one more candidate to be validated once, and the trials allow one more."""
        seconds = self._accounts.lane_seconds(self._roster.count)
        if seconds <= max(self._first, default=0.0) or self._hopeless():
            self._closing = True
        return not self._closing and self._accounts.left().trials > len(self._running) + self._others.running

    def _hopeless(self) -> bool:
        ledger = self._study.ledger()
        return ledger.finished == 0 and ledger.failed >= HOPELESS

    def _launches(self) -> Iterator[tuple[int, Candidate]]:
        """Candidates for lanes that have room for them, recorded as running but not submitted yet."""
        while self._queue.room.idle and self._may_launch() and not self._phase_runs():
            found = self._queue.next(bool(self._running))
            if found is None and not self._propose():
                return
            if found is not None:
                lane, work = found
                self._running[lane] = work
                work.begin(self._accounts.now())
                yield lane, self._candidate(work)

    def _phase_runs(self) -> bool:
        """Whether a phase does: then it is all that runs."""
        return any(work.alone for work in islice(self._running.values(), 1))

    def _propose(self) -> bool:
        """Put something new into the queue, where a lane is left for it; whether that was done."""
        number, waiting = self._study.next_number, len(self._queue.waiting)
        if not self._queue.open:
            return False
        if self._claim():
            return True
        if self._accounts.left().trials <= len(self._running) + waiting + self._others.running:
            return False
        proposal = self._strategy.ask(number)
        if proposal.phase is not None and (self._running or waiting):
            return False  # asked again when nothing runs, for it may depend on how that ends
        self._queue.add(self._assigner.begin(number, proposal))
        return True

    def _claim(self) -> bool:
        """Put what a dead driver has left into the queue, if there is anything."""
        orphan = self._study.claim()
        if orphan is not None:
            self._queue.add(Work.of(orphan, self._study.space.decode(orphan.decisions)))
        return orphan is not None

    def _candidate(self, work: Work) -> Candidate:
        lanes = max(1, self._roster.count)
        seconds = self._accounts.lane_seconds(lanes)
        self._deadlines.begin(work, seconds)
        return self._assigner.candidate(work, seconds, lanes)

    def _allow(self) -> None:
        """Share what is left among the lanes that use it: those that hold something, once the others get nothing new."""
        self._deadlines.share(self._closing)

    def _ended_by(self) -> str:
        if self._hopeless():
            return f"the first {HOPELESS} candidates failed"
        return self._accounts.budget.reached(self._accounts.ledger) or str(self._accounts.budget)

    # ---- the observer --------------------------------------------------------------------------------------------

    def _start_notice(self) -> Start:
        lanes = self._lanes
        return Start(
            self._study.directory, self._accounts.budget, self._accounts.ledger, expected_of(lanes), lanes.device, lanes.share,
            self._fidelity, lanes.dashboard, len(self._queue.waiting), self._study.settings.role, self._goals,
            self._study.settings.study,
        )  # fmt: skip

    def _tell_observer(self, finished: list[Finished], launches: list[tuple[int, Candidate]]) -> None:
        for item in finished:
            self._observer.finished(item)
        for _, candidate in launches:
            self._observer.launched(candidate.number, candidate.architecture)
        now = time.monotonic()
        if now >= self._ticked + TICK_SECONDS:
            self._ticked = now
            self._observer.tick(self._progress())

    def _progress(self) -> Progress:
        accounts, standing = self._accounts, self._standing
        return Progress(
            accounts.budget, accounts.ledger, len(self._running), self._roster.count, standing.best, accounts.seconds_left(), len(standing)
        )
