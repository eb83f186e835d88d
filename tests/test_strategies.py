"""Every registered strategy under the shipped contract, golden first asks, and whether learning beats luck.

`python tests/test_strategies.py` writes tests/golden/strategies.json anew.
"""

from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from nas import strategies
from nas.arch.text import parse
from nas.errors import NasError, SpaceError, UnknownNameError
from nas.spaces import Replay, Space
from nas.strategies import STRATEGIES, Proposal, Trial, create
from nas.strategies.base import Context, generator
from nas.testing import strategies as kit

GOLDEN = Path(__file__).parent / "golden" / "strategies.json"
WIDTHS = (8, 16, 32)


class Toy:
    """Define by run: `depth` decides how many layers there are, and a layer's kind decides what else is asked of it."""

    name = "toy"
    subsets: ClassVar = {}
    choices: ClassVar = {
        "depth": (1, 2, 3, 4),
        **{
            f"layer{index}.{field}": options
            for index in range(4)
            for field, options in (
                ("kind", ("conv", "pool", "skip", "attention")),
                ("kernel", (1, 3, 5)),
                ("width", WIDTHS),
                ("heads", (1, 2)),
            )
        },
        "residual": (False, True),
    }

    def decide(self, chooser):
        made = {"depth": chooser.choose("depth", self.choices["depth"])}
        for index in range(made["depth"]):
            kind = self._choose(chooser, made, f"layer{index}.kind")
            for field in {"conv": ("kernel", "width"), "pool": ("kernel",), "attention": ("heads",)}.get(kind, ()):
                self._choose(chooser, made, f"layer{index}.{field}")
        self._choose(chooser, made, "residual")
        return made

    def _choose(self, chooser, made, name):
        made[name] = chooser.choose(name, self.choices[name])
        return made[name]

    def sample(self, rng):
        return self.decide(Chooser({}, rng))

    def record(self, chooser):
        return self.decide(chooser)

    selective = False

    @functools.cached_property
    def open(self):
        return self.choices

    def ordered(self, decisions):
        return self.decide(Replay(decisions))

    def at(self, number):
        return self

    def fits(self, decisions):
        return True

    def fitted(self, decisions, rng):
        return decisions

    def decode(self, decisions):
        made = self.decide(Chooser(decisions, None))
        if set(made) != set(decisions):
            raise SpaceError(f"decisions {sorted(set(decisions) - set(made))} are not met")
        return tuple(made.items())

    def mutate(self, decisions, rng):
        name = rng.choice([each for each in self.choices if each in decisions])
        other = rng.choice([option for option in self.choices[name] if option != decisions[name]])
        return self.decide(Chooser({**decisions, name: other}, rng))

    def count(self):
        layer = 3 * 3 + 3 + 1 + 2
        return 2 * sum(layer**depth for depth in (1, 2, 3, 4))


class Chooser:
    """Known decisions first; what is open is drawn, or is an error without a generator."""

    def __init__(self, decisions, rng):
        self.decisions, self.rng = decisions, rng

    def choose(self, name, options):
        if self.decisions.get(name) in options and name in self.decisions:
            return self.decisions[name]
        if self.rng is None:
            raise SpaceError(f"{name}={self.decisions.get(name)!r}; allowed: {options}")
        return self.rng.choice(options)


class Fixed(Toy):
    """A space of one architecture."""

    name = "fixed"
    choices: ClassVar = {"depth": (1,)}

    def decide(self, chooser):
        return {"depth": chooser.choose("depth", (1,))}

    def mutate(self, decisions, rng):
        raise SpaceError("nothing to change")

    def count(self):
        return 1


class Cell(Toy):
    """A row of edges with six options each."""

    name = "cell"

    def __init__(self, edges):
        self.choices = {f"edge{index}": ("a", "b", "c", "d", "e", "f") for index in range(edges)}

    def decide(self, chooser):
        return {name: chooser.choose(name, options) for name, options in self.choices.items()}

    def count(self):
        return 6 ** len(self.choices)


def tiny():
    import nas.spaces

    return nas.spaces.load("tiny")


SPACES = {"toy": Toy, "tiny": tiny}
NAMES = [name for name in strategies.names() if not name.startswith("optuna:")]  # Optuna's own: test_optuna.py
each_strategy = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]()


@each_strategy
def test_contract(name, space):
    kit.check(functools.partial(create, name), space)


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("name", [name for name in NAMES if STRATEGIES.get(name).several])
def test_contract_with_several_objectives(name, space, objectives):
    kit.check(functools.partial(create, name, context=Context(objectives=objectives)), space, objectives)


@each_strategy
def test_a_space_of_one_architecture(name):
    for trial in kit.run(create(name, Fixed(), 0), lambda decisions: 1.0, 50):
        assert trial.decisions == {"depth": 1}


@each_strategy
def test_equal_values_teach_nothing_and_break_nothing(name):
    kit.run(create(name, Toy(), 0), lambda decisions: 0.5, 50)


