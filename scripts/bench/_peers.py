"""The searches of other packages under our protocol: ask, tell, larger is better. `peers.py` runs this in its environment.

    python scripts/bench/_peers.py '{"peer": "optuna TPE", "seeds": [0, 1], ...}'

prints a JSON list of runs. Each adapter is what the package's own documentation does; `options` are its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from nas.bench.problems import Source
from nas.bench.run import run
from nas.strategies.base import Proposal, Trial

Choices = dict[str, tuple[Any, ...]]
OURS = (20, 10)  # P and S of our evolution, for the same algorithm with the same settings


class Optuna:
    """A sampler of optuna."""

    def __init__(self, sampler: Callable[[Any, int], Any], choices: Choices, seed: int, trials: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(direction="maximize", sampler=sampler(optuna, seed))
        self.choices, self.trial = choices, None

    def ask(self, number: int) -> Proposal:
        self.trial = self.study.ask()
        return Proposal({name: self.trial.suggest_categorical(name, options) for name, options in self.choices.items()})

    def tell(self, trial: Trial) -> None:
        self.study.tell(self.trial, trial.value)


class SyneTune:
    """Regularised evolution of syne-tune, which minimises."""

    def __init__(self, sizes: tuple[int, int] | None, choices: Choices, seed: int, trials: int) -> None:
        from syne_tune.config_space import choice
        from syne_tune.optimizer.schedulers.searchers.regularized_evolution import RegularizedEvolution

        options = {"population_size": sizes[0], "sample_size": sizes[1]} if sizes else {}
        space = {name: choice(list(options)) for name, options in choices.items()}
        self.searcher = RegularizedEvolution(space, random_seed=seed, **options)

    def ask(self, number: int) -> Proposal:
        self.config = self.searcher.suggest()
        return Proposal(dict(self.config))

    def tell(self, trial: Trial) -> None:
        self.searcher.on_trial_complete(trial.number, self.config, -trial.value)


class PyGlove:
    """Regularised evolution of pyglove."""

    def __init__(self, sizes: tuple[int, int] | None, choices: Choices, seed: int, trials: int) -> None:
        import pyglove

        options = {"population_size": sizes[0], "tournament_size": sizes[1]} if sizes else {}
        mutator = pyglove.evolution.mutators.Uniform(seed=seed)
        self.algorithm = pyglove.evolution.regularized_evolution(mutator, seed=seed, **options)
        space = pyglove.Dict({f"e{i}": pyglove.oneof(list(options)) for i, options in enumerate(choices.values())})
        self.algorithm.setup(pyglove.dna_spec(space))
        self.choices = choices

    def ask(self, number: int) -> Proposal:
        self.dna = self.algorithm.propose()
        picked = [each.value for each in self.dna.children]
        return Proposal({name: options[i] for (name, options), i in zip(self.choices.items(), picked, strict=True)})

    def tell(self, trial: Trial) -> None:
        self.algorithm.feedback(self.dna, trial.value)


class Nevergrad:
    """An optimiser of nevergrad, which minimises."""

    def __init__(self, name: str, choices: Choices, seed: int, trials: int) -> None:
        import nevergrad

        space = nevergrad.p.Dict(**{name: nevergrad.p.Choice(list(options)) for name, options in choices.items()})
        space.random_state.seed(seed)
        self.optimiser = nevergrad.optimizers.registry[name](space, budget=trials)

    def ask(self, number: int) -> Proposal:
        self.candidate = self.optimiser.ask()
        return Proposal(dict(self.candidate.value))

    def tell(self, trial: Trial) -> None:
        self.optimiser.tell(self.candidate, -trial.value)


class DeepHyper:
    """Regularised evolution of deephyper."""

    def __init__(self, sizes: tuple[int, int] | None, choices: Choices, seed: int, trials: int) -> None:
        from deephyper.hpo import HpProblem, RegularizedEvolution

        problem = HpProblem()
        for name, options in choices.items():
            problem.add_hyperparameter(list(options), name)
        options = {"population_size": sizes[0], "sample_size": sizes[1]} if sizes else {}
        self.search = RegularizedEvolution(problem, random_state=seed, log_dir=tempfile.mkdtemp(), **options)

    def ask(self, number: int) -> Proposal:
        (self.config,) = self.search.ask(1)
        return Proposal({name: str(option) for name, option in self.config.items()})

    def tell(self, trial: Trial) -> None:
        self.search.tell([(self.config, trial.value)])


# Name: the package that it needs, its adapter, and what the adapter is told.
PEERS: dict[str, tuple[str, Any, Any]] = {
    "optuna TPE": ("optuna", Optuna, lambda optuna, seed: optuna.samplers.TPESampler(seed=seed)),
    "optuna NSGA-II": ("optuna", Optuna, lambda optuna, seed: optuna.samplers.NSGAIISampler(seed=seed)),
    "syne-tune evolution": ("syne-tune", SyneTune, None),
    "syne-tune evolution P20 S10": ("syne-tune", SyneTune, OURS),
    "pyglove evolution": ("pyglove", PyGlove, None),
    "pyglove evolution P20 S10": ("pyglove", PyGlove, OURS),
    "nevergrad NGOpt": ("nevergrad", Nevergrad, "NGOpt"),
    "nevergrad DiscreteOnePlusOne": ("nevergrad", Nevergrad, "DiscreteOnePlusOne"),
    "deephyper evolution": ("deephyper", DeepHyper, None),
    "deephyper evolution P20 S10": ("deephyper", DeepHyper, OURS),
}


def main() -> None:
    """Run one peer under some seeds."""
    warnings.simplefilter("ignore")
    given = json.loads(sys.argv[1])
    source = Source(given["space_yaml"], given["table"])
    _, adapter, options = PEERS[given["peer"]]
    runs = []
    for seed in given["seeds"]:
        searcher = adapter(options, dict(source.space().choices), seed, given["trials"])
        runs.append(run(searcher, source.problem(seed), name=given["peer"], seed=seed, trials=given["trials"]))
    print("\n" + json.dumps([asdict(each) for each in runs]))  # on a line of its own: some packages print


if __name__ == "__main__":
    main()
