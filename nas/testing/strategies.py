"""The contract of a search strategy, to hold one's own strategy to:

    from nas.testing import strategies
    strategies.check(lambda space, seed: MyStrategy(space, seed), nas.spaces.load("tiny"))

One that takes several objectives is held to it with some number of them as well: `check(..., objectives=2)`.
Each check raises `AssertionError` that says what was asked, what came, and what the contract is.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.strategies.base import Lasting, Strategy, Trial
from nas.tensors import read_tensors

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

Factory = Callable[["Space", int], Strategy]
Objective = Callable[[Mapping[str, "Option"]], float | tuple[float, ...] | None]
LENGTHS = (0, 1, 7, 25, 60)  # of the histories after which a restart is tried: empty, warming up, well under way


def check(factory: Factory, space: Space, objectives: int = 1) -> None:
    """Hold the strategy of `factory(space, seed)` to the whole contract, with that many objectives.

    Raises `AssertionError` at the first breach. A second process with another hash seed is beyond a function call:
    compare `first_asks` there.
    """
    check_proposals_lie_in_the_space(factory, space, objectives)
    check_asking_changes_nothing(factory, space, objectives)
    check_restart(factory, space, objectives)
    check_snapshot(factory, space, objectives)
    check_survives_bad_tells(factory, space, objectives)
    check_duplicates_are_ignored(factory, space, objectives)
    check_history_is_left_alone(factory, space, objectives)
    check_learns_from_others(factory, space, objectives)
    check_seeds_differ(factory, space, objectives)


def check_proposals_lie_in_the_space(factory: Factory, space: Space, objectives: int = 1) -> None:
    """Every proposal decodes to an architecture and consists of options of the space."""
    for trial in run(factory(space, 0), separable(space, 0, objectives), 60):
        _require(space.fits(trial.decisions), f"ask({trial.number}) proposed what the limits of the space forbid: {trial.decisions}")
        for name, option in trial.decisions.items():
            allowed = space.choices.get(name, ())
            _require(option in allowed, f"ask({trial.number}) proposed {name}={option!r}; allowed: {allowed}")
        space.decode(trial.decisions)


def check_asking_changes_nothing(factory: Factory, space: Space, objectives: int = 1) -> None:
    """Asks are pure: in any order, any number of times, they give the same, and what is returned may be changed."""
    strategy = factory(space, 0)
    run(strategy, separable(space, 0, objectives), 30)
    before = {number: dict(strategy.ask(number).decisions) for number in range(30, 36)}
    for number in (35, 30, 33, 33, 31, 34, 32):
        decisions = strategy.ask(number).decisions
        _same(decisions, before[number], f"ask({number}) when asked again")
        decisions.clear()
    _same(strategy.ask(33).decisions, before[33], "ask(33) after the caller emptied what it had been given")


def check_restart(factory: Factory, space: Space, objectives: int = 1, lengths: Iterable[int] = LENGTHS) -> None:
    """`create` and `tell` of the history, completed out of order, is the strategy that was never stopped."""
    for length in lengths:
        strategy = factory(space, 3)
        history = run(strategy, separable(space, 1, objectives), length, workers=3)
        _same_strategy(strategy, replayed(factory, space, 3, history), length, f"after a restart with {length} trials")


def check_snapshot(factory: Factory, space: Space, objectives: int = 1, lengths: Iterable[int] = LENGTHS) -> None:
    """If it keeps its state: `restore` and then `tell` of the rest is the strategy that was told all; taking it changes nothing.

    And it is plain data, which can be read back without running anything.
    """
    if not isinstance(factory(space, 9), Lasting):
        return
    for length in lengths:
        strategy, objective = factory(space, 9), separable(space, 4, objectives)
        history = run(strategy, objective, length, workers=3)
        other = factory(space, 9)
        state = strategy.snapshot() if isinstance(strategy, Lasting) else None
        if state is None:
            continue
        other.restore(_read_back(state), history)  # type: ignore[attr-defined]
        _same_strategy(strategy, other, length, f"after a snapshot of {length} trials")
        samples = [space.sample(random.Random(f"more:{number}")) for number in range(length, length + 25)]
        for number, decisions in enumerate(samples, start=length):
            strategy.tell(told(number, decisions, objective(decisions)))
            other.tell(told(number, decisions, objective(decisions)))
        _same_strategy(strategy, other, length + 25, f"25 trials after a snapshot of {length}")


def _read_back(state: dict[str, Any]) -> dict[str, Any]:
    """As a file gives it back, by a loader that runs nothing."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    found: dict[str, Any] = read_tensors(buffer.getvalue())
    return found


def check_survives_bad_tells(factory: Factory, space: Space, objectives: int = 1) -> None:
    """Failed, NaN, infinite and enormous values, numbers never asked for, and tells long after the ask."""
    strategy, rng = factory(space, 5), random.Random("bad")
    values = (None, math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, 1e-320, 0.5)
    late = told(0, strategy.ask(0).decisions, (0.25,) * objectives)
    history = [told(1000 + index, space.sample(rng), _bad(values, index, objectives)) for index in range(45)] + [late]
    for trial in history:
        strategy.tell(trial)
        space.decode(strategy.ask(trial.number + 1).decisions)
    _same_strategy(strategy, replayed(factory, space, 5, history), 2000, "after a restart with failed and late trials")
    only_failures = [Trial(number, space.sample(rng), None) for number in range(60)]
    space.decode(replayed(factory, space, 5, only_failures).ask(60).decisions)


