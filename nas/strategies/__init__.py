"""Search strategies: ask/tell over the decisions of any space. No clock, no files, no workers.

    strategy = nas.strategies.create("evolution", space, seed=0)
    proposal = strategy.ask(0)
    strategy.tell(Trial(0, proposal.decisions, value=0.91))      # larger is better

A restart is `create` and then `tell` of the history; the next ask is the one that would have come without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import NasError
from nas.registry import Registry
from nas.strategies import auto
from nas.strategies.base import Context, Proposal, Strategy, Trial
from nas.strategies.evolution import Evolution, EvolutionOptions
from nas.strategies.grid import Grid, GridOptions
from nas.strategies.local import LocalOptions, LocalSearch
from nas.strategies.options import build
from nas.strategies.predictor import Predictor, PredictorOptions
from nas.strategies.random_search import RandomOptions, RandomSearch
from nas.strategies.rl import PPOOptions, ReinforceOptions, ppo, reinforce

if TYPE_CHECKING:
    from nas.spaces import Space

__all__ = ["STRATEGIES", "Context", "Entry", "Proposal", "Strategy", "Trial", "create", "names"]


@dataclass(frozen=True)
class Entry:
    """A registered strategy: `make(space, seed, options, context)`, the dataclass of its options, and whether it takes
    several objectives.
    """

    make: Callable[[Space, int, Any, Context], Strategy]
    options: type
    several: bool = False


STRATEGIES: Registry[Entry] = Registry("strategy")
STRATEGIES.add("random", Entry(RandomSearch, RandomOptions, several=True))
STRATEGIES.add("evolution", Entry(Evolution, EvolutionOptions))
STRATEGIES.add("local", Entry(LocalSearch, LocalOptions))
STRATEGIES.add("grid", Entry(Grid, GridOptions, several=True))
STRATEGIES.add("predictor", Entry(Predictor, PredictorOptions))
STRATEGIES.add("rl", Entry(ppo, PPOOptions))
STRATEGIES.add("rl:ppo", STRATEGIES.get("rl"))
STRATEGIES.add("rl:reinforce", Entry(reinforce, ReinforceOptions))


def _auto(space: Space, seed: int, options: auto.AutoOptions, context: Context) -> Strategy:
    return create(auto.choose(space, context), space, seed, context)


STRATEGIES.add("auto", Entry(_auto, auto.AutoOptions, several=True))


def names() -> tuple[str, ...]:
    """Names of all strategies."""
    return STRATEGIES.names()


def create(name: str, space: Space, seed: int, context: Context | None = None, **options: object) -> Strategy:
    """The strategy called `name` over `space`.

    Raises `UnknownNameError` for an unknown name, `NasError` for an unknown option, a value out of its bounds, or more
    objectives than the strategy takes.
    """
    entry, context = STRATEGIES.get(name), context or Context()
    if context.objectives > 1 and not entry.several:
        able = ", ".join(other for other, each in STRATEGIES.items() if each.several)
        raise NasError(f"strategy {name} takes one objective, not {context.objectives}; allowed: {able}")
    return entry.make(space, seed, build(entry.options, options, where=f"strategy {name}"), context)