def asks(told):
    """Decisions of the first asks of all strategies, before and after `told` trials."""
    return {name: kit.first_asks(functools.partial(create, name), Toy(), 0, 4, told) for name in NAMES}


def current_golden():
    return {"first": asks(0), "after 45 trials": asks(45)}


def test_golden_first_asks():
    assert current_golden() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_same_asks_in_another_process_with_another_hash_seed(hash_seed):
    here = Path(__file__).parent
    code = "import json, test_strategies as t; print(json.dumps(t.asks(45)))"
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == asks(45)


def test_strategies_share_their_first_candidates_with_random():
    space = Toy()
    assert create("evolution", space, 9).ask(3) == create("random", space, 9).ask(3)
    assert generator(9, 3).random() == generator(9, 3).random() != generator(93, 0).random()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("rl")])
def test_rl_leaves_torch_as_it_found_it(name):
    import torch

    threads, state = torch.get_num_threads(), torch.get_rng_state()
    kit.run(create(name, Toy(), 0), kit.separable(Toy(), 0), 25)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("rl")])
def test_rl_does_not_depend_on_the_threads_outside(name):
    import torch

    threads = torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(kit.first_asks(functools.partial(create, name), Toy(), 0, 6, told=60))
    torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_torch_is_imported_only_for_rl():
    code = (
        "import sys, nas.strategies as s, test_strategies as t\n"
        "s.create('evolution', t.Toy(), 0).ask(0); assert 'torch' not in sys.modules\n"
        "s.create('asha:evolution', t.Toy(), 0).ask(0); assert not {'optuna', 'torch', 'scipy'} & set(sys.modules)\n"
        "s.create('rl', t.Toy(), 0).ask(0); assert 'torch' in sys.modules\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# An option is worth the same everywhere, so whoever learns must beat whoever does not. Per seed, the mean value of the
# last 30 of 150 trials, and the best, are compared with random's on the same objective. A strategy that learnt nothing
# would win the mean of a seed with probability 1/2, of all 12 with 2^-12: one false pass in 4,096 for each strategy.
# The test itself is deterministic: on one machine it cannot fail by chance.
# rl is another name of rl:ppo, and auto one of predictor there
LEARNERS = [name for name in NAMES if name not in ("random", "grid", "rl", "auto") and not STRATEGIES.get(name).phase]


@functools.cache
def learnt(name, seed):
    space = Cell(20)
    history = kit.run(create(name, space, seed), kit.separable(space, seed), 150, workers=2)
    return sum(trial.value for trial in history[-30:]) / 30, max(trial.value for trial in history)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_learning_beats_random(name):
    for seed in range(8):
        (late, best), (late_random, best_random) = learnt(name, seed), learnt("random", seed)
        assert late > late_random
        assert best > best_random


def test_evolution_forgets_the_oldest_and_ignores_failures():
    space, rng = Toy(), random.Random(0)
    strategy = create("evolution", space, 0, population=3, sample=30, tries=1)
    worst = {"depth": 1, "layer0.kind": "skip", "residual": False}
    other = {"depth": 4, **{f"layer{i}.kind": "pool" for i in range(4)}, **{f"layer{i}.kernel": 3 for i in range(4)}}
    other = space.ordered({**other, "residual": True})
    strategy.tell(Trial(0, other, 100.0))
    for number in range(1, 4):
        strategy.tell(Trial(number, worst, 1.0 + number / 10))
    strategy.tell(Trial(4, space.sample(rng), None))
    # the best ever has died of age: a child is one mutation from `worst`, which changes depth, kind or residual
    for number in range(10, 40):
        child = strategy.ask(number).decisions
        kept = [child.get(name) == option for name, option in worst.items()]
        assert kept.count(False) == 1


def test_evolution_is_random_until_the_population_has_succeeded():
    space = Toy()
    strategy, plain = create("evolution", space, 0, population=5), create("random", space, 0)
    for number in range(12):
        assert strategy.ask(number) == plain.ask(number)
        strategy.tell(Trial(number, strategy.ask(number).decisions, None if number % 3 else 1.0))
    strategy.tell(Trial(12, strategy.ask(12).decisions, 1.0))
    assert any(strategy.ask(number) != plain.ask(number) for number in range(13, 20))


def test_evolution_may_keep_the_parent():
    space = Toy()
    strategy = create("evolution", space, 0, population=1, identity=1.0)
    parent = space.sample(random.Random(0))
    strategy.tell(Trial(0, parent, 1.0))
    assert strategy.ask(1).decisions == parent


@pytest.mark.parametrize("name", LEARNERS)
def test_known_candidates_are_avoided(name):
    space = Toy()
    tries = {"tries": 50} if "tries" in STRATEGIES.get(name).options.__dataclass_fields__ else {}
    strategy = create(name, space, 0, **tries)
    history = kit.run(strategy, kit.separable(space, 0), 60)
    known = [trial.decisions for trial in history]
    assert all(strategy.ask(number).decisions not in known for number in range(60, 90))


@pytest.mark.parametrize("name", ["rl:ppo", "rl:reinforce"])
def test_rl_learns_to_avoid_failures(name):
    space = Toy()

    def failing(decisions):
        return None if decisions["residual"] else kit.separable(space, 0)(decisions)

    strategy = create(name, space, 0, tries=1)
    history = kit.run(strategy, failing, 200)
    assert sum(trial.value is None for trial in history[:40]) > 10
    assert sum(trial.value is None for trial in history[-40:]) < 10


def test_rl_asks_and_tells_quickly():
    space = Cell(50)  # as long as a search of real cells
    strategy = create("rl", space, 0)
    objective = kit.separable(space, 0)
    asked = told = 0.0
    for number in range(40):
        start = time.process_time()
        decisions = strategy.ask(number).decisions
        middle = time.process_time()
        strategy.tell(Trial(number, decisions, objective(decisions)))
        asked, told = asked + middle - start, told + time.process_time() - middle
    assert asked / 40 < 0.1  # seconds; several times what was measured on a slow core
    assert told / 40 < 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"populaton": 3},
            "strategy evolution: unknown option 'populaton'; allowed: identity, population, sample, tries",
        ),
        ({"population": 0}, "strategy evolution: population=0; allowed: a whole number >= 1"),
        ({"population": 2.5}, "strategy evolution: population=2.5; allowed: a whole number >= 1"),
        ({"sample": True}, "strategy evolution: sample=True; allowed: a whole number >= 1"),
        ({"identity": "often"}, "strategy evolution: identity='often'; allowed: a number from 0 to 1"),
        ({"identity": float("nan")}, "strategy evolution: identity=nan; allowed: a number from 0 to 1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(NasError) as error:
        create("evolution", Toy(), 0, **options)
    assert str(error.value) == message


def test_unknown_names_and_options():
    with pytest.raises(UnknownNameError, match="nearest: evolution"):
        create("evolutoin", Toy(), 0)
    with pytest.raises(NasError, match="allowed: none"):
        create("random", Toy(), 0, population=3)
    assert create("rl", Toy(), 0, rate=0.5, batch=2).ask(0)


def test_every_option_says_what_it_is():
    for name in strategies.names():
        entry = STRATEGIES.get(name)
        for field in entry.options.__dataclass_fields__.values():
            assert field.metadata["about"]
            assert field.metadata["low"] <= field.default <= field.metadata["high"]


GROWING = """
name: growing
input: [3, 8, 8]
classes: 10
stem: [{block: conv, width: {choose: [4, 8, 12, 16], name: width, grow: 8}}]
stages: [{block: conv3x3, width: {choose: [4, 6, 8], name: other}, repeat: {choose: [1, 2, 3], name: depth}}]
head: [global_pool, {block: linear, width: classes}]
"""


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_open_yet_is_not_proposed_and_later_all_is(name):
    space = Space(parse(GROWING, "growing"))
    history = kit.run(create(name, space, 0), kit.separable(space, 0), 40)
    for trial in history:
        assert trial.decisions["width"] in space.choices["width"][: 1 + trial.number // 8]
    assert len({trial.decisions["width"] for trial in history}) > 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None, 10**400])
