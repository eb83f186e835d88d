"""The controller: what is sampled decision by decision is what is learnt from in batches; selecting sets; growing spaces."""

from __future__ import annotations

import functools
import itertools
import math
import random

import pytest

from nas.arch.text import parse
from nas.spaces import Space
from nas.spaces.choosers import Replay
from nas.strategies import Trial, create
from nas.testing import strategies as kit
from tests.test_strategies import WIDTHS, Cell, Toy


class Layers(Toy):
    """Layer by layer: a width, then which of the earlier layers it reads. `at` opens more widths and layers, later."""

    name = "layers"

    def __init__(self, layers, grow=0):
        self.layers, self.grow = layers, grow
        self.subsets = {f"layer{i}.from": tuple(f"layer{i}.from{j}" for j in range(i)) for i in range(1, layers)}
        self.choices = {"depth": tuple(range(1, layers + 1))}
        for i in range(layers):
            self.choices[f"layer{i}.width"] = WIDTHS
            self.choices |= dict.fromkeys(self.subsets.get(f"layer{i}.from", ()), (False, True))
        self.open = self.choices

    def decide(self, chooser):
        made = {}
        for i in range(self._choose(chooser, made, "depth")):
            self._choose(chooser, made, f"layer{i}.width")
            for name in self.subsets.get(f"layer{i}.from", ()):
                self._choose(chooser, made, name)
        return made

    def _choose(self, chooser, made, name):
        made[name] = chooser.choose(name, self.open[name])
        return made[name]

    def ordered(self, decisions):
        return Layers(self.layers).decide(Replay(decisions))

    def at(self, number):
        stage = Layers(self.layers)
        if number < self.grow:
            stage.open = {name: options[:-1] if name.endswith("width") else options for name, options in self.choices.items()}
            stage.open["depth"] = self.choices["depth"][:-2]
        return stage


class Inputs(Toy):
    """A cell: each node adds any of the two inputs and of the nodes before it, and one name stands in two places."""

    name = "inputs"
    subsets = {f"node{i}": tuple(f"node{i}<{j}" for j in range(i + 2)) for i in range(3)}
    choices = {name: (False, True) for names in subsets.values() for name in names} | {"add": ("sum", "mean")}

    def decide(self, chooser):
        made = {}
        for i in range(3):
            for name in self.subsets[f"node{i}"]:
                self._choose(chooser, made, name)
            if i and "add" not in made:
                self._choose(chooser, made, "add")
        return made


def words():
    """A space in YAML with a subset inside of whose members there is a decision, and a decision that grows."""
    return Space(
        parse("""
            name: words
            input: [3, 8, 8]
            classes: 4
            stages:
              - block:
                  residual:
                    body: [conv3x3]
                    shortcut: {subset: [conv3x3, {sep_conv: {kernel: {choose: [3, 5], name: kernel}}}, conv_1x1], name: ops}
                width: 8
              - {block: conv3x3, width: 8, repeat: {choose: [1, 2, 3], name: depth, grow: 20}}
            head: [global_pool, {block: linear, width: classes}]
        """)
    )


SPACES = {"words": words, "toy": Toy, "cell": functools.partial(Cell, 6), "layers": functools.partial(Layers, 5), "inputs": Inputs}


def controller(space, hidden=24, scale=8.0):
    """A controller whose policy is far from uniform."""
    from nas.strategies.controller import Controller

    made = Controller(space, 1, hidden)
    made._flat.mul_(scale)
    return made


def read(policy, made):
    """Log-probabilities of a sequence, as a sample reads them."""
    from nas.strategies.controller import Reading

    reading, found = Reading(policy), []
    for decision, option, count in made:
        logits = reading.logits(decision)[:count].astype(float)
        found.append(logits[option] - math.log(sum(math.exp(logit) for logit in logits)))
        reading.take(decision, option)
    return found


@pytest.mark.parametrize("hidden", [24, 0])
@pytest.mark.parametrize("name", SPACES)
def test_samples_and_batches_read_one_policy(name, hidden):
    import torch

    from nas.strategies.sequence import Batch

    space, rng = SPACES[name](), random.Random(0)
    policy = controller(space, hidden)
    sequences = [policy.vocabulary.encode(space.sample(rng), space) for _ in range(20)]
    closed = [[(d, o, rng.randint(o + 1, count)) for d, o, count in sequence] for sequence in sequences]
    sequences += closed
    batch = Batch.of(sequences, policy.vocabulary)
    found = policy.log_probabilities(batch, policy._flat)
    assert torch.allclose(found.exp().sum(-1), torch.ones(batch.mask.shape), atol=1e-5)
    for index, sequence in enumerate(sequences):
        expected = read(policy, sequence)
        for step, (_, option, count) in enumerate(sequence):
            assert found[step, index, option].item() == pytest.approx(expected[step], abs=1e-5)
            assert not found[step, index, count:].exp().any()


@pytest.mark.parametrize("name", SPACES)
def test_samples_follow_the_probabilities(name):
    space = SPACES[name]()
    policy, rng = controller(space), random.Random(0)
    seen = [policy.sample(space, rng) for _ in range(3000)]
    first = next(iter(seen[0]))
    index = policy.vocabulary.decision(first)
    for place, option in enumerate(space.choices[first]):
        chance = math.exp(read(policy, [(index, place, len(space.choices[first]))])[0])
        share = sum(each[first] == option for each in seen) / len(seen)
        assert abs(share - chance) < 5 * math.sqrt(chance * (1 - chance) / len(seen))  # the seed is fixed: no false alarms


