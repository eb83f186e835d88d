"""What must hold of a search that was killed and resumed; each check returns the breaches that it found, as lines."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from nas.budget import Budget
from nas.study import Trial, open_study
from nas.testing.faults.account import Entry, seconds
from nas.testing.faults.search import HEARTBEAT_SECONDS, Search

SLACK = 1.0  # seconds beyond a heartbeat: two looks of the driver, on a busy machine
LANE_SLACK = 1.0  # on Ray: a sign of life of a lane


@dataclass
class Seen:
    """What was finished, by run folder, when it was last looked at (s)."""

    finished: dict[Path, dict[int, Trial]] = field(default_factory=dict)
    at: float = -math.inf
    lost: int = 0
    doubled: int = 0

    def look(self, search: Search, now: float) -> list[str]:
        """Compare with the record as it is; nothing that was finished by `now` may be gone, changed, or evaluated again."""
        wrong: list[str] = []
        begun = {(entry.run, entry.number): entry.began for entry in search.entries()}
        for folder in search.folders():
            trials = search.trials(folder)
            wrong += self._numbers(folder, trials)
            there = {trial.number: trial for trial in trials}
            for number, trial in self.finished.get(folder, {}).items():
                if there.get(number) != trial:
                    self.lost += 1
                    wrong.append(f"{folder}: trial {number} was finished, and is changed or lost: {trial} now {there.get(number)}")
                if begun.get((str(folder), number), -math.inf) > self.at:
                    self.doubled += 1
                    wrong.append(f"{folder}: trial {number} was finished, and is evaluated again")
            self.finished[folder] = {trial.number: trial for trial in trials if trial.finished}
        self.at = now
        return wrong

    def _numbers(self, folder: Path, trials: list[Trial]) -> list[str]:
        """Each number once, none left out; the order of completion alike."""
        wrong = []
        if [trial.number for trial in trials] != list(range(len(trials))):
            self.doubled += 1
            wrong.append(f"{folder}: numbers are {[trial.number for trial in trials]}")
        orders = Counter(trial.order for trial in trials if trial.finished)
        if set(orders) != set(range(sum(orders.values()))):
            self.doubled += 1
            wrong.append(f"{folder}: orders of completion are {sorted(orders.items(), key=str)}")
        return wrong


@dataclass(frozen=True)
class Ledgers:
    """How far the record's ledger is from the independent account: in device seconds, summed over trials, and in wall seconds."""

    device: float
    wall: float


def ledgers(search: Search, workers: int, kills: int) -> tuple[Ledgers, list[str]]:
    """Compared over the search and all that follows it."""
    device = wall = 0.0
    wrong: list[str] = []
    entries = search.entries()
    for folder in search.folders():
        study = open_study(folder, storage=search.place.storage)
        trials, ledger = study.trials, study.ledger()
        counts = Counter(trial.state for trial in trials)
        if (ledger.finished, ledger.failed) != (counts["COMPLETE"], counts["FAIL"]):
            wrong.append(f"{folder}: the ledger counts {ledger.finished} and {ledger.failed}, the record has {dict(counts)}")
        if not math.isclose(ledger.device_seconds, sum(trial.device_seconds for trial in trials), rel_tol=1e-9, abs_tol=1e-6):
            wrong.append(f"{folder}: the ledger's device seconds are not the sum over the record")
        mine = [entry for entry in entries if entry.run == str(folder)]
        for trial in trials:
            device += abs(trial.device_seconds - seconds([entry for entry in mine if entry.number == trial.number], search.spans))
        wall += _wall_error(ledger.seconds, search, mine)
        wrong += _budget(folder, search, ledger.device_seconds, ledger.seconds, workers)
    slack = SLACK + LANE_SLACK * ("ray" in search.plan.options)
    allowed = (HEARTBEAT_SECONDS + slack) * max(1, kills)
    if abs(device) > allowed * workers + 0.05 * len(entries):
        wrong.append(f"{search.directory}: device seconds are {device:.2f} s from the account after {kills} kills")
    if abs(wall) > allowed:
        wrong.append(f"{search.directory}: wall seconds are {wall:+.2f} s out of what is possible after {kills} kills")
    return Ledgers(device, wall), wrong


def _wall_error(recorded: float, search: Search, entries: list[Entry]) -> float:
    """How far it lies outside of what is possible: no less than from first to last evaluation of each driver, no more than it lived."""
    least = most = 0.0
    for begin, end in search.spans:
        mine = [entry for entry in entries if begin <= entry.began <= end]
        if mine:
            least += min(end, max(entry.seen for entry in mine)) - mine[0].began
        most += end - begin
    return min(0.0, recorded - least) + max(0.0, recorded - most)


def longest_start(search: Search) -> float:
    """Seconds from the start of a driver to its first evaluation, or to its end."""
    entries = search.entries()
    firsts = [next((entry.began for entry in entries if begin <= entry.began <= end), end) - begin for begin, end in search.spans]
    return max(firsts)


def _budget(folder: Path, search: Search, device: float, wall: float, workers: int) -> list[str]:
    """Never more than a step a worker beyond it. Wall time is spent on starting workers, too, which nothing can cut short."""
    budget = Budget.parse(open_study(folder, storage=search.place.storage).settings.budget)
    limits = (("device seconds", device, budget.device_seconds, 0.0), ("seconds", wall, budget.seconds, longest_start(search)))
    beyond = [
        f"{folder}: {used:.2f} {what} of {limit:.2f}"
        for what, used, limit, spare in limits
        if used > limit + spare + (SLACK + LANE_SLACK) * workers
    ]
    done = len([trial for trial in search.trials(folder) if trial.finished])
    return beyond + ([f"{folder}: {done} trials of {budget.trials:g}"] if done > budget.trials else [])
