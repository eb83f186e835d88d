"""Random search: the yardstick that every other strategy is measured against (Li & Talwalkar, arXiv 1902.07638)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.strategies.base import Context, Proposal, Trial, generator

if TYPE_CHECKING:
    from nas.spaces import Space


@dataclass(frozen=True, kw_only=True)
class RandomOptions:
    """Random search has no options."""


class RandomSearch:
    """Independent samples of the space; it learns nothing from what it is told."""

    def __init__(self, space: Space, seed: int, options: RandomOptions, context: Context) -> None:
        self._space, self._seed = space, seed

    def ask(self, number: int) -> Proposal:
        """A sample that depends on the seed and `number` alone."""
        return Proposal(self._space.at(number).sample(generator(self._seed, number)))

    def tell(self, trial: Trial) -> None:
        """Nothing to learn."""
