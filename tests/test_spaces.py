"""Every shipped space under the contract; counting against enumeration; decisions that depend on decisions."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter

import pytest
import torch

import nas
from nas import spaces
from nas.arch.text import parse
from nas.errors import NasError, SpaceError, UnknownNameError
from nas.scale import resize
from nas.spaces import RandomChooser, Recorder, Space
from nas.testing import architectures
from nas.testing import spaces as kit

torch.set_num_threads(1)
TOP = "name: t\ninput: [3, 8, 8]\nclasses: 4\n"
HEAD = "head: [global_pool, {block: linear, width: classes}]\n"


def space(stages, extra=""):
    """A space of these stages, as YAML."""
    return Space(parse(f"{TOP}{extra}stages:\n{stages}\n{HEAD}"))


SMALL = {
    "one": ("- {block: {choose: [conv3x3, sep_conv_3x3, skip_connect]}, width: 8}", 3),
    "independent": ("- {block: conv3x3, width: {choose: [4, 6, 8]}, repeat: {choose: [1, 2]}}", 6),
    "shared": ("- {block: conv3x3, width: {choose: [4, 6], name: w}}\n- {block: sep_conv_3x3, width: {choose: [4, 6], name: w}}", 2),
    "nested": ("- {block: {choose: [conv3x3, {sep_conv: {kernel: {choose: [3, 5, 7]}, times: {choose: [1, 2]}}}]}, width: 8}", 7),
    "shared in one branch": (
        "- {block: {choose: [conv3x3, {sep_conv: {kernel: {choose: [3, 5], name: k}}}]}, width: 8}\n"
        "- {block: {sep_conv: {kernel: {choose: [3, 5], name: k}}}, width: 8}",
        4,
    ),
    "shared in two branches": (
        "- block: {choose: [{conv: {kernel: &k {choose: [1, 3, 5], name: k}}}, {sep_conv: {kernel: *k}}]}\n  width: 8",
        6,
    ),
    "shared and leading on": (
        "- {block: {choose: [conv3x3, {sep_conv: {times: {choose: [1, 2], name: t}}}], name: b}, width: 8}\n"
        "- {block: {choose: [conv3x3, {sep_conv: {times: {choose: [1, 2], name: t}}}], name: b}, width: 8}\n"
        "- {block: {sep_conv: {times: {choose: [1, 2], name: t}}}, width: 8}",
        4,
    ),
    "leading on elsewhere": (
        "- {block: {choose: [conv3x3, sep_conv], name: b}, width: 8}\n"
        "- {block: {choose: [conv3x3, {sep_conv: {times: {choose: [1, 2]}}}], name: b}, width: 8}",
        3,
    ),
    "blocks": ("- {choose: [{block: conv3x3, width: 8}, {block: sep_conv_3x3, width: {choose: [4, 6]}}], name: stage}", 3),
    "null and truth": (
        "- {block: {residual_basic: {se: {choose: [null, 4]}}}, width: 8}\n- {block: {conv: {norm: {choose: [true, false]}}}, width: 8}",
        4,
    ),
    "one option": ("- {block: conv3x3, width: {choose: [8]}}", 1),
    "head": ("- {block: conv3x3, width: 8}\n- {block: {dropout: {rate: {choose: [0.0, 0.25]}}}}", 2),
}


@pytest.mark.parametrize("name", spaces.names())
def test_contract_of_every_shipped_space(name):
    kit.check(spaces.load(name), samples=30)


@pytest.mark.parametrize("name", spaces.names())
def test_samples_train(name):
    # Among so many some have a block that nothing reads.
    for seed in range(8):
        made = spaces.load(name)
        side = 16 if name == "vit" else 8  # the largest patch
        architecture = made.decode(made.sample(random.Random(seed))).with_input((3, side, side), 4)
        architectures.check_training(resize(architecture, width=0.25, depth=0.2))


SHIPPED = """
    amoebanet-cell case-study case-study-cell darts enas-macro enas-micro hybrid mobile nas-bench-201 nas-rnn nasnet-cell tiny vit
