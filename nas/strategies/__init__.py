"""Search strategies: ask/tell over the decisions of any space. No clock, no files, no workers.

    strategy = nas.strategies.create("evolution", space, seed=0)
    proposal = strategy.ask(0)
    strategy.tell(Trial(0, proposal.decisions, value=0.91))      # larger is better

A restart is `create` and then `tell` of the history; the next ask is the one that would have come without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import NasError, unknown
from nas.registry import Registry
from nas.strategies import auto, optuna_samplers
from nas.strategies.base import PROMOTION, Context, Proposal, Strategy, Trial
from nas.strategies.darts import Darts, DartsOptions
from nas.strategies.evolution import Evolution, EvolutionOptions
from nas.strategies.grid import Grid, GridOptions
from nas.strategies.halving import HalvingOptions, asha, hyperband
from nas.strategies.local import LocalOptions, LocalSearch
from nas.strategies.nsga2 import NSGA2, NSGA2Options
from nas.strategies.options import build
from nas.strategies.pareto_evolution import ParetoEvolution, ParetoEvolutionOptions
from nas.strategies.predictor import Predictor, PredictorOptions
from nas.strategies.random_search import RandomOptions, RandomSearch
from nas.strategies.rl import PPOOptions, ReinforceOptions, ppo, reinforce

if TYPE_CHECKING:
    from nas.spaces import Space

__all__ = [
    "PROMOTION",
    "STRATEGIES",
    "WRAPPERS",
    "Context",
    "Entry",
    "Proposal",
    "Strategy",
    "Trial",
    "Wrapper",
    "check",
    "create",
    "find",
    "names",
]


@dataclass(frozen=True)
class Entry:
    """A registered strategy: `make(space, seed, options, context)`, the dataclass of its options, a line that says what it
    is, and whether it takes several objectives, and features. phase: of that name it proposes phases, which an evaluator
    must know; nothing but a search of `nas.search` can run it.
    """

    make: Callable[[Space, int, Any, Context], Strategy]
    options: type
    about: str = ""
    several: bool = False
    features: bool = False
    phase: str = ""


STRATEGIES: Registry[Entry] = Registry("strategy")
STRATEGIES.add("random", Entry(RandomSearch, RandomOptions, "independent samples: the yardstick", several=True))
STRATEGIES.add("evolution", Entry(Evolution, EvolutionOptions, "regularised evolution (arXiv 1802.01548)"))
STRATEGIES.add("local", Entry(LocalSearch, LocalOptions, "first-improvement local search with restarts"))
STRATEGIES.add("grid", Entry(Grid, GridOptions, "every architecture of a small space once", several=True))
STRATEGIES.add("predictor", Entry(Predictor, PredictorOptions, "what a model of the trials expects most of", features=True))
STRATEGIES.add("nsga2", Entry(NSGA2, NSGA2Options, "NSGA-II (Deb et al., 2002), steady state", several=True))
STRATEGIES.add("pareto-evolution", Entry(ParetoEvolution, ParetoEvolutionOptions, "regularised evolution by Pareto rank", several=True))
STRATEGIES.add("rl", Entry(ppo, PPOOptions, "controller trained by PPO (arXiv 1707.07012)"))
STRATEGIES.add("darts", Entry(Darts, DartsOptions, "all networks at once, by gradient (arXiv 1806.09055)", phase="darts"))
STRATEGIES.add("rl:ppo", STRATEGIES.get("rl"))
STRATEGIES.add("rl:reinforce", Entry(reinforce, ReinforceOptions, "controller trained by REINFORCE (arXiv 1611.01578)"))


def _auto(space: Space, seed: int, options: auto.AutoOptions, context: Context) -> Strategy:
    return create(auto.choose(space, context), space, seed, context)


STRATEGIES.add("auto", Entry(_auto, auto.AutoOptions, "chosen by space size, budget and objectives", several=True, features=True))

for _name, _make, _options, _about in (
    ("tpe", optuna_samplers.tpe, optuna_samplers.TPEOptions, "TPE"),
    ("gp", optuna_samplers.gp, optuna_samplers.ModelOptions, "Gaussian process"),
    ("nsgaii", optuna_samplers.nsgaii, optuna_samplers.GeneticOptions, "NSGA-II"),
    ("nsgaiii", optuna_samplers.nsgaiii, optuna_samplers.GeneticOptions, "NSGA-III"),
    ("qmc", optuna_samplers.qmc, optuna_samplers.SamplerOptions, "quasi Monte Carlo"),
    ("random", optuna_samplers.random, optuna_samplers.SamplerOptions, "random"),
):
    STRATEGIES.add(f"optuna:{_name}", Entry(_make, _options, f"Optuna's {_about} sampler", several=True))


@dataclass(frozen=True)
class Wrapper:
    """A strategy around any other, `NAME:OTHER`: `make(space, inner, options)`, where `inner()` makes the other.

    The options of both are given together.
    """

    make: Callable[[Space, Callable[[], Strategy], Any], Strategy]
    options: type
    about: str


WRAPPERS: Registry[Wrapper] = Registry("strategy")
WRAPPERS.add("asha", Wrapper(asha, HalvingOptions, "the best third is trained on (arXiv 1810.05934)"))
WRAPPERS.add("hyperband", Wrapper(hyperband, HalvingOptions, "as asha, from several first rungs (arXiv 1603.06560)"))


def names() -> tuple[str, ...]:
    """Names of all strategies; each of `WRAPPERS` goes around any of them, and alone around random search."""
    return STRATEGIES.names()


def find(name: str) -> Entry:
    """The strategy called `name`, a wrapped one such as `asha:evolution` too. Raises `UnknownNameError`."""
    outer, colon, inner = str(name).partition(":")
    if name in STRATEGIES or outer not in WRAPPERS:
        if name not in STRATEGIES:
            raise unknown("strategy", name, [*STRATEGIES.names(), *WRAPPERS.names()])
        return STRATEGIES.get(name)
    entry = STRATEGIES.get(inner if colon else "random", where=str(name))
    if entry.phase:
        raise NasError(f"strategy {name}: {inner} trains candidates together, which have no fidelity each; allowed: {inner} alone")
    return _wrapped(WRAPPERS.get(outer), entry)


def _wrapped(outer: Wrapper, inner: Entry) -> Entry:
    options = make_dataclass("Options", [], bases=(outer.options, inner.options), frozen=True, kw_only=True)

    def make(space: Space, seed: int, given: Any, context: Context) -> Strategy:
        return outer.make(space, lambda: inner.make(space, seed, given, context), given)

    return Entry(make, options, f"{outer.about}, {inner.about}", features=inner.features)


def create(name: str, space: Space, seed: int, context: Context | None = None, **options: object) -> Strategy:
    """The strategy called `name` over `space`.

    Raises `UnknownNameError` for an unknown name, `NasError` for an unknown option, a value out of its bounds, more
    objectives than the strategy takes, or features that it does not take.
    """
    entry, context = find(name), context or Context()
    if context.objectives > 1 and not entry.several:
        able = ", ".join(other for other, each in STRATEGIES.items() if each.several)
        raise NasError(f"strategy {name} takes one objective, not {context.objectives}; allowed: {able}")
    if context.features is not None and not entry.features:
        able = ", ".join(other for other, each in STRATEGIES.items() if each.features) or "none of the strategies"
        raise NasError(f"strategy {name} takes no features; allowed: {able}")
    return entry.make(space, seed, check(name, **options), context)


def check(name: str, **options: object) -> Any:
    """The options of the strategy called `name`, checked. Raises as `create` does."""
    return build(find(name).options, options, where=f"strategy {name}")
