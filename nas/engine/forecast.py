"""What a search would come to, said before it is launched: `plan` checks and fits as `search` does, and measures a few candidates."""

from __future__ import annotations

import math
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import evaluators, strategies
from nas.engine.api import search
from nas.engine.confirm import networks
from nas.engine.devices import core_count
from nas.engine.phases import shares_weights
from nas.engine.request import Prepared, Request, prepare
from nas.errors import ArchitectureError
from nas.evaluators import Fidelity
from nas.spaces.whole import NETWORK
from nas.study.baselines import BASELINES
from nas.study.confirmation import CONFIRM, CONTROL
from nas.study.correlation import CORRELATE
from nas.study.wish import Wish

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.budget import Budget
    from nas.spaces import Space

SAMPLED = 32  # candidates of the space
MEASURING = 2.0  # seconds for each question to the evaluator
START = {"ray": 6.0, "local": 0.0}  # seconds until workers can begin: Ray and their processes start, and import torch
BESIDE = 1.5  # times what a candidate takes alone, at most, where others run beside it on cores of one machine
STRAYS = 1.3  # times what was measured, either way: machines have other work, and a search goes where it finds good networks
LOADED = 0.5  # of the cores in use by others, from which a person should know
SIGMAS = 2.0  # that an interval reaches


@dataclass(frozen=True)
class Range:
    """What is expected, and how far off it may be."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Following:
    """What follows a search: so many trainings; device seconds and wall seconds are None where nobody can tell."""

    name: str
    trainings: int | None
    device_seconds: float | None
    seconds: float | None


@dataclass(frozen=True)
class Forecast:
    """A search that was checked but not launched.

    candidate_seconds: of one on a worker, over candidates of the space (their 10% and 90% quantiles); candidates: how many
    the budget buys; limit: what ends the search; seconds, device_seconds: what it will have used then; spent: wall seconds
    that were fitted and measured for, as the search would do again; memory: bytes that a worker is expected to take on
    average, its low without a candidate and its high with the largest; phases: trials that train what candidates share.
    None: nobody can tell, and `notes` say why. simulated: seconds pass by a simulated clock.
    """

    space: str
    strategy: str
    evaluator: str
    dataset: str | None
    device: str
    workers: int
    share: float
    budget: Budget
    fidelity: Fidelity
    sampled: int
    spent: float
    candidate_seconds: Range | None = None
    candidates: Range | None = None
    limit: str = ""
    seconds: float | None = None
    device_seconds: float | None = None
    memory: Range | None = None
    phases: int = 0
    following: tuple[Following, ...] = ()
    simulated: bool = False
    notes: tuple[str, ...] = field(default=())

    def cost(self, price: float) -> dict[str, float | None]:
        """At a price a device-hour: of the search, and of what follows it; None where its device time is not known."""
        later = [each.device_seconds for each in self.following]
        known = None if None in later else sum(seconds or 0.0 for seconds in later)
        used = {"search": self.device_seconds, "following": known}
        return {name: None if seconds is None else seconds / 3600 * price for name, seconds in used.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data; limits of the budget that are none are null."""
        budget = {name: value if math.isfinite(value) else None for name, value in asdict(self.budget).items()}
        return {**asdict(self), "budget": budget, "fidelity": self.fidelity.to_dict()}


def plan(space: str | Path | Space = "nasnet-cell", **options: Any) -> Forecast:
    """What `search` with the same arguments would come to here. Writes and launches nothing; raises what `search` raises.

    The fidelity is fitted as in the search, which measures trainings; then so are a few candidates of the space at that
    fidelity, alone, for a few seconds.
    """
    return forecast(prepare(Request.of(search, space, **options)))


def forecast(prepared: Prepared) -> Forecast:
    """What a prepared search would come to."""
    return _Teller(prepared).tell()


@dataclass(frozen=True)
class Lanes:
    """Workers, the seconds that each has for candidates, and what they hold; `trials` is the limit of the budget on these."""

    workers: int
    share: float
    seconds: float
    trials: float


def bought(costs: Sequence[float], lanes: Lanes, slower: float) -> Range:
    """How many candidates of such seconds lanes can evaluate; the budget ends while each is at one more, which counts.

    slower: times a candidate's seconds, at most, for what runs beside it. The interval: by chance as a renewal process, by the
    few candidates that costs are of, and by `STRAYS`.
    """
    mean, spread = statistics.fmean(costs), statistics.pstdev(costs)
    if not math.isfinite(lanes.seconds):
        return Range(lanes.trials, lanes.trials, lanes.trials)

    def count(each: float) -> float:
        return lanes.workers * (lanes.seconds / each + 0.5) if lanes.seconds > 0 else 0.0

    usual = count(mean * math.sqrt(slower))
    relative = spread / mean if mean else 0.0
    chance = SIGMAS * relative * math.sqrt(1 / max(usual, 1.0) + 1 / len(costs))
    low, high = count(mean * slower * STRAYS) * max(0.0, 1 - chance), count(mean / STRAYS) * (1 + chance)
    return Range(*(min(lanes.trials, number) for number in (usual, low, high)))


