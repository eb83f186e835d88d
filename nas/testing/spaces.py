"""The contract of a search space, to hold one's own YAML file to:

    from nas.testing import spaces
    spaces.check(nas.spaces.load("my-space.yaml"))

Each check raises `AssertionError` that says what was asked and what came.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from nas.arch import Architecture
from nas.arch.text import parse
from nas.errors import NasError, SpaceError
from nas.spaces import Decisions, Option, Space


def check(space: Space, samples: int = 50, seed: int = 0) -> None:
    """Hold a space to the whole contract with `samples` random candidates. Raises `AssertionError` at the first breach."""
    made = [space.sample(random.Random(f"{seed}:{number}")) for number in range(samples)]
    for decisions in made:
        check_decode(space, decisions)
        check_vector(space, decisions)
    for number, decisions in enumerate(made):
        check_mutation(space, decisions, random.Random(f"{seed}:mutate:{number}"))
    check_yaml(space, samples, seed)
    check_distinct(space, made)
    _require(space.count() >= len({tuple(d.items()) for d in made}), f"{space.name} counts fewer candidates than were sampled")


def check_decode(space: Space, decisions: Decisions) -> Architecture:
    """Decisions are options of the space and lead to a network that lowers, and that is the same each time."""
    for name, option in decisions.items():
        _require(name in space.choices, f"{space.name}: the decision {name!r} is none of its choices")
        known = [(type(each), each) for each in space.choices[name]]
        _require((type(option), option) in known, f"{space.name}: {name}={option!r} is none of {space.choices[name]}")
    architecture = space.decode(decisions)
    _require(space.decode(dict(reversed(decisions.items()))) == architecture, f"{space.name}: the order of {decisions} matters")
    _require(Architecture.from_yaml(architecture.to_yaml()) == architecture, f"{space.name}: {decisions} is another network after YAML")
    _require(architecture.cost().params > 0, f"{space.name}: {decisions} has no parameters")
    return architecture


def check_vector(space: Space, decisions: Decisions) -> None:
    """Encoded and decoded again the decisions are the same, in the same order."""
    vector = space.encode(decisions)
    _require(len(vector) == len(space.choices), f"{space.name}: a vector of {len(vector)} numbers for {len(space.choices)} choices")
    found = space.decode_vector(vector)
    _require(list(found.items()) == list(decisions.items()), f"{space.name}: {decisions} encoded and decoded is {found}")


def check_mutation(space: Space, parent: Decisions, rng: random.Random) -> None:
    """A child is valid, differs from its parent, and leaves the parent as it was."""
    before = list(parent.items())
    if all(len(space.choices[name]) == 1 for name in parent):
        return
    child = space.mutate(parent, rng)
    _require(list(parent.items()) == before, f"{space.name}: mutation changed the parent")
    _require(list(child.items()) != before, f"{space.name}: mutation of {parent} changed nothing")
    check_decode(space, child)
    changed = [name for name in parent if name in child and child[name] != parent[name]]
    _require(len(changed) == 1, f"{space.name}: mutation changed the decisions {changed} of {parent}; the contract: one")


def check_yaml(space: Space, samples: int = 20, seed: int = 0) -> None:
    """Written and read again it has the same choices, count, samples and networks."""
    copy = Space(parse(space.to_yaml()))
    _require(list(copy.choices.items()) == list(space.choices.items()), f"{space.name} has other choices after YAML")
    _require(copy.count() == space.count() and copy.name == space.name, f"{space.name} has another name or count after YAML")
    for number in range(samples):
        one, other = (each.sample(random.Random(f"{seed}:{number}")) for each in (space, copy))
        _require(list(one.items()) == list(other.items()), f"{space.name} samples otherwise after YAML: {one} and {other}")
        _require(space.decode(one) == copy.decode(one), f"{space.name}: {one} is another network after YAML")


def check_distinct(space: Space, made: list[Decisions]) -> None:
    """A missing, an unknown and an impossible decision are typed errors."""
    decisions = made[0]
    first = next(iter(decisions))
    missing = {name: option for name, option in decisions.items() if name != first}
    bad = (missing, {**decisions, "no such decision": 1}, {**decisions, first: "no such option"})
    for each in bad:
        try:
            space.decode(each)
        except SpaceError:
            continue
        raise AssertionError(f"{space.name} decodes {each}; the contract: a SpaceError")


def check_count(space: Space, limit: int = 20_000) -> list[Decisions]:
    """`count` is the number of sequences that trying all of them finds, each different. For spaces of up to `limit`."""
    _require(space.count() <= limit, f"{space.name} counts {space.count()} candidates; too many to try, the limit is {limit}")
    every = list(enumerate_all(space))
    _require(len(every) == space.count(), f"{space.name} counts {space.count()} candidates and has {len(every)}")
    different = {tuple((name, type(option), option) for name, option in each.items()) for each in every}
    _require(len(different) == len(every), f"{space.name}: two sequences of decisions are the same")
    met = {name for each in every for name in each}
    _require(met == set(space.choices), f"{space.name} has choices that no sequence meets: {set(space.choices) - met}")
    return every


def enumerate_all(space: Space) -> Iterator[Decisions]:
    """All decision sequences, by trying every option at every turn (depth first)."""
    open_: list[tuple[int, ...]] = [()]
    while open_:
        prefix = open_.pop()
        path = _Path(prefix, [])
        try:
            decisions = space.record(path)
        except NasError as error:
            raise AssertionError(f"{space.name}: a sequence of decisions fits no network: {error}") from None
        yield decisions
        for depth in range(len(prefix), len(path.sizes)):
            chosen = (*prefix, *[0] * (depth - len(prefix)))
            open_ += [(*chosen, index) for index in range(1, path.sizes[depth])]


class _Path(NamedTuple):
    """Decides by `indices`, and by the first option beyond them; notes how many options there were."""

    indices: tuple[int, ...]
    sizes: list[int]

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """The option of this turn."""
        turn = len(self.sizes)
        self.sizes.append(len(options))
        return options[self.indices[turn] if turn < len(self.indices) else 0]


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(message)
