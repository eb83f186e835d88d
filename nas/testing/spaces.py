"""The contract of a search space, to hold one's own YAML file to:

    from nas.testing import spaces
    spaces.check(nas.spaces.load("my-space.yaml"))

Each check raises `AssertionError` that says what was asked and what came.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import NamedTuple

from nas.arch import Architecture
from nas.arch.text import parse
from nas.errors import NasError, SpaceError
from nas.measures import measure
from nas.scale import Coefficients
from nas.spaces import Decisions, Option, Space
from nas.spaces.form import form, resolve


def check(space: Space, samples: int = 50, seed: int = 0) -> None:
    """Hold a space to the whole contract with `samples` random candidates. Raises `AssertionError` at the first breach."""
    made = [space.sample(random.Random(f"{seed}:{number}")) for number in range(samples)]
    for decisions in made:
        check_decode(space, decisions)
        check_vector(space, decisions)
    for number, decisions in enumerate(made):
        check_mutation(space, decisions, random.Random(f"{seed}:mutate:{number}"))
    check_recognise(space, made)
    check_form(space, made)
    check_subsets(space)
    check_growth(space, seed=seed)
    check_limits(space, made, seed)
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


def check_form(space: Space, made: list[Decisions]) -> None:
    """Its form, through JSON, makes the networks that the space makes; a space without one scales them further."""
    written = json.loads(json.dumps(form(space)))
    _require(written is not None or space.scales, f"{space.name} has no form")
    for decisions in made if written is not None else []:
        found = Architecture.from_dict(resolve(written, decisions))
        _require(found.digest == space.decode(decisions).digest, f"{space.name}: the form makes another network of {decisions}")


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


def check_recognise(space: Space, made: list[Decisions]) -> None:
    """A decoded network lies in the space: the decisions found for it lead to it again.

    Scaling rounds and cannot be undone: what a space has scaled it may not recognise, and says so.
    """
    for decisions in made[:10]:
        architecture = space.decode(decisions)
        try:
            found = space.decode(space.recognise(architecture))
        except SpaceError:
            if space.coefficients(decisions) != Coefficients():
                continue
            raise
        _require(found == architecture, f"{space.name}: {decisions} is recognised as another network")


def check_subsets(space: Space) -> None:
    """Each member of a subset is a decision between out and in, named after the subset."""
    for name, members in space.subsets.items():
        for member in members:
            _require(member.startswith(f"{name}="), f"{space.name}: the member {member!r} is not named after its subset {name!r}")
            _require(space.choices.get(member) == (False, True), f"{space.name}: {member!r} decides {space.choices.get(member)}")


def check_growth(space: Space, horizon: int = 10**6, seed: int = 0) -> None:
    """What a trial may draw only grows, is all of the space in the end, and is kept to by samples and mutations."""
    stages = [space.at(number) for number in (0, 10, 100, 1000, 10**4, horizon)]
    for smaller, larger in itertools.pairwise(stages):
        few, more = _drawn(smaller), _drawn(larger)
        kept = all(more[name][: len(options)] == options for name, options in few.items())
        _require(kept, f"{space.name}: options that were open are closed again: {few}, {more}")
    _require(stages[-1] is space, f"{space.name} is not all open at trial {horizon}")
    for number, stage in enumerate(stages):
        _require(stage.choices == space.choices, f"{space.name} has other choices at some trial; the contract: all of them, always")
        rng, drawn = random.Random(f"{seed}:{number}"), _drawn(stage)
        decisions = stage.sample(rng)
        made = [decisions] if all(len(drawn[name]) == 1 for name in decisions) else [decisions, stage.mutate(decisions, rng)]
        for each in made:
            inside = all(option in drawn[name] for name, option in each.items())
            _require(inside, f"{space.name} draws {each}, of which only {drawn} is open")
            _require(space.ordered(each) == each, f"{space.name} does not know {each}, drawn while it grew")


def _drawn(stage: Space) -> dict[str, tuple[Option, ...]]:
    """The options that a stage of a space offers."""
    seen = dict(stage.choices)
    for size in range(max(map(len, stage.choices.values()))):
        stage.record(_Seeing(seen, size))
    return seen


class _Seeing:
    """Notes the options that it is offered and takes the one numbered `turn`, or the last."""

    def __init__(self, seen: dict[str, tuple[Option, ...]], turn: int) -> None:
        self.seen, self.turn = seen, turn

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """The option of that number."""
        self.seen[name] = options
        return options[min(self.turn, len(options) - 1)]


def check_limits(space: Space, made: list[Decisions], seed: int = 0) -> None:
    """Under a limit that half of the samples keep all samples and mutations keep it; one that nothing keeps is a typed error."""
    if space.limits:
        for decisions in made:
            _require(space.fits(decisions), f"{space.name} samples {decisions} beyond its limits")
        return
    sizes = sorted(measure(space.decode(decisions), "params") for decisions in made)
    bound = sizes[len(sizes) // 2]
    if bound > sizes[0]:
        limited, rng = space.within({"params": bound}), random.Random(f"{seed}:limits")
        for _ in range(3):
            parent = limited.sample(rng)
            for each in (parent, limited.mutate(parent, rng)):
                found = measure(space.decode(each), "params")
                _require(found <= bound, f"{space.name} within {bound:g} parameters gives {each} with {found}")
    try:
        space.within({"params": 0}).sample(random.Random(seed))
    except SpaceError as error:
        _require("params" in str(error), f"{space.name} within limits that nothing keeps says {error}; the contract: names the limit")
    else:
        raise AssertionError(f"{space.name} samples a network without parameters")


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
