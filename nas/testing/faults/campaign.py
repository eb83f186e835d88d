"""Many searches with faults, by kind, and what came of them."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.testing.faults import check, plans, processes
from nas.testing.faults.kinds import FAULTS, Fault
from nas.testing.faults.places import Database, Disk, Folder, Nodes, Place, can_mount
from nas.testing.faults.search import Life, Plan, Search, Signature, sequence

KILLS_EACH = 4  # that one search has to bear
ATTEMPTS = 3  # to end by itself, once nothing strikes any more
ORPHANS_SECONDS = 20.0  # by then nothing of a killed driver lives
BACK_SECONDS = 90.0
END_SECONDS = 240.0
MISSES = 6  # strikes in a row that hit nothing, before another search is taken


@dataclass
class Row:
    """What came of one kind.

    `ended`: drivers that were not killed, but gave up; `ledger`, `wall`: s a kill, at most; `back`: s from each fault to the
    next evaluation; `orphans`: s, at most.
    """

    kind: str
    searches: int = 0
    kills: int = 0
    ended: int = 0
    resumed: int = 0
    lost: int = 0
    doubled: int = 0
    alike: int = 0
    ledger: float = 0.0
    wall: float = 0.0
    back: list[float] = field(default_factory=list)
    orphans: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def cells(self) -> list[str]:
        """For the table."""
        back = f"{statistics.median(self.back):.1f} / {max(self.back):.1f}" if self.back else "-"
        numbers = [self.searches, self.kills, self.ended, self.resumed, self.lost, self.doubled, self.alike]
        return [self.kind, *map(str, numbers), f"{self.ledger:.2f}", f"{self.wall:.2f}", back, f"{self.orphans:.1f}", str(len(self.wrong))]


HEADS = (
    "kind", "searches", "kills", "ended", "resumed", "lost", "doubled", "same sequence", "ledger, device s a kill", "wall s a kill",
    "back, s (median / most)", "orphans, s", "breaches",
)  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """As Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells())} |" for row in rows)])


class Campaign:
    """Kills that are all drawn from `seed`; `server` is a database server for what needs one, `say` hears of every search.

    trials: of a search whose budget they are.
    """

    def __init__(
        self, seed: int, folder: Path | None = None, server: Any = None, say: Callable[[str], None] = lambda line: None,
        trials: int = plans.TRIALS,
    ) -> None:  # fmt: skip
        self._trials = trials
        self.seed, self._server, self._say = seed, server, say
        self.folder = folder or Path(tempfile.mkdtemp(prefix="nas-faults-"))
        self._known: dict[str, dict[str, list[Signature]]] = {}  # sequences of undisturbed runs, by plan
        self.rows: dict[str, Row] = {}

    def possible(self) -> tuple[str, ...]:
        """Kinds of faults for which there is what they need here."""
        there = {"folder", "cluster"} | ({"disk"} if can_mount() else set()) | ({"database"} if self._server else set())
        return tuple(name for name, fault in FAULTS.items() if fault.place in there)

    def run(self, kind: str, kills: int, first: int = 0) -> Row:
        """So many kills of a kind, in as many searches as that takes; `first` is the number of the first search."""
        row = self.rows.setdefault(kind, Row(kind))
        index = first
        while row.kills < kills and not len(row.wrong) > 20:
            self._search(row, FAULTS.get(kind), index, min(KILLS_EACH, kills - row.kills))
            index += 1
        return row

    def _search(self, row: Row, fault: Fault, index: int, kills: int) -> None:
        """One search with so many faults, then the checks."""
        rng = random.Random(f"{self.seed}:{fault.name}:{index}")
        plan = self._plan(fault, index)
        place = self._place(fault, self.folder / f"{fault.name}-{index}")
        begun, before = time.monotonic(), len(row.wrong)
        try:
            search = Search(plan, place, f"run-{self.seed}-{fault.name}-{index}", self.folder / f"account-{fault.name}-{index}")
            struck = _Trial(search, row).bear(fault, rng, kills)
            if plan.alike:
                self._compare(search, row)
            self._say(
                f"{fault.name}/{index}: {plan.name}, {struck} kills, {time.monotonic() - begun:.0f} s"
                + (f": {len(row.wrong) - before} BREACHES; see {search.log}" if len(row.wrong) > before else "")
            )
        finally:
            place.close()
        for line in row.wrong[before:]:
            self._say(f"  {line[:600]}")

    def _plan(self, fault: Fault, index: int) -> Plan:
        if fault.engine == "ray":
            known = plans.together(self._trials)
        else:
            known = plans.alone(self._trials) + plans.by_time()
            if fault.place == "disk":  # on a full one weights are not kept, so that promotions begin anew
                known = [plan for plan in known if "asha:evolution" not in plan.options]
            if fault.name == "torn":  # what follows a search has more to be torn
                known = [plan for plan in known if plan.name in ("confirmed", "asha", "front", "digits")]
        plan = known[index % len(known)]
        return Plan(plan.name, (*plan.options, "--seed", str(self.seed % 2**31)), plan.trials, plan.alike)

    def _place(self, fault: Fault, folder: Path) -> Place:
        if fault.place == "disk":
            return Disk(folder)
        if fault.place == "cluster":
            return Nodes(folder)
        return Database(folder, self._server) if fault.place == "database" else Folder(folder)

    def _compare(self, search: Search, row: Row) -> None:
        """With the run that was never disturbed."""
        if search.plan.name not in self._known:
            name = f"{search.plan.name}-{self.seed}"
            quiet = Search(search.plan, Folder(self.folder / "undisturbed"), name, self.folder / f"account-{name}")
            quiet.start()
            if not quiet.wait(END_SECONDS) or quiet.lives[-1].status != 0:
                row.wrong.append(f"the undisturbed run of {search.plan.name} did not end with status 0: {quiet.output()[-300:]}")
                return
            self._known[search.plan.name] = _sequences(quiet)
        known, found = self._known[search.plan.name], _sequences(search)
        if known == found:
            row.alike += 1
            return
        for name in known:
            pairs = zip(known[name], found.get(name, []), strict=False)
            where = next((f"expected {one}, found {other}" for one, other in pairs if one != other), "one is longer")
            if known[name] != found.get(name):
                row.wrong.append(f"{search.directory}/{name}: another sequence than undisturbed: {where}")