class _Teller:
    def __init__(self, prepared: Prepared) -> None:
        self.prepared, self.judge = prepared, prepared.evaluator
        self.shares, self.budget = prepared.shares, prepared.budget
        self.simulated = evaluators.is_simulated(self.judge)
        self.spent = 0.0 if self.simulated else _since(prepared.begun)
        self.slower = BESIDE if self.shares.workers > 1 and self.shares.device == "cpu" and not self.simulated else 1.0
        self.notes: list[str] = []
        self.sample = sampled(prepared.space, prepared.request.seed)

    def tell(self) -> Forecast:
        prepared, settings = self.prepared, self.prepared.settings
        made = Forecast(
            prepared.space.name, prepared.strategy, settings.evaluator or type(self.judge).__name__, settings.dataset,
            self.shares.device, self.shares.workers, self.shares.devices, self.budget, prepared.fidelity, len(self.sample), self.spent,
            memory=self._memory(), simulated=self.simulated,
        )  # fmt: skip
        made = self._bought(made)
        if not self.simulated and self.prepared.request.address is None:
            self._look_around()
        return replace(made, following=tuple(self._following(made)), notes=tuple(self.notes))

    # ---- the search ------------------------------------------------------------------------------------------------

    def _bought(self, made: Forecast) -> Forecast:
        costs = self._costs()
        start = 0.0 if self.simulated else START.get(self.prepared.request.engine, 0.0)
        wall = self.budget.seconds - self.spent - start
        lanes = Lanes(
            self.shares.workers, self.shares.devices,
            min(wall, self.budget.device_seconds / (self.shares.workers * self.shares.devices)), self.budget.trials,
        )  # fmt: skip
        phases, phased = self._phases(lanes)
        if not costs:
            timed = math.isfinite(lanes.seconds)
            return self._ended(made, lanes, None, lanes.seconds if timed else None, start)
        lanes = replace(lanes, seconds=max(0.0, lanes.seconds - phased), trials=max(0.0, lanes.trials - phases))
        count = bought(costs, lanes, self.slower)
        each = statistics.fmean(costs) * math.sqrt(self.slower)
        by_trials = math.ceil(count.mean / lanes.workers) * each if count.mean >= lanes.trials else math.inf
        low, *_, high = statistics.quantiles(costs, n=10, method="inclusive") if len(costs) > 1 else (costs[0], costs[0])
        made = replace(made, candidate_seconds=Range(each, low, high * self.slower), candidates=count, phases=phases)
        return self._ended(made, lanes, by_trials, phased + min(by_trials, lanes.seconds), start)

    def _ended(self, made: Forecast, lanes: Lanes, by_trials: float | None, busy: float | None, start: float) -> Forecast:
        """When, and by which limit; `busy` is the seconds for which every worker works."""
        devices = lanes.workers * lanes.share
        if busy is None:
            return replace(made, limit="trials")
        trials = by_trials is not None and by_trials < lanes.seconds
        by_time = "wall time" if self.budget.seconds - self.spent - start <= self.budget.device_seconds / devices else "device time"
        return replace(
            made, limit="trials" if trials else by_time, seconds=busy + self.spent + start, device_seconds=max(0.0, busy) * devices
        )

    def _costs(self) -> list[float]:
        """Seconds of candidates alone, each at the fidelities at which the strategy looks at it; empty where nobody can tell."""
        judge, timeout = self.judge, self.prepared.request.timeout or math.inf
        if strategies.find(self.prepared.strategy).phase:
            self.notes.append(f"strategy {self.prepared.strategy} trains all networks together, for as long as the budget lasts")
            return []
        if shares_weights(judge):
            return [judge.plan.candidate_seconds]  # type: ignore[attr-defined]
        rungs: list[tuple[float, float]] = getattr(self.prepared.asked, "mix", [(1.0, 1.0)])
        total: list[float] = []
        for index, (fraction, part) in enumerate(rungs):
            fidelity = self.prepared.fidelity.part(fraction, self.prepared.settings.ladder)
            costs = self._seconds_of(self.sample, fidelity)
            if not costs:
                return []
            before = rungs[index - 1][0] / fraction if index and getattr(judge, "inherits", False) else 0.0
            costs = [min(timeout, cost * (1 - before)) * part for cost in costs]  # a promotion goes on with its training
            total = [a + b for a, b in zip(total, costs, strict=False)] if total else costs
        return total

    def _seconds_of(self, candidates: Sequence[Architecture], fidelity: Fidelity) -> list[float]:
        ask = getattr(self.judge, "seconds_of", None)
        if ask is None:
            self._note("what a candidate takes cannot be known: the evaluator does not say (it has no `seconds_of`)")
            return []
        found = [float(each) for each in ask(candidates, fidelity, self.prepared.request.seed, self.shares.device, MEASURING)]
        if not found:
            self._note("what a candidate takes cannot be known: none of those that were tried could be evaluated")
        return found

    def _phases(self, lanes: Lanes) -> tuple[int, float]:
        """Trials that train what candidates share, and the seconds that they take all in all; they run one at a time."""
        if not shares_weights(self.judge):
            return 0, 0.0
        shared: Any = self.judge.plan  # type: ignore[attr-defined]
        made, each = shared.schedule, shared.seconds
        if not made.every:
            return made.begin, made.begin * each
        turn = each + math.ceil(made.every / lanes.workers) * shared.candidate_seconds
        turns = max(1, math.ceil(min(lanes.seconds / turn, lanes.trials / (made.every + 1))))
        return turns, turns * each

    def _memory(self) -> Range | None:
        """Bytes that a worker is expected to take of its device."""
        if not hasattr(self.judge, "memory"):
            return None
        judge: Any = self.judge
        device, fidelity = self.shares.device, self.prepared.fidelity
        standing = float(judge.standing_bytes(device)) if hasattr(judge, "standing_bytes") else 0.0
        needs = [need for each in self.sample if (need := _need(judge, each, fidelity, device)) is not None]
        return Range(standing + statistics.fmean(needs), standing, standing + max(needs)) if needs else None

    # ---- what follows ----------------------------------------------------------------------------------------------

    def _following(self, made: Forecast) -> Iterator[Following]:
        settings = self.prepared.settings
        again = list(self._trainings(CONFIRM, settings.wish, len(settings.references)))
        yield from again
        yield from self._trainings(CORRELATE, settings.correlation_wish)
        if settings.baselines:
            yield self._baselines(settings.baselines)
        if settings.control:
            seconds = None if made.seconds is None else made.seconds - made.spent
            count = None if made.candidates is None or shares_weights(self.judge) else round(made.candidates.mean)
            yield Following(CONTROL, count, made.device_seconds, seconds)
            yield from (replace(each, name=f"{CONTROL}/{each.name}") for each in again)

    def _baselines(self, text: str) -> Following:
        """Of the networks that are trained as candidates are."""
        space = networks(text)
        every = [space.decode({NETWORK: name}) for name in space.choices[NETWORK]]
        costs = self._seconds_of(every, self.prepared.fidelity)
        if len(costs) < len(every):
            return Following(BASELINES, len(every), None, None)
        used = sum(costs) * math.sqrt(self.slower)
        seconds = max(used / self.shares.workers, max(costs))
        return Following(BASELINES, len(every), used * self.shares.devices, seconds)

    def _trainings(self, name: str, wish: Wish | None, references: int = 0) -> Iterator[Following]:
        """Of networks alone, at full size."""
        if wish is None:
            return
        count = wish.trainings + references * wish.seeds
        costs = self._seconds_of(self.sample[:4], Fidelity(wish.epochs, test=True))
        each = statistics.fmean(costs) * math.sqrt(self.slower) if costs else math.nan
        known = not math.isnan(each)
        seconds = math.ceil(count / self.shares.workers) * each if known else None
        yield Following(name, count, count * each * self.shares.devices if known else None, seconds)

    def _look_around(self) -> None:
        """Whether others use this machine, too. What was measured says what it takes beside them."""
        load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, core_count()
        if load - 1 > LOADED * cores:
            self._note(f"others use this machine (load {load:.1f} on {cores} cores): alone the search would be faster than this")

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


def sampled(space: Space, seed: int) -> list[Architecture]:
    """Up to `SAMPLED` candidates of the space, as random search would draw them."""
    rng, found = random.Random(f"{seed}:plan"), []
    for _ in range(SAMPLED):
        try:
            candidate = space.decode(space.sample(rng))
            candidate.cost()
        except ArchitectureError:
            continue  # it would be a failed trial that takes no time
        found.append(candidate)
    return found


def _need(judge: Any, candidate: Architecture, fidelity: Fidelity, device: str) -> float | None:
    try:
        return float(judge.memory(candidate, fidelity, device))
    except ArchitectureError:
        return None


def _since(begun: float) -> float:
    return time.monotonic() - begun
