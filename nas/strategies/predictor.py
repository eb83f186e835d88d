"""Search by prediction: train next what a model of all trials so far expects most of.

After BANANAS (White et al., arXiv 1910.11858): an ensemble predicts candidates from their paths, and mutations of the
best are proposed. Unlike there its members are Gaussian processes, which learn from a few dozen trials and say how sure
they are, and which see decisions, operations and sub-graphs beside paths; which of them matter is learnt.
"""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from heapq import nlargest
from math import inf
from typing import TYPE_CHECKING

from nas.strategies.base import Context, Proposal, Trial, finite, generator
from nas.strategies.encoding import Code, Encoder
from nas.strategies.flight import Flights
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Decisions, Space
    from nas.strategies.surrogate import Process, Setting, Table

BEST, LATEST = 250, 750  # trials that are learnt from, once there are more: the best of all and the latest
SCALES_FROM = 300  # of these the scales of the kernel are learnt from so many
GROWTH = 1.2  # the scales are learnt anew when there are so many times the trials
SLACK = 250  # beyond so many trials the model is not made anew after each of them
CLIMBS, STARTS = 2, 5  # rounds in which so many of the best candidates are changed further
COSTLY = 15  # decisions above which making candidates takes longer than predicting them: fewer are made


@dataclass(frozen=True, kw_only=True)
class PredictorOptions:
    """Chosen on made-up landscapes, see docs/strategies.md."""

    warmup: int = option(10, 2, inf, "random trials that succeed before the first prediction")
    pool: int = option(100, 1, inf, "candidates made for an ask; fewer where there are many decisions")
    parents: int = option(10, 1, inf, "how many of the best trials are mutated into candidates")
    explore: float = option(0.5, 0.0, 100.0, "how many standard deviations are added to a prediction")
    members: int = option(4, 1, 100, "models in the ensemble")
    same: int = option(1, 0, 1, "1: networks that compute the same are not tried twice; 0: only equal decisions count as tried")
    tries: int = option(20, 1, inf, "samples drawn to find one that was not tried before")


@dataclass(frozen=True)
class Seen:
    """A trial, or a candidate with the number of its parent (-1: a sample); its code and features."""

    trial: Trial
    code: Code
    features: tuple[float, ...]


