"""A strategy with phases in between, in which what all candidates share is trained.

    phases before the first candidate       single-path one-shot, Guo et al., arXiv 1904.00420
    a phase after every so many candidates  ENAS, Pham et al., arXiv 1802.03268

The strategy within knows nothing of them: its trials are numbered as if there were no others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nas.errors import NasError
from nas.strategies.base import Lasting, Proposal, Strategy, Trial

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

SAMPLINGS = ("uniform", "fair", "policy")
PHASE = "shared"  # its name


@runtime_checkable
class Policy(Protocol):
    """A strategy with a policy that can be drawn from any number of times, networks that are known too."""

    def draw(self, number: int, rng: random.Random) -> Decisions:
        """Decisions drawn by `rng` from what trial `number` may be."""
        ...


@dataclass(frozen=True)
class Schedule:
    """When phases come, and whom they train.

    begin: phases before the first candidate; every: candidates from one later phase to the next, 0: there is none;
    children: networks a phase, for fair sampling rounded up to whole rounds; sampling: how these are drawn: `uniform`;
    `fair`, so that in each round every option of every decision comes once (strict fairness, FairNAS, arXiv 1907.01845);
    `policy`, from that of the strategy within, such as a controller. fraction: of the fidelity at which candidates are
    looked at; close: so many of the last of every `every` are looked at in full, for the best is one of those.
    What the evaluator reads of it: updates of the shared weights a phase; group: networks an update; period: updates in
    the first period of a learning rate with restarts, 0: it falls once, over all phases before the first candidate.
    """

    begin: int = 1
    every: int = 0
    children: int = 1
    sampling: str = "uniform"
    fraction: float = 1.0
    close: int = 0
    updates: int = 1
    group: int = 1
    period: int = 0

    def __post_init__(self) -> None:
        for name in ("begin", "every", "children", "close", "updates", "group", "period"):
            least, value = int(name in ("children", "updates", "group")), getattr(self, name)
            if type(value) is not int or value < least:
                raise NasError(f"schedule.{name}={value!r}; allowed: a whole number from {least}")
        if self.sampling not in SAMPLINGS:
            raise NasError(f"schedule.sampling={self.sampling!r}; allowed: {', '.join(SAMPLINGS)}")
        if isinstance(self.fraction, bool) or not isinstance(self.fraction, int | float) or not 0 < self.fraction <= 1:
            raise NasError(f"schedule.fraction={self.fraction!r}; allowed: a fraction in (0, 1]")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schedule:
        """From plain values. Raises `NasError` on an unknown name or a value that is not allowed."""
        known = [item.name for item in fields(cls)]
        for name in data:
            if name not in known:
                raise NasError(f"schedule.{name} is unknown; allowed: {', '.join(known)}")
        return cls(**data)

    def is_phase(self, number: int) -> bool:
        """Whether trial `number` is a phase."""
        return number < self.begin or (self.every > 0 and (number - self.begin) % (self.every + 1) == self.every)

    def candidate(self, number: int) -> int:
        """How many candidates come before trial `number`: the number that the strategy within knows it by."""
        after = max(0, number - self.begin)
        return after - after // (self.every + 1) if self.every else after

    def number(self, candidate: int) -> int:
        """The number of the trial that is this candidate: the inverse of `candidate`."""
        return self.begin + candidate + (candidate // self.every if self.every else 0)

    def part(self, candidate: int) -> float:
        """The fraction of the fidelity at which this candidate is looked at."""
        return 1.0 if self.every and candidate % self.every >= self.every - self.close else self.fraction


class Phased:
    """`inner` with the phases of a schedule in between. `policy` is what policy sampling draws from.

    Raises `NasError` where that is asked for and there is none.
    """

    def __init__(self, inner: Strategy, space: Space, seed: int, schedule: Schedule, policy: object = None) -> None:
        self._policy = policy if isinstance(policy, Policy) else None
        if schedule.sampling == "policy" and self._policy is None:
            raise NasError("sampling=policy needs a strategy that learns a policy, such as rl; allowed with others: uniform, fair")
        self._inner, self._space, self._seed, self._schedule = inner, space, seed, schedule
        self._told = 0
        self._phase: tuple[tuple[int, int], Proposal] | None = None  # the last that was asked for, while nothing new is told

    def ask(self, number: int) -> Proposal:
        """A phase where one is due, else what the strategy within asks for."""
        schedule = self._schedule
        if schedule.is_phase(number):
            return self._asked(number)
        candidate = schedule.candidate(number)
        made = self._inner.ask(candidate)
        parent = None if made.parent is None else schedule.number(made.parent)
        return replace(made, parent=parent, fraction=made.fraction * schedule.part(candidate))

    def tell(self, trial: Trial) -> None:
        """What is no phase is told to the strategy within, under the number that this knows it by."""
        self._told += 1
        for each in self._within([trial]):
            self._inner.tell(each)

    def _within(self, told: Iterable[Trial]) -> Iterator[Trial]:
        """Those that are no phases, as the strategy within knows them."""
        schedule = self._schedule
        for trial in told:
            if trial.phase is None and not schedule.is_phase(trial.number):
                candidate = schedule.candidate(trial.number)
                yield replace(trial, number=candidate, fraction=min(1.0, trial.fraction / schedule.part(candidate)))

    def snapshot(self) -> dict[str, Any] | None:
        """That of the strategy within: when phases come follows from numbers alone."""
        return self._inner.snapshot() if isinstance(self._inner, Lasting) else None

    def restore(self, snapshot: Mapping[str, Any], told: Sequence[Trial]) -> None:
        """Handed to the strategy within."""
        if not isinstance(self._inner, Lasting):
            raise TypeError("the strategy keeps no state")
        self._told += len(told)
        self._inner.restore(snapshot, list(self._within(told)))

    def _asked(self, number: int) -> Proposal:
        """A phase is asked for again and again until nothing else runs; its children are drawn once."""
        key = (number, self._told)
        if self._phase is None or self._phase[0] != key:
            children = tuple(self._children(number))
            self._phase = key, Proposal(children[0], how=self._schedule.sampling, phase=PHASE, children=children)
        made = self._phase[1]
        return replace(made, decisions=dict(made.decisions), children=tuple(map(dict, made.children)))

    def _children(self, number: int) -> Iterator[Decisions]:
        rng, count = random.Random(f"{self._seed}:phase:{number}"), self._schedule.children
        candidate = self._schedule.candidate(number)  # the one that comes next
        space = self._space.at(candidate)
        if self._schedule.sampling == "fair":
            return fair(space, count, rng)
        policy = self._policy if self._schedule.sampling == "policy" else None
        return (space.sample(rng) if policy is None else policy.draw(candidate, rng) for _ in range(count))


def rounds(space: Space) -> int:
    """Networks in a round of fair sampling: the most options that a decision of `space` has."""
    return max([len(options) for options in space.choices.values()], default=1)


def fair(space: Space, count: int, rng: random.Random) -> Iterator[Decisions]:
    """At least `count` networks in whole rounds; within one every option of every decision comes equally often.

    FairNAS, arXiv 1907.01845, algorithm 1, where all decisions have equally many options. One that has fewer than another
    goes through its own several times, in a new order each, so that no option is ahead of another by more than one. A
    decision that only some networks meet is fair among these as far as the round goes; limits of the space come first.
    """
    size = rounds(space)
    for _ in range(-(-count // size)):
        orders: dict[str, list[Option]] = {}
        for place in range(size):
            yield space.fitted(space.record(_Turn(orders, place, size, rng)), rng)


class _Turn:
    """The network at one place of a round: each decision's options in an order drawn once for the round."""

    def __init__(self, orders: dict[str, list[Option]], place: int, size: int, rng: random.Random) -> None:
        self._orders, self._place, self._size, self._rng = orders, place, size, rng

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        if name not in self._orders:
            order: list[Option] = []
            while len(order) < self._size:
                order += self._rng.sample(options, len(options))
            self._orders[name] = order
        return self._orders[name][self._place]
