"""Exhaustive, local and predicted search, the choice among strategies, and which networks are the same."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest

import nas.spaces
from nas.errors import NasError, SpaceError
from nas.primitives import CellGraph
from nas.spaces import Space
from nas.spaces.canonical import canonical, cell_form
from nas.strategies import Context, Trial, auto, create
from nas.strategies.flight import Flights
from nas.strategies.grid import shuffled
from nas.strategies.surrogate import Distances, Process, Table, likely, targets
from nas.testing import strategies as kit

EDGES = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")
SHORT = {"n": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3", "p": "avg_pool_3x3"}


@functools.cache
def bench():
    return nas.spaces.load("nas-bench-201")


@functools.cache
def tiny():
    return nas.spaces.load("tiny")


def small(widths):
    """A space of one decision."""
    head = ["global_pool", {"block": "linear", "width": "classes"}]
    return Space({"name": "s", "input": [3, 8, 8], "classes": 2, "stages": [{"block": "conv", "width": {"choose": widths}}], "head": head})


def form(letters):
    """The canonical form of a cell of NAS-Bench-201, its operations in the order of `EDGES`."""
    return canonical(bench().decode({edge: SHORT[letter] for edge, letter in zip(EDGES, letters, strict=True)}))


def cell(*nodes, **fields):
    """A cell of nodes, each a list of (operation, source)."""
    edges = [[{"op": op, "from": source} for op, source in node] for node in nodes]
    space = {"name": "x", "input": [3, 8, 8], "classes": 2, "cells": {"c": {"cell": {"nodes": edges, **fields}}}, "stages": ["c"]}
    from nas.arch import Architecture

    return Architecture.from_dict(space).cells[0].op


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3nnnnn", "nnnnnn"),  # nothing reaches the output
        ("33nn3n", "3nnn3n"),  # state 2 is not read
        ("3nnn3n", "n3nnn3"),  # the chain goes through state 2 instead of state 1
        ("s3nnn3", "n3nnn3"),  # state 1 is read by none
        ("snnn3n", "nnn3nn"),  # identity, then a convolution
        ("3sn1sp", "s3n1ps"),  # states 1 and 2 change places
        ("n31ps3", "n33ps3"),  # an operation on zeros
        ("3ns13n", "33n1n3"),
        ("33p1ps", "31p3ps"),  # sums of sums: which state a term goes through does not count
    ],
)
def test_networks_that_compute_the_same_have_one_form(one, other):
    assert form(one).key == form(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3nnn3n", "3nnn1n"),
        ("3nnn1n", "1nnn3n"),  # another order
        ("nnnsnn", "nnnnnn"),
        ("ssnnss", "snnnsn"),  # the input twice
        ("3s1nn1", "3n1nn1"),
    ],
)
def test_networks_that_differ_have_different_forms(one, other):
    assert form(one).key != form(other).key


def test_what_is_learnt_once_is_not_what_is_learnt_twice():
    shared = cell([("conv_3x3", 0)], [("conv_1x1", 1), ("conv_1x1", 1)], inputs=1, output=[2])
    apart = cell([("conv_3x3", 0)], [("conv_3x3", 0)], [("conv_1x1", 1), ("conv_1x1", 2)], inputs=1, output=[3])
    assert cell_form(shared).key != cell_form(apart).key
    pools = cell([("avg_pool_3x3", 0)], [("avg_pool_3x3", 0)], [("conv_1x1", 1), ("conv_1x1", 2)], inputs=1, output=[3])
    pool = cell([("avg_pool_3x3", 0)], [("conv_1x1", 1), ("conv_1x1", 1)], inputs=1, output=[2])
    assert cell_form(pools).key == cell_form(pool).key  # nothing to learn: one pool is as good as two


def test_identity_on_a_strided_edge_is_no_identity():
    one = cell([("skip_connect", 0), ("conv_3x3", 1)])
    other = cell([("skip_connect", 0)], [("skip_connect", 2), ("conv_3x3", 1)], output=[3])
    assert cell_form(one, False).key == cell_form(other, False).key
    assert cell_form(one, True).key == cell_form(other, True).key  # behind it the map has its size
    twice = cell([("skip_connect", 0)], [("skip_connect", 0)], [("conv_3x3", 2), ("conv_1x1", 3)], output=[4])
    single = cell([("skip_connect", 0)], [("conv_3x3", 2), ("conv_1x1", 2)], output=[3])
    assert cell_form(twice, False).key == cell_form(single, False).key
    assert cell_form(twice, True).key != cell_form(single, True).key  # two reductions learn two things


def test_order_of_states_and_edges_does_not_count():
    space, rng = nas.spaces.load("nasnet-cell"), random.Random(0)
    for _ in range(20):
        made = space.decode(space.sample(rng))
        op = made.cells[0].op
        assert isinstance(op, CellGraph)
        turned = tuple(type(node)(tuple(reversed(node.edges)), node.combine) for node in op.nodes)
        assert cell_form(CellGraph(turned, unused_inputs=True)).key == cell_form(op).key


def test_classes_of_nas_bench_201():
    """Of all 15,625 cells 5,260 are different; of the first 1,000 of a grid these.

    The benchmark's own count is 6,466 (arXiv 2001.00326): it keeps apart sums that are written otherwise, and takes a
    state read twice for two states that learn apart.
    """
    space = bench()
    grid = create("grid", space, 0)
    keys = {canonical(space.decode(grid.ask(number).decisions)).key for number in range(1000)}
    assert len(keys) == 577


def test_grid_visits_every_architecture_once_and_then_again():
    for space in (tiny(), bench()):
        grid, count = create("grid", space, 3), space.count()
        seen = [frozenset(grid.ask(number).decisions.items()) for number in range(count)]
        assert len(set(seen)) == count
        assert grid.ask(count).decisions == grid.ask(0).decisions
        assert create("grid", space, 4).ask(0) != grid.ask(0)


def test_grid_keeps_within_limits():
    space = small([4, 8, 16, 32, 64]).within({"params": 1500})
    grid = create("grid", space, 0)
    seen = [grid.ask(number).decisions["stages[0].width"] for number in range(7)]
    assert sorted(seen[:4]) == [4, 8, 16, 32]
    assert seen[4:] == seen[:3]
    with pytest.raises(SpaceError, match="no architecture within its limits among all 2"):
        create("grid", small([8, 16]).within({"params": 1}), 0).ask(0)


def test_grid_refuses_a_large_space():
    with pytest.raises(NasError, match=r"strategy grid: space 'nasnet-cell' has 5.23e\+36 architectures; allowed: at most 1,000,000"):
        create("grid", nas.spaces.load("nasnet-cell"), 0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_shuffled_is_a_permutation(size):
    assert sorted(shuffled(index, size, [1, 2, 3, 4]) for index in range(size)) == list(range(size))


def test_flights_are_the_untold_numbers_before():
    flights = Flights()
    assert flights.ahead(3) == 3
    assert flights.land(Trial(1, {}, 1.0))
    assert not flights.land(Trial(1, {}, 2.0))
    assert (flights.ahead(3), flights.told) == (2, 1)


def test_local_search_moves_at_the_first_improvement_and_restarts_when_none_is_left():
    space = bench()
    objective = kit.separable(space, 1)
    strategy, at = create("local", space, 0, starts=1, same=0), None
    restarts = moves = 0
    for number in range(200):
        proposal = strategy.ask(number)
        value = objective(proposal.decisions)
        if proposal.how == "neighbour":
            assert at is not None
            assert proposal.parent == at.number
            assert sum(at.decisions[name] != option for name, option in proposal.decisions.items()) == 1
        elif number:
            restarts += 1
        if at is None or value > at.value or proposal.how == "sample":
            moves += 1
            at = Trial(number, proposal.decisions, value)
        strategy.tell(Trial(number, proposal.decisions, value))
    assert restarts >= 2
    assert moves > 10


def test_local_search_never_tries_the_same_network_twice():
    space = bench()
    strategy = create("local", space, 0)
    history = kit.run(strategy, kit.separable(space, 0), 150)
    keys = [canonical(space.decode(trial.decisions)).key for trial in history[10:]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ["local", "predictor"])
def test_workers_are_given_different_networks(name):
    space = bench()
    strategy = create(name, space, 0)
    kit.run(strategy, kit.separable(space, 0), 30)
    asked = {canonical(space.decode(strategy.ask(number).decisions)).key for number in range(30, 38)}
    assert len(asked) == 8


def test_predictor_uses_what_is_known_without_training():
    space = bench()
    score = kit.separable(space, 5)
    noise = {edge: random.Random(edge).random() for edge in EDGES}

    def objective(decisions):
        return score(decisions) ** 3 - 0.01 * noise["0>1"]

    def best(features):
        strategy = create("predictor", space, 0, Context(features=features), pool=60)
        return max(trial.value for trial in kit.run(strategy, objective, 16))

    assert best(lambda decisions: (score(decisions), float("nan"))) >= best(None)


def test_predictor_learns_to_avoid_failures():
    space = bench()

    def failing(decisions):
        return None if decisions["0>3"] in ("none", "nor_conv_1x1") else kit.separable(space, 2)(decisions)

    history = kit.run(create("predictor", space, 0, pool=40), failing, 40)
    assert sum(trial.value is None for trial in history[20:]) <= 3


def test_predictor_goes_on_after_more_trials_than_it_learns_from():
    space, rng = bench(), random.Random(0)
    objective = kit.separable(space, 0)
    history = [Trial(number, decisions := space.sample(rng), objective(decisions)) for number in range(1100)]
    one, other = (kit.replayed(functools.partial(create, "predictor", pool=20, members=1), space, 0, history) for _ in range(2))
    one.ask(1100)
    assert one.ask(1101) == other.ask(1101)
    assert objective(one.ask(1101).decisions) > 0.6


def test_targets_are_ranks_and_failures_the_worst():
    found = targets([1.0, None, 3.0, 1e300, 1.0])
    assert found[1] == found[0] == found[4] < found[2] < found[3]
    assert abs(targets([1.0, 2.0, 3.0]).sum()) < 1e-12
    assert not targets([None, None]).any()


def test_the_process_predicts_and_knows_where_it_does_not():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (60, 12)).astype(np.int8)
    values = rows[:, 0] + 0.5 * rows[:, 1] * rows[:, 2]
    train, test = Table(rows[:40], np.zeros((40, 0))), Table(rows[40:], np.zeros((20, 0)))
    from nas.strategies.encoding import Group

    distances = Distances(train, (Group("first", slice(0, 3)), Group("rest", slice(3, 12))))
    settings = likely(distances.own, values[:40], rng)
    assert settings[0].logs[0] > settings[0].logs[1]  # the first three columns are all that matters
    process = Process(distances, values[:40] - values[:40].mean(), settings[:4])
    mean, spread = process.predict(test)
    assert np.corrcoef(mean, values[40:])[0, 1] > 0.95
    assert (spread > 0).all()
    assert process.predict(train)[1].mean() <= spread.mean()


def test_auto_chooses_by_space_budget_and_objectives():
    space = tiny()
    assert auto.choose(space, Context()) == "predictor"
    assert auto.choose(space, Context(trials=100)) == "predictor"
    assert auto.choose(space, Context(trials=100_000)) == "evolution"
    assert auto.choose(space, Context(objectives=2)) == "nsga2"
    assert create("auto", space, 1, Context(objectives=2)).ask(0)
    assert auto.choose(small([8, 16]), Context(trials=2)) == "grid"
    assert auto.choose(small([8, 16]), Context(trials=1)) == "predictor"
    assert create("auto", space, 1, Context(trials=50)).ask(0) == create("predictor", space, 1).ask(0)
