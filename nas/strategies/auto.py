"""Which strategy suits a search; the measurements that the rule rests on are in docs/strategies.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.spaces import Space
    from nas.strategies.base import Context

MANY = 3000  # trials from which a prediction costs more than it brings


@dataclass(frozen=True, kw_only=True)
class AutoOptions:
    """What is chosen has its defaults; name a strategy to set its options."""


def choose(space: Space, context: Context) -> str:
    """The name of the strategy for a space and what is known of the search: a function of these alone.

    Several objectives: `nsga2`. Features to learn from: `predictor`. As many trials as the space has networks: `grid`. Very many trials:
    `evolution`. Otherwise `predictor`.
    """
    if context.objectives > 1:
        return "nsga2"
    if context.features is not None:
        return "predictor"
    if space.count() <= min(context.trials, MANY):
        return "grid"
    return "evolution" if MANY < context.trials < float("inf") else "predictor"
