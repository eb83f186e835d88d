"""The budget on a fake clock: whatever happens, no limit is passed by more than a step a worker, and the ledger is the record's sum.

The driver, its accounts and the record are the real ones; lanes, seconds and kills are pretended (see `tests.clockwork`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from nas.budget import Budget, Ledger
from nas.engine import Driver
from nas.errors import NasError
from nas.evaluators import Fidelity
from nas.strategies import Proposal
from nas.study import Recorder, Study, create_study, open_study, resume_study
from tests.clockwork import Clock, Clockwork, Deed, Killed, in_memory, mortal
from tests.toy import Climber, ToySpace, settings

SPACE: Any = ToySpace()
NOWHERE = Path("/nowhere")  # nothing is written
POLL = 0.5  # the driver looks so often
BACK = 3.0  # seconds until a worker that died is there again
quick = profile(derandomize=True, max_examples=80, deadline=None, database=None, suppress_health_check=[*HealthCheck])


class Phases(Climber):
    """A climber with a phase at every tenth trial."""

    def ask(self, number: int) -> Proposal:
        made = super().ask(number)
        return made if number % 10 else Proposal(made.decisions, how="uniform", phase="weights", children=(made.decisions,))


@dataclass
class Plan:
    """One case. `deeds` are taken in turn by trial and attempt; `kills`: after how many writes each driver dies."""

    count: int
    each: int
    share: float
    limits: Budget
    deeds: tuple[Deed, ...]
    kills: tuple[int, ...] = ()
    timeout: float | None = None
    phases: bool = False
    deaf: float = 0.0

    @property
    def deadly(self) -> bool:
        """Whether workers die."""
        return any(deed.end == "die" for deed in self.deeds)

    @property
    def forgotten(self) -> int:
        """Workers that may have been dead when a driver was killed: the next one does not hear for how long."""
        return len(self.kills) * self.count * self.deadly

    def deed(self, number: int, attempt: int) -> Deed:
        return self.deeds[(number + 3 * attempt) % len(self.deeds)]


@st.composite
def plans(draw: Any, ends: tuple[str, ...] = ("complete", "fail"), kills: int = 0, shared: bool = False) -> Plan:
    each = draw(st.sampled_from([2, 4])) if shared else 1
    count = each * draw(st.integers(1, 2)) if shared else draw(st.integers(1, 5))
    share = 1 / each if shared else draw(st.sampled_from([1.0, 1.0, 2.0]))
    number = st.sampled_from([0.25, 1.0, 1.7, 4.0, 9.5, 33.0])
    deeds = tuple(
        Deed(draw(number), draw(st.sampled_from([0.1, 0.25, 1.0, 3.0])), draw(st.sampled_from(ends)))
        for _ in range(draw(st.integers(1, 7)))
    )
    limits = Budget(
        draw(st.sampled_from([math.inf, 5.0, 40.0, 111.1])), draw(st.sampled_from([math.inf, 7.0, 25.0, 60.3])),
        draw(st.sampled_from([1.0, 4.0, 13.0, 25.0])),
    )  # fmt: skip
    deaths = tuple(draw(st.lists(st.integers(1, 150), min_size=kills and 1, max_size=kills)))
    deaf = draw(st.sampled_from([0.0, 4.0]))
    return Plan(count, each, share, limits, deeds, deaths, draw(st.sampled_from([None, None, 2.0, 6.0])), draw(st.booleans()), deaf)


@dataclass
class Lived:
    """What a case came to: the last record, what devices were really held, and the longest step."""

    study: Study
    held: float
    step: float


def live(plan: Plan) -> Lived:
    """Drive it to its end, through all kills; the invariants hold at every poll."""
    storage, clock, held, step = in_memory(), Clock(), 0.0, 0.0
    attempts: dict[int, int] = {}
    for writes in (*plan.kills, math.inf):
        try:
            study = mortal(storage, NOWHERE, writes, timeout=plan.timeout)
        except Killed:
            continue
        lanes = Clockwork(plan.count, plan.share, plan.deed, clock, each=plan.each, back=BACK, deaf=plan.deaf, attempts=attempts)
        lanes.watch = checks(plan, study, lanes)
        strategy: Any = (Phases if plan.phases else Climber)(SPACE, 1)
        try:
            Driver(study, strategy, lanes, plan.limits, Fidelity(), simulated=clock).run()  # type: ignore[arg-type]
            assert math.isinf(writes) or plan.limits.reached(study.ledger()) or not study.unfinished()
        except Killed:
            clock.now += 100.0  # until somebody resumes it
        except NasError as error:
            if "no worker is left" not in str(error):
                raise
        held, step = held + lanes.used, max(step, lanes.longest)
    return Lived(study, held, step)


def checks(plan: Plan, study: Recorder, lanes: Clockwork) -> Callable[[], None]:
    """What holds whenever the driver waits: its step is over, so that all of it is in the record."""

    def check() -> None:
        running, recorded = study.ledger(), Study.ledger(study)
        assert dataclass_close(running, recorded)
        trials = study.trials
        done = sum(trial.finished for trial in trials)
        assert (running.finished, running.failed) == (recorded.finished, recorded.failed)
        assert len(trials) <= plan.limits.trials
        assert done == running.finished + running.failed
        within(plan, running, lanes.longest, len(lanes.coming) + plan.forgotten)
        assert all(0 <= trial.wasted <= trial.device_seconds + 1e-9 for trial in trials)

    return check


def dataclass_close(one: Ledger, other: Ledger) -> bool:
    return (one.device_seconds, one.seconds) == (
        pytest.approx(other.device_seconds, rel=1e-9, abs=1e-9), pytest.approx(other.seconds, rel=1e-12)
    )  # fmt: skip


def within(plan: Plan, ledger: Ledger, step: float, dead: int = 0) -> None:
    """No limit is passed by more than one step a worker.

    What a worker holds that died is in flight until that is known, when it comes back, and then is paid for what was done.
    """
    unknown = dead * BACK * plan.share * plan.each
    assert ledger.device_seconds <= plan.limits.device_seconds + step * plan.count * plan.share + unknown + 1e-6
    assert ledger.seconds <= plan.limits.seconds + step + POLL + BACK * plan.deadly + 1e-6
    assert ledger.finished + ledger.failed <= plan.limits.trials


def ended(plan: Plan, lived: Lived) -> Ledger:
    """What holds at the end: the record alone says the same as the accounts did, and nothing is left running."""
    ledger = Study.ledger(lived.study)
    assert dataclass_close(ledger, lived.study.ledger())
    within(plan, ledger, lived.step, plan.forgotten)
    return ledger


@quick
@given(plans())
def test_spent_is_what_devices_were_held(plan: Plan) -> None:
    lived = live(plan)
    assert ended(plan, lived).device_seconds == pytest.approx(lived.held, rel=1e-9, abs=1e-6)
    assert all(trial.finished for trial in lived.study.trials)
    assert not any(trial.wasted for trial in lived.study.trials)


@quick
@given(plans(("complete", "fail", "die", "memory", "retire")))
def test_workers_that_die_are_paid_for_what_they_did(plan: Plan) -> None:
    lived = live(plan)
    assert ended(plan, lived).device_seconds == pytest.approx(lived.held, rel=1e-9, abs=1e-6)


@quick
@given(plans(("complete", "fail", "memory"), shared=True))
@example(Plan(4, 4, 0.25, Budget(40.0), (Deed(99.0, 0.1), *[Deed(5.4, 3.0)] * 60), deaf=37.6))  # one goes on alone at the end
def test_a_shared_gpu_is_paid_once(plan: Plan) -> None:
    lived = live(plan)
    assert ended(plan, lived).device_seconds == pytest.approx(lived.held, rel=1e-6, abs=1e-6)


@quick
@given(plans(("complete", "complete", "fail", "die"), kills=3))
def test_a_driver_that_is_killed_at_any_write_neither_loses_nor_doubles(plan: Plan) -> None:
    lived = live(plan)
    ledger = ended(plan, lived)
    # A driver that dies takes what was not written yet: since its last step, which ends with every poll. Of a worker that was
    # dead before it, it knew no better than that it held its device.
    unwritten = len(plan.kills) * plan.count * plan.share * POLL
    assert lived.held - unwritten - 1e-6 <= ledger.device_seconds <= lived.held + plan.forgotten * plan.share * BACK + 1e-6
    numbers = [trial.number for trial in lived.study.trials]
    assert numbers == list(range(len(numbers)))


@quick
@given(plans(("complete", "fail", "die", "memory", "retire"), kills=2, shared=True))
def test_all_of_it_at_once(plan: Plan) -> None:
    ended(plan, live(plan))


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.7, 0.93, 1.0])
def test_a_journal_that_ends_anywhere_is_gone_on_with_and_adds_up(tmp_path: Path, part: float) -> None:
    plan = Plan(2, 1, 1.0, Budget(60.0, trials=12), (Deed(2.5), Deed(7.0, end="fail"), Deed(4.0, end="die")))

    def go_on(study: Recorder, attempts: dict[int, int]) -> None:
        clock = Clock()
        lanes = Clockwork(plan.count, plan.share, plan.deed, clock, back=BACK, attempts=attempts)
        strategy: Any = Climber(SPACE, 1)
        Driver(study, strategy, lanes, plan.limits, Fidelity(), simulated=clock).run()  # type: ignore[arg-type]

    with create_study(tmp_path / "run", settings(), SPACE) as study:
        begin = (tmp_path / "run" / "study.journal").stat().st_size
        go_on(study, {})
    journal = tmp_path / "run" / "study.journal"
    text = journal.read_bytes()
    journal.write_bytes(text[: begin + int(part * (len(text) - begin))])
    before = open_study(tmp_path / "run", space=SPACE)
    spent, attempts = before.ledger(), {trial.number: trial.lost for trial in before.trials}
    with resume_study(tmp_path / "run", space=SPACE) as study:
        assert dataclass_close(study.ledger(), spent)
        go_on(study, attempts)
        ledger = study.ledger()
    recorded = open_study(tmp_path / "run", space=SPACE)
    assert dataclass_close(ledger, recorded.ledger())
    within(plan, ledger, 1.0)
    assert spent.device_seconds <= ledger.device_seconds + 1e-9
    assert all(trial.finished for trial in recorded.trials)
    made = {trial.number: trial for trial in recorded.trials}
    assert all(made[trial.number].device_seconds == trial.device_seconds for trial in before.trials if trial.finished)