def test_each_member_looks_at_the_layer_it_stands_for():
    from nas.strategies.sequence import Vocabulary, Walk

    def looks(space, decisions):
        words = Vocabulary(space.choices, space.subsets)
        walk = Walk(words)
        return words.starts, {name: walk.take(words.decision(name)) for name in decisions}

    space = Layers(4)
    starts, found = looks(space, space.sample(random.Random(0)) | dict.fromkeys(space.choices))
    assert starts == 1
    steps = {i: found[f"layer{i}.from0"][0] for i in range(1, 4)}
    assert steps == {1: 3, 2: 5, 3: 7}  # depth, width, width, from, width, from, ...: a subset is one step
    for i, j in itertools.combinations(range(4), 2):
        assert found[f"layer{j}.from{i}"] == (steps[j], 0 if i == 0 else starts + steps[i])
    starts, found = looks(Inputs(), Inputs.choices)
    assert starts == 2  # the two inputs
    assert [found[f"node0<{j}"] for j in range(2)] == [(0, 0), (0, 1)]
    assert [found[f"node2<{j}"][1] for j in range(4)] == [0, 1, 2 + found["node0<0"][0], 2 + found["node1<0"][0]]


def test_membership_is_the_formula_of_the_paper():
    import numpy as np

    space = Layers(3)
    policy = controller(space)
    made = policy.vocabulary.encode({**dict.fromkeys(space.choices, True), **WIDE}, space)
    memory = states(policy, made)
    parts = policy.arrays
    # of layer 1 seen from layer 2
    expected = np.tanh(parts["previous"] @ memory[3] + parts["current"] @ memory[5]) @ parts["score"] * 24**-0.5
    assert read(policy, made)[-1] == pytest.approx(-math.log1p(math.exp(-expected)), abs=1e-5)


WIDE = {"depth": 3, **{f"layer{i}.width": 8 for i in range(3)}}


def states(policy, made):
    from nas.strategies.controller import Reading

    reading = Reading(policy)
    for decision, option, _ in made:
        reading.logits(decision)
        reading.take(decision, option)
    return reading._memory[policy.vocabulary.starts :]


@pytest.mark.parametrize(("name", "space"), [("rl:ppo", words()), ("rl:reinforce", Layers(4, grow=30))], ids=["ppo", "reinforce"])
def test_contract_of_growing_spaces_with_subsets(name, space):
    kit.check(functools.partial(create, name, hidden=16), space)


@pytest.mark.parametrize("name", ["rl:ppo", "rl:reinforce"])
def test_a_skip_pattern_is_learnt(name):
    """Layers should read those at an even distance; neither all connections nor none are right in more than half."""
    space = Layers(6)
    wanted = {member: (i + j) % 2 == 0 for i in range(1, 6) for j, member in enumerate(space.subsets[f"layer{i}.from"])}

    def right(decisions):
        met = [decisions[member] == want for member, want in wanted.items() if member in decisions]
        return sum(met) / max(1, len(met))

    history = kit.run(create(name, space, 0), lambda decisions: right(decisions) + decisions["depth"] / 6, 300)
    early, late = (sum(right(trial.decisions) for trial in part) / 50 for part in (history[:50], history[-50:]))
    assert early < 0.55 < 0.65 < late


@pytest.mark.parametrize("name", ["rl:ppo", "rl:reinforce"])
def test_options_that_are_not_open_yet_are_neither_drawn_nor_unlearnt(name):
    space = Layers(6, grow=60)
    strategy = create(name, space, 0)
    words, heads = strategy._controller.vocabulary, [strategy._controller.arrays[part] for part in ("head", "head_bias")]
    closed = [words.first[0] + 4, words.first[0] + 5, words.first[words.decision("layer1.width")] + 2]  # depths 5 and 6, width 32
    before = [head[closed].copy() for head in heads]
    history = kit.run(strategy, lambda decisions: decisions["depth"] + decisions["layer0.width"], 60)
    assert all(trial.decisions["depth"] <= 4 and 32 not in trial.decisions.values() for trial in history)
    assert all((old == head[closed]).all() for old, head in zip(before, heads, strict=True))
    proposals = [strategy.ask(number).decisions for number in range(60, 160)]
    assert any(decisions["depth"] > 4 for decisions in proposals)
    assert any(32 in decisions.values() for decisions in proposals)


def test_without_an_lstm_each_decision_is_learnt_by_itself():
    space = Cell(6)
    strategy = create("rl:reinforce", space, 0, hidden=0, rate=0.1)
    history = kit.run(strategy, lambda decisions: float(decisions["edge3"] == "c"), 150)
    assert sum(trial.value for trial in history[-30:]) > 20
    alone = [(strategy._controller.vocabulary.decision("edge3"), 2, 6)]
    after = [(0, 1, 6), *alone]
    assert read(strategy._controller, alone) == read(strategy._controller, after)[1:]


def test_what_others_chose_too_early_is_learnt_from_all_the_same():
    space = Layers(6, grow=1000)
    strategy, rng = create("rl:reinforce", space, 0), random.Random(0)
    for number in range(20):
        strategy.tell(Trial(number, space.sample(rng), rng.random()))
    assert max(strategy.ask(20).decisions["depth"] for _ in range(20)) <= 4