def _sequences(search: Search) -> dict[str, list[Signature]]:
    return {str(folder.relative_to(search.directory)): sequence(search.trials(folder)) for folder in search.folders()}


class _Trial:
    """One search that has to bear faults."""

    def __init__(self, search: Search, row: Row) -> None:
        self.search, self.row, self.seen = search, row, check.Seen()
        self.workers = int(search.plan.options[search.plan.options.index("--workers") + 1])

    def bear(self, fault: Fault, rng: random.Random, kills: int) -> int:
        """All of it; how many faults struck."""
        struck = misses = 0
        self.row.searches += 1
        try:
            while struck < kills and misses < MISSES:
                at = fault.strike(self.search, rng)
                if at is not None:
                    struck += 1
                    self._after(at)
                elif self._over():
                    break
                else:
                    misses += 1
            ended = self._end()
        finally:
            with suppress(AssertionError):
                if self.search.poll():
                    self.search.kill(group=True)
        self.row.kills += struck
        self.row.lost += self.seen.lost
        self.row.doubled += self.seen.doubled
        if not ended:
            return struck
        found, wrong = check.ledgers(self.search, self.workers, struck)
        self.row.wrong += wrong
        self.row.ledger = max(self.row.ledger, abs(found.device) / max(1, struck))
        self.row.wall = max(self.row.wall, abs(found.wall) / max(1, struck))
        return struck

    def _over(self) -> bool:
        """Whether it has ended by itself."""
        return not self.search.poll() and bool(self.search.lives) and self.search.lives[-1].status == 0

    def _after(self, at: float) -> None:
        """Look at what was left, and have the search go on at once, beside what may live of the driver before."""
        back = self._back(at) if self.search.poll() else None
        if back is None and not self.search.poll():
            life = self.search.lives[-1]
            self.row.ended += life.status not in (0, -9)
            self.row.wrong += self.seen.look(self.search, time.monotonic())
            if life.status != 0:
                self.search.start()
                self._orphans(life)
                back = self._back(at)
        if back is not None:
            self.row.back.append(back)
        if back is not None or self._over():
            self.row.resumed += 1

    def _orphans(self, life: Life) -> None:
        """Nothing that a killed driver had started works on."""
        waited, left = processes.seconds_to_end(life.family, life.ended or time.monotonic(), ORPHANS_SECONDS)
        self.row.orphans = max(self.row.orphans, waited)
        if left:
            names = "; ".join(processes.name(each) for each in left)
            self.row.wrong.append(f"{self.search.directory}: of a killed driver there live after {waited:.0f} s: {names}")

    def _back(self, at: float) -> float | None:
        """Seconds until something is evaluated again; None where nothing was left to be evaluated."""
        end = time.monotonic() + BACK_SECONDS
        while time.monotonic() < end:
            running = self.search.poll()
            began = [entry.began for entry in self.search.entries() if entry.began > at]
            if began:
                return began[0] - at
            if not running:
                break
            time.sleep(0.05)
        return None

    def _end(self) -> bool:
        """It ends by itself, with status 0, and all is in the record; whether it ended at all."""
        search, attempts = self.search, 0
        while not self._over():
            if not search.poll():
                attempts += 1
                if attempts > ATTEMPTS:
                    self.row.wrong.append(f"{search.directory}: does not end: status {search.lives[-1].status}: {search.output()[-400:]}")
                    return False
                search.start()
            if not search.wait(END_SECONDS):
                self.row.wrong.append(f"{search.directory}: has not ended after {END_SECONDS:g} s")
                return False
            if search.lives[-1].status != 0:
                last = [line for line in search.output().splitlines() if line.strip()][-1:]
                self.row.wrong.append(f"{search.directory}: ended with status {search.lives[-1].status}, undisturbed: {last}")
        self.row.wrong += self.seen.look(search, time.monotonic())
        if "Traceback" in search.output():
            self.row.wrong.append(f"{search.directory}: it said a traceback; see {search.log}")
        running = [trial.number for folder in search.folders() for trial in search.trials(folder) if not trial.finished]
        if running:
            self.row.wrong.append(f"{search.directory}: has ended with trials {running} running")
        trials = search.trials(search.directory)
        if search.plan.trials and len(trials) != search.plan.trials:
            self.row.wrong.append(f"{search.directory}: {len(trials)} trials; expected {search.plan.trials}")
        return True


def spread(kills: int, kinds: Sequence[str]) -> dict[str, int]:
    """So many kills over the kinds, as evenly as can be."""
    return {kind: kills // len(kinds) + (index < kills % len(kinds)) for index, kind in enumerate(kinds)}
