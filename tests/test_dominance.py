"""Ranks, room, fronts and volumes against what they are by definition; and the strategies that are built on them."""

from __future__ import annotations

import functools
import itertools
import math
import random
from typing import Any

import pytest

from nas.strategies import Trial, create
from nas.strategies.base import Context
from nas.strategies.dominance import Front, Point, crowding, dominates, hypervolume, ranks, standing
from nas.testing import strategies as kit
from tests.test_strategies import Cell, Toy

INF = math.inf


def cloud(seed: int, count: int, objectives: int, levels: int = 6) -> list[Point]:
    """Points on a coarse grid, so that many are equal in some or all places."""
    rng = random.Random(seed)
    return [tuple(float(rng.randrange(levels)) for _ in range(objectives)) for _ in range(count)]


# ---- by definition -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((1, 2), (1, 1), True), ((1, 1), (1, 1), False), ((2, 0), (1, 1), False), ((1, 1), (2, 1), False), ((3,), (2,), True)],
)
def test_dominates(one: Point, other: Point, expected: bool) -> None:
    assert dominates(one, other) is expected


def peeled(points: list[Point]) -> list[int]:
    """Ranks as Deb et al. define them: what nobody dominates is taken away, again and again."""
    found, rank = [-1] * len(points), 0
    while -1 in found:
        left = [index for index, known in enumerate(found) if known < 0]
        best = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        for index in best:
            found[index] = rank
        rank += 1
    return found


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_ranks_and_fronts_are_those_of_the_definition(objectives: int) -> None:
    for seed in range(30):
        points = cloud(seed, 40, objectives)
        expected = peeled(points)
        assert ranks(points) == expected
        front = Front[int]()
        for index, point in enumerate(points):
            front.add(point, index)
        assert sorted(front) == [index for index, rank in enumerate(expected) if rank == 0]
        assert [points[index] for index in front] == sorted((points[index] for index in front), reverse=True)
        assert len(front) == expected.count(0)


def test_a_front_says_who_came_in() -> None:
    front = Front[str]()
    assert [front.add((1.0, 1.0), "a"), front.add((1.0, 1.0), "b"), front.add((0.0, 1.0), "c"), front.add((2.0, 0.0), "d")] == [
        True, True, False, True,
    ]  # fmt: skip
    assert list(front) == ["d", "a", "b"]
    assert front.add((2.0, 2.0), "e")
    assert list(front) == ["e"]


def test_room_by_hand() -> None:
    # ranges 4 and 8; the two in the middle have neighbours at (1 - 0) + ... as fractions of them
    assert crowding([(0.0, 8.0), (1.0, 4.0), (3.0, 2.0), (4.0, 0.0)]) == [INF, 3 / 4 + 6 / 8, 3 / 4 + 4 / 8, INF]
    assert crowding([]) == []
    assert crowding([(1.0, 1.0)]) == [INF]
    assert crowding([(1.0, 2.0)] * 4)[1:3] == [0.0, 0.0]
    assert crowding([(-1.7e308, 1.7e308), (0.0, 0.0), (1.7e308, -1.7e308)]) == [INF, 2.0, INF]
    assert standing([(0.0, 1.0), (1.0, 0.0), (-1.0, -1.0)]) == [(0, -INF), (0, -INF), (1, -INF)]


