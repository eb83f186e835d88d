"""What a run has spent its budget on, and what it would reach at its pace: arithmetic on the record. Pure: it has no clock."""

from __future__ import annotations

import datetime
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.budget import Budget, Ledger
from nas.study.baselines import BASELINES
from nas.study.confirmation import CONFIRM, CONTROL
from nas.study.correlation import CORRELATE
from nas.study.leading import comparable

if TYPE_CHECKING:
    from nas.study.study import Study
    from nas.study.trial import Trial

HOUR = 3600.0
FINISHED, CUT, STOPPED, PHASES = "finished", "cut off by the budget", "stopped early", "training of shared weights"
RUNNING, WASTED, FAILED = "running, or left by a driver that is gone", "wasted: attempts that were run again", "failed: "
ENDED = "failed: the budget ended before it was validated"
FOLLOWING = (CONFIRM, CORRELATE, BASELINES, CONTROL, f"{CONTROL}/{CONFIRM}")  # runs within a run's folder, which its budget does not pay
QUARTERS = (0.25, 0.5, 0.75, 1.0)
SLACK = 10.0  # times the real time that a trial's device time may be, before it can only have been simulated


@dataclass(frozen=True)
class Item:
    """So many trials, and device seconds, under one heading."""

    name: str
    trials: int
    device_seconds: float


@dataclass(frozen=True)
class Hour:
    """What was done within an hour: trials that ended, and device seconds of trials by the time that they ran."""

    begin: datetime.datetime
    trials: int
    device_seconds: float


@dataclass(frozen=True)
class Pace:
    """Over the last `seconds` of the record (an hour at most): trials that ended, and device seconds that were spent."""

    seconds: float
    trials: float
    device_seconds: float


@dataclass(frozen=True)
class Outlook:
    """What comes at that pace: the limit that ends the search, after how many seconds, with how many trials then.

    low, high: of these trials, by what chance does to a count (two standard deviations).
    """

    limit: str
    seconds: float
    trials: float
    low: float
    high: float


@dataclass(frozen=True)
class Best:
    """The best so far by the first objective: the trial, and after how many of all judged ones it came.

    running: the best after a quarter, a half, three quarters and all of the judged trials.
    """

    trial: int
    value: float
    after: int
    judged: int
    running: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Spending:
    """The ledger of a run. The device seconds of `items` sum up to the ledger's, as do those of `devices`.

    in_flight: of the ledger's device seconds those of trials that have not ended; lost: attempts whose worker died;
    simulated: whether device time passed by a simulated clock, so that hours say nothing; following: ledgers of the runs
    that follow, which are not charged.
    """

    budget: Budget
    ledger: Ledger
    left: Budget
    in_flight: float
    lost: int
    items: tuple[Item, ...]
    devices: tuple[Item, ...]
    hours: tuple[Hour, ...]
    simulated: bool
    pace: Pace | None
    outlook: Outlook | None
    best: Best | None
    following: tuple[tuple[str, Ledger], ...]


def spending(study: Study, trials: Sequence[Trial] | None = None) -> Spending:
    """What a run, which may be growing, has spent. `trials`: all of it, where they were read already. Raises `StudyError`."""
    trials, budget = study.trials if trials is None else trials, Budget.parse(study.settings.budget)
    ledger = Ledger(  # of these trials, for the record may grow between two looks
        sum(trial.device_seconds for trial in trials), study.seconds,
        sum(trial.state == "COMPLETE" for trial in trials), sum(trial.state == "FAIL" for trial in trials),
    )  # fmt: skip
    left, simulated = budget.left(ledger), is_simulated(trials)
    made = pace(trials, ledger, simulated)
    return Spending(
        budget, ledger, left,
        in_flight=sum(trial.device_seconds - trial.wasted for trial in trials if not trial.finished),
        lost=sum(trial.lost for trial in trials),
        items=tuple(items(trials)),
        devices=tuple(devices(trials)),
        hours=() if simulated else tuple(hours(trials)),
        simulated=simulated,
        pace=made,
        outlook=None if made is None else outlook(budget, ledger, made),
        best=best(study, trials),
        following=tuple(_following(study)),
    )  # fmt: skip


def kind(trial: Trial) -> str:
    """Under which heading a trial goes; failures by their reason, digits aside."""
    if not trial.finished:
        return RUNNING
    if trial.state == "FAIL":
        reason = trial.reason or "unknown"
        return ENDED if reason == "budget" else FAILED + re.sub(r"[0-9]+(?:\.[0-9]+)?", "#", reason)
    if trial.phase is not None:
        return PHASES
    return CUT if trial.cut else STOPPED if trial.stopped is not None else FINISHED


def items(trials: Iterable[Trial]) -> list[Item]:
    """By what became of them, wasted attempts apart; failures last but for what runs and what was wasted, the dearest first."""
    found = list(trials)
    order = {name: place for place, name in enumerate((FINISHED, CUT, STOPPED, PHASES, FAILED, RUNNING, WASTED))}
    made = _grouped(found, kind, lambda trial: trial.device_seconds - trial.wasted)
    wasted = [trial for trial in found if trial.wasted > 0]
    if wasted:
        made.append(Item(WASTED, len(wasted), sum(trial.wasted for trial in wasted)))
    return sorted(made, key=lambda item: (order.get(item.name, order[FAILED]), -item.device_seconds, item.name))


def devices(trials: Iterable[Trial]) -> list[Item]:
    """By the device on which trials ran last, by the worker where the record does not know it; earlier attempts go with the last."""

    def name(trial: Trial) -> str:
        worker = f"worker {trial.worker}" if trial.worker is not None else "not known yet"
        return f"{trial.where}, {worker}" if trial.where else worker

    return sorted(_grouped(trials, name, lambda trial: trial.device_seconds), key=lambda item: item.name)


