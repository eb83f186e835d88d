"""Optuna's samplers as our strategies, and our strategies as samplers in a user's Optuna study."""

from __future__ import annotations

import functools
import itertools
import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import nas
import nas.spaces
from nas import strategies
from nas.errors import NasError, SpaceError, UnknownNameError
from nas.strategies import Context, Trial, create
from nas.testing import strategies as kit

from .test_strategies import Cell, Fixed, Toy

optuna.logging.set_verbosity(optuna.logging.ERROR)
NAMES = [name for name in strategies.names() if name.startswith("optuna:")]
# So that their models are asked, but not often: a Gaussian process takes a tenth of a second.
QUICK = {
    "optuna:tpe": {"startup": 57}, "optuna:gp": {"startup": 22}, "optuna:nsgaii": {"population": 10}, "optuna:nsgaiii": {"population": 10},
}  # fmt: skip
MODELS = {**QUICK, "optuna:tpe": {"startup": 15}}


class Mixed(Toy):
    """Options that Optuna takes for one another, one without a second, and one that is met at times."""

    name = "mixed"
    choices = {"a": (1, 1.0, True, None, "1"), "b": ("only",), "c": (False, 0), "d": (1, 2, 3)}

    def decide(self, chooser):
        made = {name: chooser.choose(name, self.choices[name]) for name in ("a", "b", "c")}
        if made["c"] is False:
            made["d"] = chooser.choose("d", self.choices["d"])
        return made


@pytest.mark.parametrize("name", [name for name in NAMES if name != "optuna:gp"])
def test_contract(name):
    kit.check(functools.partial(create, name, **QUICK.get(name, {})), Toy())


def test_contract_of_the_gaussian_process():
    """What of the contract concerns its model: it survives bad values, and asks are pure, also after a restart. It is slow."""
    space, factory = Cell(3), functools.partial(create, "optuna:gp", startup=10)
    values = (0.5, 0.0, None, 1e308, -1e308, float("nan"), 0.25, 1e-320)
    history = [Trial(number, space.sample(random.Random(number)), values[number % 8]) for number in range(24)]
    first, again = (kit.replayed(factory, space, 0, trials) for trials in (history, [each for each in history for _ in range(2)]))
    proposals = [first.ask(number) for number in (24, 25)]
    assert [again.ask(number) for number in (25, 24)] == proposals[::-1]
    assert first.ask(24) == proposals[0]
    assert all(proposal.how.startswith("gp") and space.decode(proposal.decisions) for proposal in proposals)
    kit.check_seeds_differ(factory, Toy())


@pytest.mark.parametrize("name", NAMES)
def test_a_space_of_one_architecture_and_options_that_look_alike(name):
    kit.run(create(name, Fixed(), 0, **QUICK.get(name, {})), lambda decisions: 1.0, 20)
    space = Mixed()
    strategy = create(name, space, 0, **MODELS.get(name, {}), tries=1)
    seen = set()
    for number in range(24):
        decisions = strategy.ask(number).decisions
        assert all(any(option is each for each in space.choices[key]) for key, option in decisions.items())
        seen.add((type(decisions["a"]), decisions["a"]))
        strategy.tell(Trial(number, decisions, float(number % 5)))
    assert len(seen) == 5


@pytest.mark.parametrize("name", NAMES)
def test_limits_are_kept_and_known_networks_avoided(name):
    space = nas.spaces.load("tiny").within({"params": "20k"})
    strategy, told = create(name, space, 0, **MODELS.get(name, {})), []
    for number in range(24):
        decisions = strategy.ask(number).decisions
        assert space.fits(decisions)
        assert decisions not in told
        told.append(decisions)
        strategy.tell(Trial(number, decisions, 1.0))  # a model sees no reason to go elsewhere


@pytest.mark.parametrize("name", NAMES)
def test_several_objectives(name):
    space, one, other = Cell(3), kit.separable(Cell(3), 0), kit.separable(Cell(3), 1)
    made = functools.partial(create, name, space, 0, Context(objectives=2), **MODELS.get(name, {}))
    strategy, history = made(), []
    for number in range(23):
        decisions = strategy.ask(number).decisions
        history.append(Trial(number, decisions, one(decisions), (one(decisions), other(decisions))))
        strategy.tell(history[-1])
    again = made()
    for trial in history:
        again.tell(trial)
    assert again.ask(23) == strategy.ask(23)


@pytest.mark.parametrize("name", ["optuna:tpe", "optuna:nsgaii"])
def test_learning_beats_random(name):
    """The mean of the last 30 of 100 trials; a strategy that learnt nothing would pass by chance once in 2^4."""
    space = Cell(20)
    options = {"optuna:nsgaii": {"population": 10}}.get(name, {})

    def late(name, seed, **options):
        return sum(trial.value for trial in kit.run(create(name, space, seed, **options), kit.separable(space, seed), 100)[-30:])

    assert all(late(name, seed, **options) > late("random", seed) for seed in range(4))


def test_a_gaussian_process_finds_the_best_of_a_small_space():
    space, objective = Cell(3), kit.separable(Cell(3), 0)
    history = kit.run(create("optuna:gp", space, 0, startup=20), objective, 40)
    best = max(sum(objective({f"edge{i}": o}) for i, o in enumerate(each)) / 3 for each in itertools.product("abcdef", repeat=3))
    assert max(trial.value for trial in history) == pytest.approx(best)  # one of 216


def asks():
    names = [name for name in NAMES if name != "optuna:gp"]
    return {name: kit.first_asks(functools.partial(create, name, **MODELS.get(name, {})), Toy(), 0, 4, 25) for name in names}


