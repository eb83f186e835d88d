"""First-improvement local search with restarts (White et al., arXiv 2005.02960, there over whole neighbourhoods)."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.spaces import RandomChooser, Replay
from nas.strategies.base import Context, Proposal, Trial, generator
from nas.strategies.encoding import Identities
from nas.strategies.flight import Flights
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Decisions, Space


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """Chosen on made-up landscapes, see docs/strategies.md."""

    starts: int = option(10, 1, inf, "samples of which the best is where the first climb starts")
    same: int = option(1, 0, 1, "1: networks that compute the same are not tried twice; 0: only equal decisions count as tried")
    tries: int = option(20, 1, inf, "samples drawn to find a new start that was not tried before")


class LocalSearch:
    """From a start its neighbours, which differ in one decision, are tried in a random order; the first that is better
    is where the search goes on. Where none is left, a random sample is the next start.

    Several workers: a neighbour in flight is followed by the next in the order, and where all are in flight by samples,
    the best of which is the next start. Told trials count as tried, whoever proposed them, and a better one is moved to.
    """

    breeds = True

    def __init__(self, space: Space, seed: int, options: LocalOptions, context: Context) -> None:
        self._space, self._seed, self._options = space, seed, options
        self._flights, self._identities = Flights(), Identities(space, bool(options.same))
        self._tried: set[Hashable] = set()
        self._at: Trial | None = None
        self._next: Trial | None = None  # a start that was told while the climb before it goes on
        self._order: Neighbours | None = None

    def ask(self, number: int) -> Proposal:
        """The next untried neighbour of where the search stands, or a start."""
        space = self._space.at(number)
        if self._at is None or self._flights.told < self._options.starts:
            return Proposal(space.sample(generator(self._seed, number)))
        found = self._neighbours(self._at, space).untried(self._is_tried, self._flights.ahead(number))
        if found is not None:
            return Proposal(dict(found), self._at.number, "neighbour")
        samples = self._samples(number)
        return Proposal(next((sample for sample in samples if not self._is_tried(sample)), samples[-1]))

    def tell(self, trial: Trial) -> None:
        """Move if the trial is better. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if not self._flights.land(trial):
            return
        self._tried.add(self._identities.of(decisions))
        trial = Trial(trial.number, decisions, trial.value)
        if trial.value is not None:
            if self._at is None or trial.value > _value(self._at):
                self._at, self._next = trial, None
            elif _value(self._next) < trial.value and self._climbs() and decisions in self._samples(trial.number):
                self._next = trial
        if self._next is not None and self._at is not None and self._ended(self._at, trial.number):
            self._at, self._next = self._next, None

    def _climbs(self) -> bool:
        return self._flights.told > self._options.starts

    def _ended(self, at: Trial, number: int) -> bool:
        return self._neighbours(at, self._space.at(number)).untried(self._is_tried, 0) is None

    def _is_tried(self, decisions: Decisions) -> bool:
        return self._identities.of(decisions) in self._tried

    def _samples(self, number: int) -> list[Decisions]:
        """What trial `number` may be as a start: the first that was not tried."""
        rng, space = generator(self._seed, number), self._space.at(number)
        return [space.sample(rng) for _ in range(self._options.tries)]

    def _neighbours(self, at: Trial, space: Space) -> Neighbours:
        if self._order is None or self._order.at is not at or self._order.space is not space:
            self._order = Neighbours(at, space, generator(self._seed, at.number))
        return self._order


def _value(trial: Trial | None) -> float:
    return -inf if trial is None or trial.value is None else trial.value


class Neighbours:
    """What differs from a trial in one decision and lies within the limits, in a random order; made as far as needed.

    Decisions that only the change leads to are made at random.
    """

    def __init__(self, at: Trial, space: Space, rng: random.Random) -> None:
        self.at, self.space, self._rng = at, space, rng
        self._changes = [(name, other) for name, now in at.decisions.items() for other in space.choices.get(name, ()) if other != now]
        rng.shuffle(self._changes)
        self._made: list[Decisions] = []
        self._first = 0  # those before it were tried

    def untried(self, tried: Callable[[Decisions], bool], skip: int) -> Decisions | None:
        """The untried neighbour after the first `skip` untried ones; None where there are no more."""
        index, left = self._first, skip
        while (neighbour := self._get(index)) is not None:
            if tried(neighbour):
                self._first += index == self._first
            elif left == 0:
                return neighbour
            else:
                left -= 1
            index += 1
        return None

    def _get(self, index: int) -> Decisions | None:
        while len(self._made) <= index and self._changes:
            name, option = self._changes.pop()
            chooser = Replay({**self.at.decisions, name: option}, RandomChooser(self._rng))
            made = self.space.record(chooser)
            if made != self.at.decisions and self.space.fits(made):
                self._made.append(made)
        return self._made[index] if index < len(self._made) else None
