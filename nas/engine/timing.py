"""Measures that depend on the machine are taken where candidates are trained, after the training, one at a time on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nas import measures
from nas.engine.judging import completed
from nas.errors import NasError
from nas.evaluators import Evaluation, Evaluator, Outcome, cut_off, is_simulated, run
from nas.evaluators.clock import CutOff
from nas.evaluators.faults import fault_of, recover
from nas.latency import FULL, SEARCH, Setting
from nas.memory import Memory

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.engine.lanes import Candidate
    from nas.objectives import Objective
    from nas.spaces import Space
    from nas.study import Trial

REMEMBERED = 10_000
KEPT_SECONDS = 1.0  # of a budget, for each lane: all may be cut off at once, and then measure one after another
KEPT_SHARE = 0.1  # of a candidate's time at most


@dataclass(frozen=True)
class Wanted:
    """Measures of a candidate to be taken on the lane, unless its evaluator reports them: which, how, what is known already.

    `seconds` are kept for that of what the budget allows the candidate.
    """

    names: tuple[str, ...] = ()
    setting: Setting = SEARCH
    known: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Timed:
    """What the driver knows of them: the timed ones among the goals of a run, by the digest of the network."""

    def __init__(self, goals: Iterable[Objective], setting: Setting, finished: Iterable[Trial] = ()) -> None:
        self.names = tuple(goal.name for goal in goals if is_timed(goal.name))
        self._setting = setting
        self._known: dict[str, dict[str, float]] = {}
        for trial in finished:
            self.learn(trial.digest, trial.metrics)

    def learn(self, digest: str, metrics: Mapping[str, float]) -> None:
        """Keep what was measured of a network."""
        found = {name: metrics[name] for name in self.names if name in metrics}
        if found:
            self._known.setdefault(digest, found)

    def wanted(self, architecture: Architecture, lanes: int, seconds: float) -> Wanted:
        """What one of `lanes` lanes is to measure of a candidate that the budget allows `seconds`."""
        if not self.names:
            return NOTHING
        known = self._known.get(architecture.digest, {})
        kept = 0.0 if len(known) == len(self.names) else min(KEPT_SECONDS * lanes, KEPT_SHARE * seconds)
        return Wanted(self.names, self._setting, known, kept)


NOTHING = Wanted()
Taken = Memory[Any, float]  # what a worker has measured itself


def taken() -> Taken:
    """An empty memory of a worker."""
    return Memory(REMEMBERED)


def evaluated(evaluator: Evaluator, candidate: Candidate, evaluation: Evaluation, memory: Taken) -> Outcome:
    """Evaluate a candidate on a lane, then measure what is wanted of it; both under its clock, and it never raises.

    What a measurement takes counts as the trial's time, and as part of its way to a first value; only in simulated time
    it takes none.
    """
    wanted = candidate.wanted
    clock, simulated = evaluation.clock, is_simulated(evaluator)
    clock.keep(0.0 if simulated else wanted.seconds)
    outcome = run(evaluator, candidate.architecture, candidate.fidelity, evaluation)
    if fault_of(outcome.reason) == "memory":
        recover()
    clock.keep(0.0)
    check = _nothing if simulated else clock.check

    def one(name: str) -> float:
        return _measured(name, candidate.architecture, wanted, evaluation.device, check, memory)

    try:
        made = completed(outcome, wanted.names, one)
    except CutOff as cut:
        return cut_off("", replace(evaluation, reports=[]), cut.limit)
    seconds = clock.elapsed()
    first = None if outcome.first_seconds is None else outcome.first_seconds + seconds - outcome.seconds
    return outcome if made is outcome else replace(made, seconds=seconds, first_seconds=first)


def _measured(
    name: str, architecture: Architecture, wanted: Wanted, device: str, check: Callable[[], None], memory: Taken
) -> float:
    if name in wanted.known:
        return wanted.known[name]
    setting = wanted.setting.on(device)
    probe = measures.Probe(setting=setting, effort=FULL, check=check)
    return memory.get((name, architecture.digest, setting), lambda: measures.measure(architecture, name, probe))


def _nothing() -> None:
    """In simulated time a measurement is never too late."""


def is_timed(name: str) -> bool:
    """Whether that is the name of a measure that depends on the machine."""
    return name in measures.MEASURES and measures.MEASURES.get(name).timed


def settled(
    text: str | Setting | None, goals: Sequence[Objective], space: Space, device: str, here: bool = True
) -> tuple[str, Space]:
    """How a search on lanes of this `device` times: for its record, "" where it does not, and in the limits of its space.

    here: whether the lanes are on this machine, so that what they cannot do is known. Raises `NasError` for a setting that
    cannot be read, that nothing asks for, or that the lanes cannot measure under.
    """
    wanted = [goal.name for goal in goals if is_timed(goal.name)]
    limited = [limit.measure for limit in space.limits if is_timed(limit.measure)]
    given = text if isinstance(text, Setting) else Setting.parse(text, SEARCH) if text is not None else None
    if not wanted and not limited:
        if given is not None:
            raise NasError(f"latency={given}, but nothing is timed; allowed with an objective or a limit, such as latency_ms")
        return "", space
    setting = (given or SEARCH).on(device)
    if wanted:
        check_lanes(setting, device, here)
    if limited:
        setting.here()  # limits are judged by the driver
    return str(setting), space.timed_under(setting)


def check_lanes(setting: Setting, device: str, here: bool = True) -> None:
    """Raise `NasError` where lanes on this `device` (`cpu` or `cuda`) cannot measure under the setting."""
    if setting.device.startswith("cuda") and device == "cpu":
        raise NasError(f"latency: device={setting.device}, but no worker holds a GPU; allowed: cpu, or auto, where candidates are trained")
    if here:
        setting.here()


