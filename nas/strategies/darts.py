"""Differentiable search: phases that train all networks of a space at once, then the network that each search comes to.

The phases themselves are a program of the evaluator (`nas.evaluators.differentiable`); here is only what comes when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import NasError
from nas.strategies.base import Context, Proposal, Trial, generator
from nas.strategies.options import option

if TYPE_CHECKING:
    from nas.spaces import Space

PHASE = "darts"
PARTS = 10  # phases that a short search is cut into; one of more epochs has a phase for each


@dataclass(frozen=True, kw_only=True)
class DartsOptions:
    """Of a search for scores; defaults are those of arXiv 1806.09055, section 3.1.1, but for the share."""

    epochs: int = option(50, 1, 100_000, "of all networks at once, over half of the images each; fewer where the share ends before")
    share: float = option(0.4, 0.01, 0.95, "of the time that is left at first, which the first search may take; later ones are no longer")
    rate: float = option(3e-4, 1e-6, 1.0, "learning rate of the scores")


class Darts:
    """Phases until one has found networks; those are the next candidates; then phases again, of a search by another seed.

    (The paper runs four searches and takes the best of their networks, section 3.2.) A network beyond the limits of the
    space is changed until it is within.
    """

    def __init__(self, space: Space, seed: int, options: DartsOptions, context: Context) -> None:
        if context.trials <= (least := max(options.epochs, PARTS)):
            fewer = f", or fewer epochs: darts(epochs={PARTS})" if least > PARTS else ""
            raise NasError(
                f"strategy darts has up to {least} phases, a trial each, before its first network, and the budget has "
                f"{context.trials:g} trials; allowed: more than {least} trials, a budget of time{fewer}"
            )
        self._space, self._seed = space, seed
        self._found: dict[int, Trial] = {}  # by the number of the candidate: the phase that came to it

    def ask(self, number: int) -> Proposal:
        """A network that was found by the phase just before, else a phase, whose own network stands for all."""
        phase = self._found.get(number)
        rng = generator(self._seed, number)
        if phase is None:
            return Proposal(self._space.at(number).sample(rng), how=PHASE, phase=PHASE)
        found = self._space.ordered(phase.found[number - phase.number - 1])
        decisions = found if self._space.fits(found) else self._space.fitted(found, rng)
        return Proposal(decisions, parent=phase.number, how="derived")

    def tell(self, trial: Trial) -> None:
        """Note what a phase has found: phases run alone, so the numbers that follow are its networks'."""
        if trial.phase == PHASE:
            for place in range(len(trial.found)):
                self._found.setdefault(trial.number + 1 + place, trial)