@pytest.mark.parametrize(
    ("points", "reference", "expected"),
    [
        ([], (0.0, 0.0), 0.0),
        ([(3.0,), (2.0,)], (1.0,), 2.0),
        ([(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], (0.0, 0.0), 6.0),
        ([(1.0, 3.0), (2.0, 2.0), (3.0, 1.0), (1.0, 1.0), (2.0, 2.0)], (0.0, 0.0), 6.0),
        ([(1.0, 3.0), (3.0, 1.0)], (0.0, 1.0), 2.0),
        ([(-1.0, 5.0), (5.0, -1.0), (0.0, 3.0)], (0.0, 0.0), 0.0),
        ([(2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.0, 2.0)], (0.0, 0.0, 0.0), 4.0),
        ([(2.0, 2.0, 2.0), (1.0, 1.0, 3.0)], (0.0, 0.0, 1.0), 5.0),
    ],
)
def test_hypervolume_by_hand(points: list[Point], reference: Point, expected: float) -> None:
    assert hypervolume(points, reference) == expected


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_is_the_number_of_unit_cubes_below(objectives: int) -> None:
    for seed in range(10):
        points = cloud(seed, 12, objectives, levels=5)
        corners = itertools.product(range(5), repeat=objectives)
        below = sum(any(all(x > low for x, low in zip(point, corner, strict=True)) for point in points) for corner in corners)
        assert hypervolume(points, (0.0,) * objectives) == below


# ---- strategies ----------------------------------------------------------------------------------------------------

SEVERAL = ("nsga2", "pareto-evolution")


@functools.cache
def volumes(name: str, seed: int, objectives: int) -> float:
    space = Cell(20)
    strategy = create(name, space, seed, Context(objectives=objectives))  # type: ignore[arg-type]
    history = kit.run(strategy, kit.separable(space, seed, objectives), 150, workers=2)  # type: ignore[arg-type]
    return hypervolume([trial.values for trial in history], (0.3,) * objectives)


# Whoever learnt nothing would win a seed with probability 1/2, nine of ten or all with 11 in 1,024: the odds of a false
# pass. Deterministic: it cannot fail by chance.
@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("name", SEVERAL)
def test_the_front_is_beyond_that_of_random(name: str, objectives: int) -> None:
    assert sum(volumes(name, seed, objectives) > volumes("random", seed, objectives) for seed in range(10)) >= 9


def zdt1(decisions: dict[str, Any]) -> tuple[float, float]:
    """ZDT1 (Zitzler, Deb, Thiele 2000) on six levels, turned round: larger is better."""
    first, *rest = ("abcdef".index(option) / 5 for option in decisions.values())
    far = 1 + 9 * sum(rest) / len(rest)
    return -first, -far * (1 - math.sqrt(first / far))


@pytest.mark.parametrize("name", SEVERAL)
def test_the_true_front_of_zdt1_is_found(name: str) -> None:
    """Of 7,776 networks six are the front; 300 random ones hold one of them with a probability of a fifth."""
    space = Cell(5)
    everything = [dict(zip(space.choices, options, strict=True)) for options in itertools.product("abcdef", repeat=5)]
    true = Front[Point]()
    for decisions in everything:
        true.add(zdt1(decisions), zdt1(decisions))
    assert len(true) == 6
    for seed in range(4):
        history = kit.run(create(name, space, seed, Context(objectives=2)), zdt1, 300, workers=2)  # type: ignore[arg-type]
        found = Front[Point]()
        for values in {trial.values for trial in history}:
            found.add(values, values)
        assert list(found) == list(true)


@pytest.mark.parametrize("name", SEVERAL)
def test_random_until_the_population_has_succeeded(name: str) -> None:
    space: Any = Toy()
    context = Context(objectives=2)
    strategy, plain = create(name, space, 0, context, population=5), create("random", space, 0)
    for number in range(12):
        assert strategy.ask(number) == plain.ask(number)
        strategy.tell(kit.told(number, strategy.ask(number).decisions, None if number % 3 else (1.0, 2.0)))
    strategy.tell(kit.told(12, strategy.ask(12).decisions, (2.0, 1.0)))
    assert any(strategy.ask(number) != plain.ask(number) for number in range(13, 20))


def cells(*words: str) -> list[dict[str, str]]:
    return [{f"edge{index}": letter for index, letter in enumerate(word)} for word in words]


def test_nsga2_keeps_who_is_not_dominated_and_the_ends() -> None:
    space: Any = Cell(4)
    strategy = create("nsga2", space, 0, Context(objectives=2), population=3, crossover=0.0, sample=1)
    words = cells("aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff")
    for number, (decisions, values) in enumerate(zip(words, [(0, 9), (9, 0), (5, 5), (4, 4), (4.9, 5.2), (-1, -1)], strict=True)):
        strategy.tell(Trial(number, dict(decisions), values[0], values))
    # 3 and 5 are dominated; between the ends 2 has room (9 - 4.9)/9 + (5.2 - 0)/9, and 4 only (5 - 0)/9 + (9 - 5)/9
    assert {strategy.ask(number).parent for number in range(100, 160)} == {0, 1, 2}


def test_children_of_two_parents_are_of_their_options() -> None:
    space: Any = Cell(8)
    strategy = create("nsga2", space, 0, Context(objectives=2), population=2, crossover=1.0, mutation=0.0, tries=1, sample=1)
    for number, decisions in enumerate(cells("aaaaaaaa", "bbbbbbbb")):
        strategy.tell(Trial(number, dict(decisions), float(number), (float(number), -float(number))))
    proposals = [strategy.ask(number) for number in range(50)]
    crossed = [each for each in proposals if each.how.startswith("crossover")]
    assert len(crossed) > 10
    for each in crossed:
        assert set(each.decisions.values()) == {"a", "b"}
        assert each.how == f"crossover with {1 - (each.parent or 0)}"
    for each in proposals:
        if each not in crossed:  # one parent was drawn twice
            assert each.how == "mutation"


def test_crossing_networks_of_different_decisions_gives_networks() -> None:
    space: Any = Toy()
    strategy = create("nsga2", space, 1, Context(objectives=2), population=10, crossover=1.0, mutation=0.0)
    history = kit.run(strategy, kit.separable(space, 1, 2), 80)
    assert sum("crossover" in strategy.ask(number).how for number in range(80, 120)) > 10
    for number in range(80, 120):
        space.decode(strategy.ask(number).decisions)
        parent = strategy.ask(number).parent
        assert parent is not None
        assert parent in {trial.number for trial in history}


def test_pareto_evolution_forgets_the_oldest() -> None:
    space: Any = Cell(4)
    strategy = create("pareto-evolution", space, 0, Context(objectives=2), population=2, sample=20)
    for number, decisions in enumerate(cells("aaaa", "bbbb", "cccc")):
        value = (100.0, 100.0) if number == 0 else (float(number), float(number))
        strategy.tell(Trial(number, dict(decisions), value[0], value))
    assert {strategy.ask(number).parent for number in range(10, 30)} == {2}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_long_search_keeps_its_pace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons are counted, not timed: they are among the population, however many were told."""
    calls = 0

    def counting(one: Point, other: Point) -> bool:
        nonlocal calls
        calls += 1
        return dominates(one, other)

    monkeypatch.setattr("nas.strategies.dominance.dominates", counting)
    space: Any = Cell(12)
    objective, counts = kit.separable(space, 0, 2), [0]
    strategy = create(name, space, 0, Context(objectives=2))
    for number in range(1500):
        decisions = strategy.ask(number).decisions
        strategy.tell(kit.told(number, decisions, objective(decisions)))
        if number % 500 == 499:
            counts.append(calls)
    second, third = counts[2] - counts[1], counts[3] - counts[2]
    assert 0 < third < 1.5 * second
