"""A choice between whole networks, at the top of a space."""

from __future__ import annotations

import functools

import pytest

import nas
from nas import spaces, strategies
from nas.arch.text import parse
from nas.errors import NasError, SpaceError
from nas.spaces import Space
from nas.spaces.superposed import superposed
from nas.spaces.whole import WORDS
from nas.strategies import Context
from nas.testing import spaces as kit
from nas.testing import strategies as strategy_kit

CLASSICS = {"name": "classics", "input": [1, 32, 32], "classes": 10, "choose": ["resnet20", "ResNet-32", "lenet5"]}


def document(name):
    """A shipped space as one of several documents: what holds for the whole of a space is left out."""
    words = ("limits", "fitting", "scale")
    return {key: value for key, value in spaces.load(name).to_data().items() if key not in words}


def of_all(*names):
    """The space of these spaces."""
    return Space({"name": "several", "input": [3, 16, 16], "classes": 4, "choose": [document(name) for name in names]})


SOME = {
    "closed": lambda: Space(CLASSICS),
    "one": lambda: Space({**CLASSICS, "choose": ["resnet20"]}),
    "labelled": lambda: Space({**CLASSICS, "labels": ["small", "larger", "old"]}),
    "scaled": lambda: Space({**CLASSICS, "scale": {"choose": [[1, 1, 1], [1.2, 1.1, 1.15]], "name": "coefficients"}}),
    "growing": lambda: Space({**CLASSICS, "grow": 100}),
    "limited": lambda: Space({**CLASSICS, "limits": {"params": "300k"}}),
    "beside an open one": lambda: Space({**CLASSICS, "choose": [*CLASSICS["choose"], document("tiny")]}),
    "its open one alone": lambda: Space({**CLASSICS, "choose": [document("tiny")]}),
    "two with the same names within": lambda: of_all("tiny", "vit"),
}


@pytest.mark.parametrize("name", SOME)
def test_contract(name):
    kit.check(SOME[name](), samples=20)


def test_contract_of_all_shipped_spaces_as_one():
    made = of_all(*spaces.names())
    kit.check(made, samples=40)
    assert made.choices["network"] == spaces.names()
    assert made.count() == sum(spaces.load(name).count() for name in spaces.names() if not spaces.load(name).scales)


def test_count_is_the_sum():
    made = of_all("tiny", "nas-bench-201")
    assert len(kit.check_count(made, limit=30_000)) == spaces.load("tiny").count() + spaces.load("nas-bench-201").count()


ALONE = [name for name in strategies.names() if not strategies.find(name).phase]  # what is trained together is refused: below


@pytest.mark.parametrize("name", ALONE)
def test_every_strategy_proposes_its_networks(name):
    made = SOME["beside an open one"]()
    strategy_kit.check_proposals_lie_in_the_space(functools.partial(strategies.create, name, context=Context()), made)


def test_grid_tries_each_once():
    strategy = strategies.create("grid", Space(CLASSICS), 0, Context())
    assert {strategy.ask(number).decisions["network"] for number in range(3)} == {"resnet20", "resnet32", "lenet5"}


def test_networks_are_what_their_names_say():
    made = Space(CLASSICS)
    for name in made.choices["network"]:
        network = made.decode({"network": name})
        assert network == nas.load(name).with_input((1, 32, 32), 10)
        assert made.recognise(nas.load(name)) == {"network": name}
    with pytest.raises(SpaceError, match="'vgg16' does not lie in space 'classics': decision 'network' cannot be"):
        made.recognise(nas.load("vgg16"))


def test_the_whole_has_one_input():
    made = Space(CLASSICS).with_input((3, 64, 64), 7)
    assert {(n.input, n.classes) for n in (made.decode({"network": name}) for name in made.choices["network"])} == {((3, 64, 64), 7)}
    own = Space({key: value for key, value in CLASSICS.items() if key not in ("input", "classes")})
    assert own.decode({"network": "resnet20"}) == nas.load("resnet20")


def test_names_are_spelt_out_in_what_is_recorded():
    text = Space(CLASSICS).to_yaml()
    assert "residual_basic" in text
    assert Space(parse(text)).to_yaml() == text


def test_cells_and_decisions_are_each_documents_own():
    cell = "{cell: {nodes: [{edges: [{op: {choose: [%s], name: op}, from: 0}]}], inputs: 1}}"
    one = "{name: %s, input: [3, 8, 8], classes: 2, cells: {normal: %s}, stages: [{block: normal, width: 4}], head: %s}"
    head, choices = "[global_pool, {block: linear, width: classes}]", {"a": "conv3x3, conv_1x1", "b": "conv3x3, sep_conv_3x3, skip_connect"}
    options = ", ".join(one % (name, cell % ops, head) for name, ops in choices.items())
    made = Space(parse(f"name: two\nchoose: [{options}]"))
    assert {name: len(options) for name, options in made.choices.items()} == {"network": 2, "network=a.op": 2, "network=b.op": 3}
    kit.check(made, samples=10)


def test_it_cannot_be_many_networks_at_once():
    for name in ("closed", "beside an open one", "scaled"):
        with pytest.raises(NasError, match=r"leaves open what cannot be many things at once: .*network"):
            superposed(SOME[name]())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"choose": ["resnet20", "resnett"]}, r"unknown network 'resnett' at choose\[1\]; nearest: .*resnet"),
        ({"choose": []}, r"network.choose=\[\]; allowed: a list of 1 to 1000 options"),
        ({"choose": "resnet20"}, "network.choose='resnet20'; allowed: a list"),
        ({"choose": [3]}, r"choose\[0\]=3; allowed: the name of a network, or an architecture"),
        ({"choose": [{"stages": []}]}, r"choose\[0\].name=None; allowed: a text"),
        ({"choose": [{"name": "a", "choose": ["lenet5"]}]}, r"choose\[0\] is a choice itself; allowed: all networks in one list"),
        ({"choose": ["lenet5", {"name": "a", "stages": 3}]}, "network=a.stages=3; allowed: a list"),
        ({"choose": ["lenet5", {"name": "a"}]}, "network=a lacks 'stages'"),
        ({"choose": ["lenet5", {"name": "a", "cells": [], "stages": []}]}, "network=a.cells is not a mapping"),
        ({"choose": ["lenet5", {"name": "a", "stages": ["conv3x4"]}]}, r"'conv3x4' at network=a.stages\[0\].block; nearest: conv3x3"),
        ({"choose": ["lenet5", "lenet5"]}, "choose has two networks called 'lenet5'; allowed: different names, or labels"),
        ({"choose": ["lenet5", {**nas.load("lenet5").to_dict(), "name": "a"}]}, "lenet5 and a are one network; allowed: different ones"),
        ({"labels": ["a", "b"]}, "network.labels has 2 items; allowed: 3, one an option"),
        ({"labels": ["a", "b", "b"]}, "network.labels has 'b' twice"),
        ({"stages": []}, f"the top level has stages beside choose; allowed: {', '.join(WORDS)}"),
        ({"name": ["a"]}, "the name of a space is open; allowed: a text"),
    ],
)  # fmt: skip
def test_mistakes_name_the_place(changes, match):
    with pytest.raises(SpaceError, match=match):
        Space({**CLASSICS, **changes})


def test_what_has_no_name():
    with pytest.raises(SpaceError, match="the top level lacks 'name'"):
        Space({"choose": ["resnet20"]})