class Predictor:
    """Random trials first, then of candidates made from the best trials the one of which the model expects most.

    A failed trial counts as the worst. Several workers: candidates and what is expected of them depend on what was told
    alone, and where n trials are under way the (n + 1)-th best is asked for. Fits are kept between asks, yet only as a
    cache: each is a function of the first so many told trials.
    """

    breeds = True

    def __init__(self, space: Space, seed: int, options: PredictorOptions, context: Context) -> None:
        self._space, self._seed, self._options, self._features = space, seed, options, context.features
        self._flights, self._encoder = Flights(), Encoder(space, bool(options.same))
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._pool = max(options.pool // 4, options.pool * COSTLY // max(COSTLY, len(space.choices)))
        self._told: list[Seen] = []
        self._tried: set[Hashable] = set()
        self._best: list[tuple[float, int, Seen]] = []  # of the successful, the best first, of equals the earlier
        self._made: tuple[int, Space, list[tuple[float, Seen]]] | None = None  # what was ranked after so many trials
        self._process: tuple[int, Process] | None = None  # of the first so many trials
        self._settings: tuple[int, list[Setting]] | None = None

    def ask(self, number: int) -> Proposal:
        """A sample while fewer than `warmup` trials have succeeded, then the candidate that is expected most of."""
        rng, space = generator(self._seed, number), self._space.at(number)
        ranked = [] if self._fixed or len(self._best) < self._options.warmup else self._candidates(space)
        if not ranked:
            samples = [space.sample(rng)]
            while self._is_tried(samples[-1]) and len(samples) < self._options.tries:
                samples.append(space.sample(rng))
            return Proposal(samples[-1])
        chosen = ranked[min(self._flights.ahead(number), len(ranked) - 1)][1].trial
        return Proposal(dict(chosen.decisions), chosen.number if chosen.number >= 0 else None, "prediction")

    def tell(self, trial: Trial) -> None:
        """Take a trial; the model is made at the next ask. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if not self._flights.land(trial):
            return
        seen = self._seen(Trial(trial.number, decisions, trial.value))
        self._told.append(seen)
        self._tried.add(seen.code.identity)
        if trial.value is not None:
            insort(self._best, (-trial.value, len(self._told), seen))
            del self._best[BEST:]

    def _seen(self, trial: Trial) -> Seen:
        features = self._features(trial.decisions) if self._features else ()
        return Seen(trial, self._encoder.of(trial.decisions), tuple(finite(each) or 0.0 for each in features))

    def _is_tried(self, decisions: Decisions) -> bool:
        return self._encoder.of(decisions).identity in self._tried

    def _candidates(self, space: Space) -> list[tuple[float, Seen]]:
        count = len(self._told)
        if self._made is None or self._made[0] != count or self._made[1] is not space:
            self._made = (count, space, self._ranked(space, random.Random(f"{self._seed}:after:{count}")))
        return self._made[2]

    def _ranked(self, space: Space, rng: random.Random) -> list[tuple[float, Seen]]:
        """New candidates with what is expected of them, the most first; empty where none was found."""
        process, found = self._fitted(), set(self._tried)
        parents = [seen for _, _, seen in self._best[: self._options.parents]]

        def child() -> tuple[int, Decisions]:
            if rng.random() < 0.125:
                return -1, space.sample(rng)
            parent = parents[int(len(parents) * rng.random() ** 2)].trial  # the better the likelier
            decisions = parent.decisions
            for _ in range(rng.choices((1, 2, 3), (4, 3, 1))[0]):
                decisions = space.mutate(decisions, rng)
            return parent.number, decisions

        each = max(1, self._pool // (3 * STARTS))
        made = [child() for _ in range(self._pool)]
        ranked = self._expected(process, made, found)
        for _ in range(CLIMBS):
            starts = [seen.trial for _, seen in ranked[:STARTS]]
            made = [(start.number, space.mutate(start.decisions, rng)) for start in starts for _ in range(each)]
            ranked = sorted(ranked + self._expected(process, made, found), key=lambda pair: -pair[0])
        return ranked

    def _expected(self, process: Process, made: Iterable[tuple[int, Decisions]], found: set[Hashable]) -> list[tuple[float, Seen]]:
        """Those candidates that are not `found` yet, most promising first; they are added to what is found."""
        new: list[Seen] = []
        for parent, decisions in made:
            identity = self._encoder.of(decisions).identity
            if identity not in found:
                found.add(identity)
                new.append(self._seen(Trial(parent, decisions, None)))
        if not new:
            return []
        # Rounded, so that what is equal but for the order of sums is equal, on any machine.
        scores = process.hope(_table(new), self._options.explore).round(9).tolist()
        return sorted(zip(scores, new, strict=True), key=lambda pair: -pair[0])

    def _fitted(self) -> Process:
        """The model of what was told."""
        from nas.strategies.surrogate import Distances, Process, targets

        every = max(1, len(self._told) // SLACK)
        count = len(self._told) // every * every
        if self._process is None or self._process[0] != count:
            told = self._learnt(count)
            distances = Distances(_table(told), self._encoder.groups)
            self._process = (count, Process(distances, targets([seen.trial.value for seen in told]), self._scales(count)))
        return self._process[1]

    def _scales(self, count: int) -> list[Setting]:
        """Settings of the kernel, learnt from the first trials, as many as were told when they were learnt last."""
        import numpy

        from nas.strategies.surrogate import Distances, likely, targets

        step = 2
        while int(step * GROWTH) + 1 <= count:
            step = int(step * GROWTH) + 1
        if self._settings is None or self._settings[0] != step:
            told = self._learnt(step)[-SCALES_FROM:]
            distances, values = Distances(_table(told), self._encoder.groups), targets([seen.trial.value for seen in told])
            found = likely(distances.own, values, numpy.random.default_rng([self._seed, step]))
            self._settings = (step, found[: self._options.members])
        return self._settings[1]

    def _learnt(self, count: int) -> list[Seen]:
        """Of the first `count` trials those that are learnt from, in the order told."""
        if count <= BEST + LATEST:
            return self._told[:count]
        early = range(count - LATEST)
        best = nlargest(BEST, early, key=lambda i: -inf if (value := self._told[i].trial.value) is None else value)
        return [self._told[i] for i in sorted(best)] + self._told[count - LATEST : count]


def _table(seen: list[Seen]) -> Table:
    import numpy

    from nas.strategies.surrogate import Table

    features = numpy.array([each.features for each in seen], dtype=numpy.float64).reshape(len(seen), -1)
    return Table(numpy.stack([each.code.row for each in seen]), features)