def test_same_asks_in_another_process_with_another_hash_seed():
    top = Path(__file__).parent.parent
    code = "import json; from tests import test_optuna as t; print(json.dumps(t.asks()))"
    env = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": str(top)}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == asks()


def test_foreign_decisions_and_bad_options_are_named():
    with pytest.raises(SpaceError, match="'depth' is missing; allowed: 1, 2, 3, 4"):
        create("optuna:tpe", Toy(), 0).tell(Trial(0, {"width": 3}, 1.0))
    with pytest.raises(NasError, match="strategy optuna:tpe: unknown option 'gamma'; allowed: candidates, startup, tries"):
        create("optuna:tpe", Toy(), 0, gamma=3)
    with pytest.raises(NasError, match="population=1; allowed: a whole number from 2"):
        create("optuna:nsgaii", Toy(), 0, population=1)


@pytest.mark.parametrize("name", ["optuna:gp", "optuna:qmc"])
def test_without_scipy_one_line_says_so(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NasError, match=f"strategy {name} needs scipy, which is not installed"):
        create(name, Toy(), 0)


# ---- ours in a user's study


TINY = nas.spaces.load("tiny")
OURS = [name for name in strategies.names() if not name.startswith("optuna:") and not strategies.find(name).phase]


def study_of(name, directions=("maximize",), **options):
    return optuna.create_study(directions=list(directions), sampler=nas.optuna_sampler(name, "tiny", **options))


def worth(architecture):
    return kit.separable(TINY, 0)(TINY.recognise(architecture))


@pytest.mark.parametrize("name", OURS)
def test_a_study_proposes_what_the_strategy_would(name):
    """Also where the objective asks for more, fails, prunes and minimises."""

    def objective(trial):
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        architecture = nas.suggest(trial, TINY)
        assert 1e-4 <= rate <= 1e-1
        if trial.number % 5 == 2:
            raise optuna.TrialPruned
        if trial.number % 5 == 3:
            raise ValueError("diverged")
        return -worth(architecture)

    study = study_of(name, ["minimize"], seed=3)
    study.optimize(objective, 30, catch=(ValueError,))
    strategy = create(name, TINY, 3)
    for trial in study.trials:
        decisions = strategy.ask(trial.number).decisions
        assert {name: option for name, option in trial.params.items() if name != "rate"} == decisions
        strategy.tell(Trial(trial.number, decisions, None if trial.value is None else -trial.value))
    assert len({trial.params["rate"] for trial in study.trials}) == 30


def test_two_samplers_on_one_study_go_on_from_each_other(tmp_path):
    """As two processes would, and one that was started again."""
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    samplers = [nas.optuna_sampler("evolution", TINY, population=5) for _ in range(2)]
    optuna.create_study(storage=storage, study_name="both", direction="maximize")
    for turn in range(4):
        study = optuna.load_study(storage=storage, study_name="both", sampler=samplers[turn % 2])
        study.optimize(lambda trial: worth(nas.suggest(trial, TINY)), 4)
        samplers[turn % 2] = pickle.loads(pickle.dumps(study.sampler)) if turn == 1 else study.sampler
    strategy = create("evolution", TINY, 0, population=5)
    for trial in study.trials:
        assert trial.params == strategy.ask(trial.number).decisions
        strategy.tell(Trial(trial.number, trial.params, trial.value))


def test_threads_share_a_study():
    study = study_of("evolution", population=5)
    study.optimize(lambda trial: worth(nas.suggest(trial, TINY)), 24, n_jobs=3)
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)


def test_several_directions():
    study = study_of("random", ["maximize", "minimize"])
    study.optimize(lambda trial: (worth(nas.suggest(trial, TINY)), 1.0), 5)
    with pytest.raises(NasError, match="strategy evolution takes one objective, not 2"):
        study_of("evolution", ["maximize", "minimize"]).optimize(lambda trial: (worth(nas.suggest(trial, TINY)), 1.0), 1)


def test_given_parameters_and_trials_of_elsewhere():
    study, decisions = study_of("evolution", population=3), TINY.sample(random.Random(5))
    study.enqueue_trial(decisions)
    study.add_trial(optuna.create_trial(value=3.0, params={"x": 1.0}, distributions={"x": optuna.distributions.FloatDistribution(0, 2)}))
    study.optimize(lambda trial: worth(nas.suggest(trial, TINY)), 8)
    assert study.trials[0].params == decisions
    assert study.trials[1].params == {"x": 1.0}


@pytest.mark.parametrize("sampler", [optuna.samplers.TPESampler(seed=0), optuna.samplers.RandomSampler(seed=0)])
def test_any_sampler_may_search_our_space(sampler):
    space = TINY.within({"params": "15k"})
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.optimize(lambda trial: float(nas.suggest(trial, space).cost().params), 30)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    assert study.best_value <= 15_000
    ours = optuna.create_study(sampler=nas.optuna_sampler("random", space), direction="maximize")
    ours.optimize(lambda trial: float(nas.suggest(trial, space).cost().params), 30)
    assert {trial.state.name for trial in ours.trials} == {"COMPLETE"}


def test_bad_input_is_named():
    with pytest.raises(UnknownNameError, match="unknown strategy 'evolutoin'; nearest: evolution"):
        nas.optuna_sampler("evolutoin", "tiny")
    with pytest.raises(NasError, match="strategy evolution: population=0; allowed: a whole number >= 1"):
        nas.optuna_sampler("evolution", "tiny", population=0)
    with pytest.raises(UnknownNameError, match="unknown space 'tinny'; nearest: tiny"):
        nas.optuna_sampler("evolution", "tinny")
    with pytest.raises(NasError, match="strategy asha:random as an Optuna sampler; allowed: random"):
        nas.optuna_sampler("asha:random", "tiny")