def test_a_trial_without_a_finite_value_has_failed(value):
    assert Trial(0, {}, value).value is None


def test_decisions_of_another_space_are_refused():
    for name in LEARNERS:
        with pytest.raises(SpaceError, match="'depth' is missing; allowed: 1, 2, 3, 4"):
            create(name, Toy(), 0).tell(Trial(0, {"width": 3}, 1.0))
        with pytest.raises(SpaceError, match="depth='deep'; allowed: 1, 2, 3, 4"):
            create(name, Toy(), 0).tell(Trial(0, {"depth": "deep"}, 1.0))


class Breach:
    """A strategy with one fault, to show that the kit finds it."""

    def __init__(self, fault, space, seed):
        self.fault, self.space, self.seed, self.count, self.told = fault, space, seed, 0, []

    def ask(self, number):
        return Proposal(self.propose(number))

    def propose(self, number):
        self.count += 1
        if self.fault == "foreign":
            return {"depth": 99}
        if self.fault == "counts asks":
            return self.space.sample(random.Random(self.count))
        if self.fault == "ignores the seed":
            return self.space.sample(random.Random(number))
        if self.fault == "shared" and self.told:
            return self.told[-1].decisions
        if self.fault == "doubles" and self.told:
            return self.space.sample(random.Random(len(self.told)))
        return self.space.sample(random.Random(f"{self.seed}:{number}"))

    def tell(self, trial):
        if self.fault == "dies of failures" and trial.value is None:
            raise ValueError("no value")
        self.told.append(trial)


@pytest.mark.parametrize("fault", ["foreign", "counts asks", "ignores the seed", "shared", "doubles", "dies of failures"])
def test_the_kit_finds_a_fault(fault):
    with pytest.raises(ValueError if fault == "dies of failures" else AssertionError):
        kit.check(functools.partial(Breach, fault), Toy())


def test_the_kit_passes_a_strategy_without_fault():
    kit.check(functools.partial(Breach, "none"), Toy())


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(current_golden(), indent=1) + "\n")
