"""Words of the language of spaces beside `choose`: subsets, growing decisions, labels."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from nas.arch.text import parse
from nas.errors import SpaceError
from nas.spaces import Space
from nas.testing import spaces as kit

TOP = "name: t\ninput: [3, 8, 8]\nclasses: 4\n"
HEAD = "head: [global_pool, {block: linear, width: classes}]\n"


def space(stages, more=""):
    """A space of these stages, as YAML."""
    return Space(parse(f"{TOP}{more}stages:\n{stages}\n{HEAD}"))


CONV = "- block: {sequential: {ops: {subset: [conv3x3, conv_1x1, {sep_conv: {kernel: {choose: [3, 5], name: k}}}], name: ops}}}\n  width: 8"
BODY = "- block: {residual: {body: [conv3x3], shortcut: {subset: [conv_1x1, conv_3x3], name: way}}}\n  width: 8"
GROWING = "- {block: conv3x3, width: 8, repeat: {choose: [1, 2, 3], name: depth, grow: 100}}"
SUBSETS = {
    "closed": (BODY, 4),
    "twice": (f"{BODY}\n{BODY}", 4),
    "in a branch": (f"- {{choose: [{{block: conv3x3, width: 8}}, {{{BODY[2:].replace(chr(10) + '  ', ', ')}}}], name: b}}", 5),
}


@pytest.mark.parametrize("name", SUBSETS)
def test_contract_and_count_of_subsets(name):
    stages, count = SUBSETS[name]
    made = space(stages)
    assert made.subsets == {"way": ("way=conv_1x1", "way=conv_3x3")}
    assert made.count() == count
    assert len(kit.check_count(made)) == count
    kit.check(made, samples=10)


def test_the_value_of_a_subset_is_the_members_that_are_in():
    made = space(CONV)
    assert list(made.choices) == ["ops=conv3x3", "ops=conv_1x1", "ops=sep_conv", "k"]
    decisions = {"ops=conv3x3": True, "ops=conv_1x1": False, "ops=sep_conv": True, "k": 5}
    (step, other) = made.decode(decisions).stages[0][0].op.ops
    assert (step.op.name, other.op.name, other.op.kernel) == ("conv", "sep_conv", 5)
    assert made.recognise(made.decode(decisions)) == decisions
    assert made.count() == 4 + 4 * 2  # what is inside a member is decided where it is in


def test_members_are_in_as_often_as_out():
    made = space(BODY)
    seen = Counter(tuple(made.sample(random.Random(seed)).values()) for seed in range(2000))
    assert len(seen) == 4
    assert all(abs(count - 500) < 100 for count in seen.values())  # five deviations; the seeds are fixed


@pytest.mark.parametrize("in_order", [True, False])
def test_recognising_wants_the_order_of_the_members(in_order):
    made = space(BODY)
    other = space(BODY.replace("[conv_1x1, conv_3x3]", "[conv_1x1, conv_3x3]" if in_order else "[conv_3x3, conv_1x1]"))
    found = other.decode(dict.fromkeys(other.choices, True))
    if in_order:
        assert made.recognise(found) == dict.fromkeys(made.choices, True)
    else:
        with pytest.raises(SpaceError, match="the space has a subset there: way=conv_1x1, way=conv_3x3"):
            made.recognise(found)


class TestGrowth:
    def test_options_open_one_after_another(self):
        made = space(GROWING)
        for number, depths in ((0, {1}), (99, {1}), (100, {1, 2}), (199, {1, 2}), (200, {1, 2, 3}), (10**9, {1, 2, 3})):
            stage = made.at(number)
            assert {stage.sample(random.Random(seed))["depth"] for seed in range(40)} == depths
        kit.check(made, samples=5)

    def test_a_stage_is_made_once_and_the_last_is_the_space(self):
        made = space(GROWING)
        assert made.at(3) is made.at(50)
        assert made.at(200) is made
        assert space(BODY).at(0).name == "t"

    def test_mutation_keeps_to_the_open_options(self):
        made = space(GROWING + "\n" + CONV)
        parent = made.at(0).sample(random.Random(0))
        assert {made.at(0).mutate(parent, random.Random(seed))["depth"] for seed in range(60)} == {1}
        assert {made.at(100).mutate(parent, random.Random(seed))["depth"] for seed in range(60)} == {1, 2}

    def test_the_whole_space_is_decoded_and_recognised_at_any_time(self):
        made = space(GROWING)
        stage = made.at(0)
        assert stage.choices == made.choices
        assert stage.recognise(stage.decode({"depth": 3})) == {"depth": 3}
        assert stage.decode_vector(stage.encode({"depth": 3})) == {"depth": 3} == stage.ordered({"depth": 3})

    def test_limits_hold_while_it_grows(self):
        made = space(GROWING).within({"params": 500})
        assert made.at(500).sample(random.Random(0)) == {"depth": 1}


class TestLabels:
    def test_options_are_called_as_told(self):
        made = space("- {block: {choose: [conv3x3, {sep_conv: {kernel: 5, times: 1}}], name: b, labels: [plain, light]}, width: 8}")
        assert made.choices == {"b": ("plain", "light")}
        assert made.decode({"b": "light"}).stages[0][0].op.name == "sep_conv"
        kit.check(made, samples=5)


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("{block: conv3x3, width: {subset: [4, 6]}}", r"stages\[0\]\.width is a subset; allowed: where a list of any length stands"),
        ("{block: {conv: {kernel: {subset: [1, 3]}}}}", "kernel is a subset; allowed: where a list of any length"),
        ("{block: {residual: {body: {subset: []}}}}", r"body\.subset=\[\]; allowed: a list of 1 to 1000"),
        ("{block: {residual: {body: {subset: [norm, norm]}}}}", "subset has 'norm' twice"),
        ("{block: {residual: {body: {subset: [norm], grow: 3}}}}", "has grow beside subset; allowed: name"),
        ("{block: conv3x3, width: {choose: [4, 6], label: [a, b]}}", "has label beside choose; allowed: name, labels, grow"),
        ("{block: conv3x3, width: {choose: [4, 6], labels: [a]}}", r"labels has 1 items; allowed: 2, one an option"),
        ("{block: conv3x3, width: {choose: [4, 6], labels: [a, a]}}", "labels has 'a' twice"),
        ("{block: conv3x3, width: {choose: [4, 6], labels: a}}", "labels='a'; allowed: a list"),
        ("{block: conv3x3, width: {choose: [4, 6], grow: 0}}", "grow=0; allowed: the number of trials"),
        ("{block: conv3x3, width: {choose: [4, 6], grow: yes}}", "grow=True; allowed: the number of trials"),
    ],
)
def test_what_is_not_allowed(stage, says):
    with pytest.raises(SpaceError, match=says):
        space(f"- {stage}")


def test_one_name_grows_one_way():
    stages = "\n".join(f"- {{block: conv3x3, width: {{choose: [4, 6], name: d, grow: {trials}}}}}" for trials in (3, 4))
    with pytest.raises(SpaceError, match="decision 'd' grows otherwise elsewhere"):
        space(stages)