def check_duplicates_are_ignored(factory: Factory, space: Space, objectives: int = 1) -> None:
    """A number that is told twice counts once, so that a history with and without the repetition agree."""
    strategy = factory(space, 6)
    history = run(strategy, separable(space, 2, objectives), 40)
    twice = [trial for trial in history for _ in range(2)]
    _same_strategy(strategy, replayed(factory, space, 6, twice), 40, "when every trial is told twice")


def check_history_is_left_alone(factory: Factory, space: Space, objectives: int = 1) -> None:
    """A parent's decisions are not changed by making children of it."""
    samples = [space.sample(random.Random(number)) for number in range(60)]
    history = [told(number, each, (float(number % 7), *[float(number % 5)] * (objectives - 1))) for number, each in enumerate(samples)]
    copies = [dict(trial.decisions) for trial in history]
    strategy = replayed(factory, space, 7, history)
    for number in range(60, 90):
        strategy.ask(number).decisions.clear()
    for trial, copy in zip(history, copies, strict=True):
        _same(trial.decisions, copy, f"decisions told as trial {trial.number}")


def check_learns_from_others(factory: Factory, space: Space, objectives: int = 1) -> None:
    """Decisions may come from another strategy, and from a storage that forgot in which order they were made."""
    rng, objective = random.Random("others"), separable(space, 3, objectives)
    samples = [space.sample(rng) for _ in range(60)]
    history = [told(number, decisions, objective(decisions)) for number, decisions in enumerate(samples)]
    shuffled = [Trial(t.number, dict(sorted(t.decisions.items(), reverse=True)), t.value, t.values) for t in history]
    given, other = replayed(factory, space, 8, history), replayed(factory, space, 8, shuffled)
    space.decode(given.ask(60).decisions)
    _same_strategy(given, other, 60, "when the decisions of the history are in another order")


def check_seeds_differ(factory: Factory, space: Space, objectives: int = 1) -> None:
    """Another seed proposes other candidates, and another number another candidate (unless the space has only one)."""
    if space.count() == 1:
        return
    one, other = first_asks(factory, space, 0, 20), first_asks(factory, space, 1, 20)
    _require(one != other, "seeds 0 and 1 propose the same first 20 candidates")
    _require(any(decisions != one[0] for decisions in one), "asks 0 to 19 all propose the same candidate")


def first_asks(factory: Factory, space: Space, seed: int, count: int, told: int = 0) -> list[Decisions]:
    """The first `count` asks after a search of `told` trials: for golden files and for comparing processes."""
    strategy = factory(space, seed)
    run(strategy, separable(space, seed), told)
    return [strategy.ask(number).decisions for number in range(told, told + count)]


def run(strategy: Strategy, objective: Objective, count: int, workers: int = 1) -> list[Trial]:
    """Search for `count` trials on `workers` that finish in a shuffled order; the trials in the order of completion."""
    history: list[Trial] = []
    flying: list[Trial] = []
    rng = random.Random("completion")
    for number in range(count):
        proposal = strategy.ask(number)
        flying.append(told(number, proposal.decisions, objective(proposal.decisions), proposal.fraction))
        while len(flying) >= workers or (flying and number == count - 1):
            history.append(flying.pop(rng.randrange(len(flying))))
            strategy.tell(history[-1])
    return history


def replayed(factory: Factory, space: Space, seed: int, history: Iterable[Trial]) -> Strategy:
    """A restart: a new strategy that was told `history`."""
    strategy = factory(space, seed)
    for trial in history:
        strategy.tell(trial)
    return strategy


def told(number: int, decisions: Decisions, result: float | tuple[float, ...] | None, fraction: float = 1.0) -> Trial:
    """The trial of a result: one number, one an objective, or None where it failed."""
    if isinstance(result, tuple):
        return Trial(number, decisions, result[0], result, fraction)
    return Trial(number, decisions, result, fraction=fraction)


def _bad(values: Sequence[float | None], index: int, objectives: int) -> float | tuple[float, ...] | None:
    """Every value in every place, among good ones."""
    value = values[index % len(values)]
    if value is None or objectives == 1:
        return value
    numbers = [0.5] * objectives
    numbers[index % objectives] = value
    return tuple(numbers)


def separable(space: Space, seed: int, objectives: int = 1) -> Any:
    """An objective in [0, 1]: the mean over the decisions of a random worth of each option, keyed by `seed`.

    What is not of the space is worth 0. With several objectives a tuple of such numbers, which have nothing in common.
    """
    if objectives > 1:
        several = [separable(space, seed + 1000 * index) for index in range(objectives)]
        return lambda decisions: tuple(each(decisions) for each in several)
    worth = {
        (name, option): random.Random(f"worth:{seed}:{name}:{index}").random()
        for name, options in space.choices.items()
        for index, option in enumerate(options)
    }

    def objective(decisions: Mapping[str, Option]) -> float:
        return math.fsum(worth.get(each, 0.0) for each in decisions.items()) / max(1, len(decisions))

    return objective


def _same_strategy(one: Strategy, other: Strategy, number: int, when: str) -> None:
    for each in range(number, number + 5):
        _same(other.ask(each).decisions, one.ask(each).decisions, f"ask({each}) {when}")
        _require(other.ask(each) == one.ask(each), f"ask({each}) {when} has another origin: {other.ask(each)}; expected {one.ask(each)}")


def _same(found: Mapping[str, Option], expected: Mapping[str, Option], what: str) -> None:
    _require(list(found.items()) == list(expected.items()), f"{what} is {dict(found)}; expected {dict(expected)}")


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(message)