def _grouped(trials: Iterable[Trial], name: Callable[[Trial], str], seconds: Callable[[Trial], float]) -> list[Item]:
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[name(trial)].append(trial)
    return [Item(each, len(group), sum(map(seconds, group))) for each, group in groups.items()]


def hours(trials: Iterable[Trial]) -> list[Hour]:
    """By hours of UTC, those without trials left out.

    The device seconds of a trial are spread evenly over the time from its beginning to its end, or to now as far as its
    device seconds reach.
    """
    counts: dict[int, int] = defaultdict(int)
    seconds: dict[int, float] = defaultdict(float)
    for trial in trials:
        span = _span(trial)
        if span is None:
            continue
        if trial.ended is not None:
            counts[int(trial.ended.timestamp() // HOUR)] += 1
        for hour, part in _spread(*span):
            seconds[hour] += part * trial.device_seconds
    return [
        Hour(datetime.datetime.fromtimestamp(hour * HOUR, datetime.UTC), counts[hour], seconds[hour])
        for hour in sorted(counts.keys() | seconds.keys())
    ]  # fmt: skip


def _span(trial: Trial) -> tuple[float, float] | None:
    """When it ran: what did not end is taken to have held one device."""
    if trial.began is None:
        return None
    begin = trial.began.timestamp()
    return begin, max(begin, begin + trial.device_seconds if trial.ended is None else trial.ended.timestamp())


def _spread(begin: float, end: float) -> Iterator[tuple[int, float]]:
    """The hours from `begin` to `end`, each with its part of that time."""
    first, last = int(begin // HOUR), int(end // HOUR)
    for hour in range(first, last + 1):
        inside = min(end, (hour + 1) * HOUR) - max(begin, hour * HOUR)
        yield hour, inside / (end - begin) if end > begin else 1.0


def is_simulated(trials: Iterable[Trial]) -> bool:
    """Whether trials took far more device time than passed: no device can be held for longer than a trial lasts."""
    ended = [(trial, trial.began, trial.ended) for trial in trials]
    known = [(trial.device_seconds, (end - begin).total_seconds()) for trial, begin, end in ended if begin and end]
    return sum(seconds for seconds, _ in known) > SLACK * (sum(real for _, real in known) + len(known))


def pace(trials: Sequence[Trial], ledger: Ledger, simulated: bool) -> Pace | None:
    """Of the last hour of the record; of all of it where time is simulated or not known. None before a trial has ended."""
    done = ledger.finished + ledger.failed
    if not done or ledger.seconds <= 0:
        return None
    ended = [trial.ended.timestamp() for trial in trials if trial.ended is not None]
    whole = Pace(ledger.seconds, done, ledger.device_seconds)
    if simulated or not ended or ledger.seconds <= HOUR:
        return whole
    last = max(ended)
    first = last - HOUR
    spent = sum(
        trial.device_seconds * _inside(span, first, last) for trial, span in ((trial, _span(trial)) for trial in trials) if span is not None
    )
    return Pace(HOUR, sum(time > first for time in ended), spent)


def _inside(span: tuple[float, float], first: float, last: float) -> float:
    """The part of a span that lies between the two."""
    begin, end = span
    if end <= begin:
        return float(first < end <= last)
    return max(0.0, min(end, last) - max(begin, first)) / (end - begin)


def outlook(budget: Budget, ledger: Ledger, made: Pace) -> Outlook | None:
    """Which limit comes first at that pace, and when; None where one is reached, or none ever would be."""
    if budget.reached(ledger) is not None:
        return None
    left = budget.left(ledger)
    ends = {
        "device time": left.device_seconds * made.seconds / made.device_seconds if made.device_seconds > 0 else math.inf,
        "wall time": left.seconds,
        "trials": left.trials * made.seconds / made.trials if made.trials else math.inf,
    }
    limit = min(ends, key=lambda name: ends[name])
    seconds, done = ends[limit], ledger.finished + ledger.failed
    if not math.isfinite(seconds):
        return None
    more = min(left.trials, made.trials * seconds / made.seconds)
    spread = 2.0 * math.sqrt(more + more * more / max(made.trials, 1.0)) if limit != "trials" else 0.0
    return Outlook(limit, seconds, done + more, done + max(0.0, more - spread), done + min(left.trials, more + spread))


def best(study: Study, trials: Iterable[Trial]) -> Best | None:
    """The best so far and how it came, among the trials that were looked at most closely; None while none is judged."""
    goal = study.goals[0]
    done = sorted(trials, key=lambda trial: (trial.order is None, trial.order or 0, trial.number))
    judged = comparable(trial for trial in done if not study.is_reference(trial))
    if not judged:
        return None
    reached: list[tuple[int, float, int]] = []  # after how many, the best value, its trial
    for place, trial in enumerate(judged, start=1):
        value = trial.value if trial.value is not None else math.nan
        better = not reached or goal.oriented(value) > goal.oriented(reached[-1][1])
        reached.append((place, value, trial.number) if better else reached[-1])
    places = sorted({max(1, math.ceil(part * len(judged))) for part in QUARTERS})
    after, value, number = reached[-1]
    return Best(number, value, after, len(judged), tuple((place, reached[place - 1][1]) for place in places))


def _following(study: Study) -> Iterator[tuple[str, Ledger]]:
    """The runs in the folder of this one that have begun."""
    for name in FOLLOWING:
        run: Study | None = study
        for part in name.split("/"):
            run = None if run is None else run.nested(part)
        if run is not None:
            yield name, run.ledger()
