"""NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002, IEEE Trans. Evol. Comp. 6(2)) on the decisions of any space.

In its steady-state form (Nebro & Durillo 2009): every finished trial is a generation of one, so that no worker ever
waits for a generation to end.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from nas.strategies.base import Context, Proposal, Record, Trial, generator
from nas.strategies.dominance import contest, standing
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space


@dataclass(frozen=True, kw_only=True)
class NSGA2Options:
    """The paper's are 100, 2, 0.9 and one in the number of variables, for 25,000 evaluations of a formula.

    The defaults had about the largest hypervolume at 50 to 300 trials on three made-up spaces of two objectives, among
    populations of 10 to 40 and tournaments of 2 to 8; a population of 10 is ahead at 50 trials, and has room for
    little of a front of three objectives.
    """

    population: int = option(20, 2, inf, "how many survive")
    sample: int = option(8, 1, inf, "how many of them compete to be a parent (2 in the paper)")
    crossover: float = option(0.5, 0.0, 1.0, "probability that a child has two parents (0.9 in the paper)")
    mutation: float = option(0.5, 0.0, 1.0, "probability that a child of two parents is mutated as well")
    tries: int = option(10, 1, inf, "children made to find one that was not evaluated before")


class NSGA2:
    """Random until the population is full, then children of tournament winners.

    The population is what survived of all that was told, in that order: whoever finishes joins, and the last by rank,
    of those the one with the least room, drops out. A failed trial joins no population; it only counts as known.
    """

    breeds = True

    def __init__(self, space: Space, seed: int, options: NSGA2Options, context: Context) -> None:
        self._space, self._seed, self._options = space, seed, options
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._record = Record()
        self._alive: list[Trial] = []  # in the order of their telling
        self._standing: list[tuple[int, float]] | None = None  # of each, smaller for better; None until it is needed

    def ask(self, number: int) -> Proposal:
        """A random sample while fewer than `population` trials have succeeded, then a child of one or two parents."""
        rng, space = generator(self._seed, number), self._space.at(number)
        if len(self._alive) < self._options.population:
            return Proposal(space.sample(rng))
        children = [self._child(space, rng)]
        while self._record.known(children[-1].decisions) and len(children) < self._options.tries:
            children.append(self._child(space, rng))
        return children[-1]

    def tell(self, trial: Trial) -> None:
        """The trial joins the population if it succeeded. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if not self._record.add(trial) or trial.value is None:
            return
        self._alive.append(Trial(trial.number, decisions, trial.value, trial.values))
        if len(self._alive) > self._options.population:
            places = standing([each.values for each in self._alive])
            del self._alive[places.index(max(places))]  # of equal ones the oldest
        self._standing = None

    def _child(self, space: Space, rng: random.Random) -> Proposal:
        first, second = self._winner(rng), self._winner(rng)
        if self._fixed:
            return Proposal(dict(first.decisions), first.number, "copy")
        if first is not second and rng.random() < self._options.crossover:
            made = space.record(Crossing(first.decisions, second.decisions, rng))
            how = f"crossover with {second.number}"
            if made not in (first.decisions, second.decisions):
                if rng.random() >= self._options.mutation:
                    return Proposal(space.fitted(made, rng), first.number, how)
                return Proposal(space.mutate(made, rng), first.number, f"{how}, mutation")
        return Proposal(space.mutate(first.decisions, rng), first.number, "mutation")

    def _winner(self, rng: random.Random) -> Trial:
        """The best of `sample` that are drawn, by rank and then by room (the crowded comparison of section III.B)."""
        if self._standing is None:
            self._standing = standing([each.values for each in self._alive])
        return contest(self._alive, self._standing, self._options.sample, rng)


class Crossing:
    """Each decision from one of two parents, where it is an option; else from the other, else drawn."""

    def __init__(self, first: Decisions, second: Decisions, rng: random.Random) -> None:
        from nas.spaces.choosers import RandomChooser, Replay

        drawn = RandomChooser(rng)
        self._rng = rng
        self._parents = (Replay(first, Replay(second, drawn)), Replay(second, Replay(first, drawn)))

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """What a parent that is drawn says."""
        return self._parents[self._rng.random() < 0.5].choose(name, options)