"""


def test_what_is_shipped():
    assert set(SHIPPED.split()) == set(spaces.names())


@pytest.mark.parametrize("name", SMALL)
def test_contract_and_count_of_small_spaces(name):
    stages, count = SMALL[name]
    made = space(stages)
    assert made.count() == count
    assert len(kit.check_count(made)) == count
    kit.check(made, samples=10)


def test_tiny_counts_what_it_has():
    # Cell: (5 operations at 2 sources) x (5 at 2) x (5 at 3), where conv, skip, sep and residual of two kinds; depth 3.
    every = kit.check_count(spaces.load("tiny"))
    assert len(every) == (5 * 2) * (5 * 2) * (5 * 3) * 3
    some = random.Random(0).sample(every, 40)
    for decisions in some:
        kit.check_decode(spaces.load("tiny"), decisions)


def test_size_of_the_nasnet_space():
    # Two cells of five blocks: for block b, 13 operations and b + 2 states twice, and 2 ways to combine.
    wanted = 1
    for block in range(5):
        wanted *= 2 * (13 * (block + 2)) ** 2
    assert spaces.load("nasnet-cell").count() == wanted**2


def test_counting_many_shared_names_is_quick():
    both = "\n".join(f"- {{block: conv3x3, width: {{choose: [4, 6, 8], name: w{i}}}}}" for i in range(60))
    start = time.perf_counter()
    assert space(f"{both}\n{both}").count() == 3**60
    assert time.perf_counter() - start < 10.0  # 2 ** 60 steps the slow way


def test_samples_are_uniform():
    made = space(SMALL["independent"][0])
    rng = random.Random(0)
    seen = Counter(tuple(made.sample(rng).values()) for _ in range(6000))
    assert len(seen) == 6
    # 1,000 wanted, deviation 29: five deviations, once in a quarter of a million for six counts, and the seed is fixed.
    assert all(abs(count - 1000) < 145 for count in seen.values())


def test_a_shared_decision_is_asked_for_once():
    class Counting:
        def __init__(self):
            self.names = []

        def choose(self, name, options):
            self.names.append(name)
            return options[len(self.names) % len(options)]

    chooser = Counting()
    architecture = space(SMALL["shared"][0]).decide(chooser)
    assert chooser.names == ["w"]
    assert architecture.stages[0][0].width == architecture.stages[1][0].width


def test_later_decisions_depend_on_earlier_ones():
    made = space(SMALL["nested"][0])
    assert list(made.choices) == ["stages[0].block", "stages[0].block.sep_conv.kernel", "stages[0].block.sep_conv.times"]
    assert made.choices["stages[0].block"] == ("conv3x3", "sep_conv")
    assert made.decode({"stages[0].block": "conv3x3"}).stages[0][0].op.name == "conv"
    chosen = {"stages[0].block": "sep_conv", "stages[0].block.sep_conv.kernel": 7, "stages[0].block.sep_conv.times": 1}
    assert made.decode(chosen).stages[0][0].op.kernel == 7
    assert made.encode({"stages[0].block": "conv3x3"}) == (1, 0, 0)
    assert made.encode(chosen) == (2, 3, 1)


def test_mutation_reaches_every_option_and_changes_one_decision():
    made = spaces.load("tiny")
    parent = made.sample(random.Random(1))
    children = [made.mutate(parent, random.Random(seed)) for seed in range(400)]
    reached = {(name, child[name]) for child in children for name in child if name not in parent or child[name] != parent[name]}
    wanted = {(name, option) for name in parent for option in made.choices[name] if option != parent[name]}
    assert wanted <= reached


def test_mutation_of_nothing_to_change_is_a_typed_error():
    made = space(SMALL["one option"][0])
    with pytest.raises(SpaceError, match="no decision of space 't' has a second option"):
        made.mutate(made.sample(random.Random(0)), random.Random(0))


def test_the_template_is_shared_and_never_changed():
    made = spaces.load("tiny")
    text, first = made.to_yaml(), made.sample(random.Random(0))
    before = made.decode(first).digest
    for seed in range(50):
        made.decode(made.sample(random.Random(seed)))
    assert (made.to_yaml(), made.decode(first).digest) == (text, before)


def test_another_input_and_number_of_classes():
    made = spaces.load("tiny").with_input((1, 16, 12), 3)
    architecture = made.decode(made.sample(random.Random(0)))
    assert (architecture.input, architecture.classes) == ((1, 16, 12), 3)
    assert made.choices == spaces.load("tiny").choices


def test_recording_wraps_any_chooser():
    made = spaces.load("tiny")
    recorder = Recorder(RandomChooser(random.Random(4)))
    architecture = made.decide(recorder)
    assert made.decode(recorder.decisions) == architecture


class TestLoad:
    def test_by_path(self, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text(spaces.load("tiny").to_yaml())
        assert spaces.load(path).choices == spaces.load(str(path)).choices == spaces.load("tiny").choices

    def test_a_space_is_itself(self):
        made = spaces.load("tiny")
        assert spaces.load(made) is made

    def test_unknown_name(self):
        with pytest.raises(UnknownNameError, match=r"unknown space 'nasnet-cel'; nearest: nasnet-cell"):
            spaces.load("nasnet-cel")

    def test_errors_name_the_file(self, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text(nas.load("resnet50").to_yaml())
        with pytest.raises(SpaceError, match=r"mine\.yaml: no field of this architecture is open"):
            spaces.load(path)
        path.write_text("a: [")
        with pytest.raises(NasError, match=r"mine\.yaml: not YAML at line"):
            spaces.load(path)
        with pytest.raises(NasError, match=r"cannot read .*other\.yaml"):
            spaces.load(tmp_path / "other.yaml")

    def test_torch_is_not_imported(self):
        work = "x = nas.spaces.load('nasnet-cell'); x.decode(x.sample(random.Random(0))).cost()"
        program = f"import random, sys, nas.spaces; {work}; print({{'torch', 'numpy'}} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


SEPARABLE = {"stages[0].block": "sep_conv", "stages[0].block.sep_conv.kernel": 3, "stages[0].block.sep_conv.times": 1}


@pytest.mark.parametrize(
    ("decisions", "says"),
    [
        ({}, r"decision 'stages\[0\].block' is missing; allowed: conv3x3, sep_conv"),
        ({"stages[0].block": "sep_conv"}, r"kernel' is missing; allowed: 3, 5, 7"),
        ({"stages[0].block": "conv"}, r"'conv'; allowed: conv3x3, sep_conv"),
        ({"stages[0].block": None}, "=None; allowed"),
        ({"stages[0].block": ["conv3x3"]}, "; allowed"),
        ({"stages[0].block": "conv3x3", "x": 1}, r"decision 'x' is no decision of space 't'"),
        ({"stages[0].block": "conv3x3", "stages[0].block.sep_conv.times": 1}, "a decision that these others do not lead to"),
        (SEPARABLE | {"stages[0].block.sep_conv.kernel": 3.0}, "=3.0; allowed: 3, 5, 7"),
        (SEPARABLE | {"stages[0].block.sep_conv.times": True}, "=True; allowed: 1, 2"),
    ],
)
def test_decisions_that_do_not_belong(decisions, says):
    with pytest.raises(SpaceError, match=says):
        space(SMALL["nested"][0]).decode(decisions)


@pytest.mark.parametrize("vector", [(), (1,), (1, 1, 1), (3, 0, 0), (-1, 0, 0), (0, 0, 0), (2, 0, 0), (1, 0, 0, 0)])
def test_vectors_that_do_not_belong(vector):
    with pytest.raises(SpaceError):
        space(SMALL["nested"][0]).decode_vector(vector)


class TestKit:
    """The kit finds spaces that break the contract."""

    def test_a_wrong_count(self, monkeypatch):
        made = space(SMALL["nested"][0])
        monkeypatch.setattr(Space, "count", lambda self: 8)
        with pytest.raises(AssertionError, match="counts 8 candidates and has 7"):
            kit.check_count(made)

    def test_an_option_that_fits_no_network(self):
        made = space("- {block: {conv: {groups: {choose: [1, 7]}}}, width: 8}")
        with pytest.raises((AssertionError, NasError), match="groups=7"):
            kit.check(made)

    def test_a_mutation_that_changes_nothing(self, monkeypatch):
        monkeypatch.setattr(Space, "mutate", lambda self, decisions, rng: dict(decisions))
        with pytest.raises(AssertionError, match="changed nothing"):
            kit.check(space(SMALL["nested"][0]))

    def test_a_mutation_that_spoils_the_parent(self, monkeypatch):
        monkeypatch.setattr(Space, "mutate", lambda self, decisions, rng: decisions.clear() or decisions)
        with pytest.raises(AssertionError, match="changed the parent"):
            kit.check(space(SMALL["nested"][0]))
