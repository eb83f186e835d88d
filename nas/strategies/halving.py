"""Multi-fidelity search around any strategy: many candidates are looked at briefly, the best of them more closely.

Asynchronous successive halving (ASHA), Li et al., arXiv 1810.05934; Hyperband, Li et al., arXiv 1603.06560.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nas.strategies.base import PROMOTION, Key, Proposal, Strategy, Trial, key
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Space

RECENT = 100  # trials that show how many run at once
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class HalvingOptions:
    """Of asha and hyperband; the options of the strategy within are given beside them."""

    eta: int = option(3, 2, 1000, "of so many candidates one is promoted, to so many times the fidelity (4 in arXiv 1810.05934)")
    least: float = option(1 / 9, 1e-6, 1.0, "least fraction of the full fidelity")


class Rung:
    """Finished trials of one fidelity, of which one in `eta` becomes due to be promoted, the best first."""

    def __init__(self, eta: int) -> None:
        self._eta, self._count, self._due = eta, 0, 0
        self.known: set[Key] = set()  # failed ones too
        self._waiting: list[tuple[float, int, Trial]] = []  # neither promoted nor due, the best last

    def add(self, trial: Trial) -> Trial | None:
        """Take a trial; the one that is due to be promoted for it, if any."""
        name = key(trial.decisions)
        if trial.value is not None:
            self._count += 1
            if name not in self.known:
                bisect.insort(self._waiting, (trial.value, -trial.number, trial))
        self.known.add(name)
        if self._due >= self._count // self._eta or not self._waiting:
            return None
        self._due += 1
        return self._waiting.pop()[2]


class Halving:
    """Candidates start at a low rung; of `eta` that finished on a rung, the best not yet promoted is, `eta` times higher.

    So it is a delayed form of ASHA: never more than one in `eta` of a rung is promoted, which keeps the cost that of
    successive halving when a good strategy makes every new candidate the best so far.

    What is in flight is not told, and yet no network is promoted twice: a promotion that is due is given a number, the
    next that will be asked for as far as that can be seen, and nobody but the ask of that number proposes it. If the
    number is told as something else, for it was on its way already, the promotion is given another.

    The strategy within sees the trials of one fidelity, that of the rung for which it proposes, as values of different
    ones cannot be compared: there is one of it for each rung where candidates start. A network that came from
    elsewhere, at a fidelity above that rung, is told with the value that it has.
    """

    def __init__(self, space: Space, inner: Callable[[], Strategy], options: HalvingOptions, shares: Sequence[float]) -> None:
        """shares: of the candidates, the part that starts at each rung, the lowest first; they sum to 1."""
        self._space, self._eta = space, options.eta
        self._fractions = fractions(options)
        self._rungs = [Rung(options.eta) for _ in self._fractions]
        self._inner = {rung: inner() for rung, share in enumerate(shares) if share > 0}
        self._shares = shares
        self.breeds = any(getattr(each, "breeds", False) for each in self._inner.values())
        flow = list(shares)
        for rung in range(1, len(flow)):
            flow[rung] += flow[rung - 1] / self._eta
        self.mix = [(fraction, part / sum(flow)) for fraction, part in zip(self._fractions, flow, strict=True)]  # of trials at each rung
        self._due: dict[int, tuple[Trial, int]] = {}  # by number: what is to be promoted, and the rung it is to reach
        self._told: set[int] = set()
        self._ahead: deque[int] = deque([1], RECENT)  # how many trials ran when some were told, at least

    def ask(self, number: int) -> Proposal:
        """The promotion that was given this number, else a new candidate of the strategy within."""
        if number in self._due:
            trial, rung = self._due[number]
            return Proposal(dict(trial.decisions), trial.number, PROMOTION, self._fractions[rung])
        rung = self._start(number)
        return replace(self._inner[rung].ask(number), fraction=self._fractions[rung])

    def tell(self, trial: Trial) -> None:
        """The trial joins its rung, and may make another due. Raises `SpaceError` for decisions of another space."""
        trial = replace(trial, decisions=self._space.ordered(trial.decisions))
        if trial.number in self._told:
            return
        self._ahead.append(trial.number + 1 - len(self._told))
        self._told.add(trial.number)
        rung = max((i for i, fraction in enumerate(self._fractions) if fraction <= trial.fraction * (1 + 1e-9)), default=0)
        self._tell_inner(trial, rung)
        due = self._rungs[rung].add(trial)
        for promotion in (self._due.pop(trial.number, None), (due, rung + 1) if due else None):
            self._promote(promotion)

    def _promote(self, promotion: tuple[Trial, int] | None) -> None:
        """Give a promotion a number, unless it has reached its rung or there is none above."""
        if promotion is None or promotion[1] == len(self._rungs) or key(promotion[0].decisions) in self._rungs[promotion[1]].known:
            return
        number = len(self._told) - 1 + max(self._ahead)
        while number in self._due or number in self._told:
            number += 1
        self._due[number] = promotion

    def _tell_inner(self, trial: Trial, rung: int) -> None:
        start = self._start(trial.number)
        foreign = rung > start and key(trial.decisions) not in self._rungs[rung - 1].known
        for each in {rung, start} if foreign else {rung}:
            if each in self._inner:
                self._inner[each].tell(trial)

    def _start(self, number: int) -> int:
        """The rung at which a new candidate of this number starts: by a sequence that keeps the shares at any length."""
        place, rung = number * GOLDEN % 1.0, 0
        while rung < len(self._shares) - 1 and place >= self._shares[rung]:
            place, rung = place - self._shares[rung], rung + 1
        return rung


def fractions(options: HalvingOptions) -> list[float]:
    """Fractions of the full fidelity, the lowest first: 1, 1/eta, 1/eta^2, ... as far as they are not below `least`."""
    steps = [1.0]
    while (lower := float(options.eta) ** -len(steps)) >= options.least * (1 - 1e-9):
        steps.insert(0, lower)
    return steps


def asha(space: Space, inner: Callable[[], Strategy], options: HalvingOptions) -> Halving:
    """All candidates start at the lowest rung."""
    return Halving(space, inner, options, [1.0] + [0.0] * (len(fractions(options)) - 1))


def hyperband(space: Space, inner: Callable[[], Strategy], options: HalvingOptions) -> Halving:
    """Brackets that start at different rungs and cost the same: in proportion to eta^s / (s + 1), s rungs below the top.

    (arXiv 1603.06560, Algorithm 1, line 4, in an asynchronous form: the brackets run side by side and share their rungs.)
    """
    weights = [options.eta**below / (below + 1) for below in reversed(range(len(fractions(options))))]
    return Halving(space, inner, options, [weight / sum(weights) for weight in weights])
