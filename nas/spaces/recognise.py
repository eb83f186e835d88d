"""Finding the decisions that lead to a given architecture: the inverse of deciding."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from nas.arch.codec import encode
from nas.errors import SpaceError
from nas.spaces.choosers import Decisions, Option, Replay
from nas.spaces.scaled import Scaled, every
from nas.spaces.template import Choice, Open, OpenSubset, OpenTuple, OpenValue

# What a search sets by itself, and what does not change a network.
TASK = ("input", "classes")
FREE = ("name", *TASK)
MOST = 1000  # ways that a space which scales is tried in


class Mismatch(SpaceError):
    """The value does not lie in this part of the space."""


def recognise(template: Open, architecture: Any) -> Decisions:
    """The decisions by which the template becomes the architecture; its name, input and classes are not looked at.

    Raises `Mismatch` that names the first place where the two differ.
    """
    if isinstance(template, Choice):  # several documents may lead to the same network; its name tells whose it is
        try:
            return _found(template, architecture, TASK)
        except Mismatch:
            pass
    return _found(template, architecture, FREE)


def _found(template: Open, architecture: Any, free: tuple[str, ...]) -> Decisions:
    made: Decisions = {}
    _match(template, architecture, made, "the network", free)
    return made


def _match(part: Any, value: Any, made: Decisions, where: str, free: tuple[str, ...] = ()) -> None:
    if isinstance(part, Choice):
        _match_choice(part, value, made, free)
    elif isinstance(part, OpenValue):
        if type(value) is not part.cls:
            raise Mismatch(f"{where} is {_show(value)}; the space has {part.cls.__name__} there")
        for name, wanted in part.fixed.items():
            if name not in free:
                _match(wanted, getattr(value, name), made, f"{where}.{name}")
        for name in type(value).__match_args__:  # type: ignore[attr-defined]
            if name not in part.fixed and name not in free:
                _match(_default(part.cls, name), getattr(value, name), made, f"{where}.{name}")
    elif isinstance(part, OpenTuple):
        if not isinstance(value, tuple) or len(value) != len(part.items):
            raise Mismatch(f"{where} has {len(value) if isinstance(value, tuple) else 'no'} items; the space has {len(part.items)}")
        for index, (item, own) in enumerate(zip(part.items, value, strict=True)):
            _match(item, own, made, f"{where}[{index}]")
    elif isinstance(part, OpenSubset):
        _match_subset(part, value, made, where)
    elif isinstance(part, Scaled):
        _match_scaled(part, value, made, where)
    elif part != _freed(part, value, free):
        raise Mismatch(f"{where} is {_show(value)}; the space has {_show(part)}")


def _match_subset(subset: OpenSubset, value: Any, made: Decisions, where: str) -> None:
    """Members in their order, each taken by the first value that fits it."""
    left = list(value) if isinstance(value, tuple) else [value]
    for member in subset.members:
        trial: Decisions = {**made, member.name: True}
        try:
            if not left or made.get(member.name) is False:
                raise Mismatch(where)
            _match(member.values[1], left[0], trial, where)
        except Mismatch:
            if made.setdefault(member.name, False):
                raise Mismatch(f"{where} is {_show(value)}; the decision {member.name!r} was made otherwise") from None
            continue
        made.update(trial)
        del left[0]
    if left:
        names = ", ".join(member.name for member in subset.members[:12])
        raise Mismatch(f"{where} is {_show(value)}; the space has a subset there: {names}")


def _match_scaled(part: Scaled, value: Any, made: Decisions, where: str) -> None:
    """All ways are tried, first with the input, which tells resolutions apart, then for a network of another task without.

    Scaling rounds, so it cannot be undone: where there are too many ways to try, only what has its own depth and width is known.
    """
    ways = list(_few(part, value, made, where) if part.ways() > MOST else every(part))
    ways = [way for way in ways if all(_same(made.get(name, option), option) for name, option in way[0].items())]
    for free in (("name", "classes"), FREE):
        for decisions, scaled in ways:
            if dataclasses.replace(value, **{name: getattr(scaled, name) for name in free}) == scaled:
                made.update(decisions)
                return
    raise Mismatch(f"{where} is none of the {len(ways)} that the space makes by its scales")


def _few(part: Scaled, value: Any, made: Decisions, where: str) -> Iterator[tuple[Decisions, Any]]:
    """What the base that looks like `value` becomes by the scales that leave its depth and width."""
    base = dict(made)
    try:
        _match(part.base, value, base, where, FREE)
    except Mismatch as error:
        raise Mismatch(f"{error} (among more than {MOST} networks those that are scaled in depth or width are not recognised)") from None
    kept = [decisions for decisions, scale in every(part.scale) if scale.depth == scale.width == 1.0]
    for decisions in kept:
        yield (found := {**base, **decisions}), part.resolve(Replay(found))


def _freed(part: Any, value: Any, free: tuple[str, ...]) -> Any:
    """The value with those of its fields that are not looked at as `part` has them."""
    if not free or type(part) is not type(value):
        return value
    return dataclasses.replace(value, **{name: getattr(part, name) for name in free})


def _match_choice(choice: Choice, value: Any, made: Decisions, free: tuple[str, ...]) -> None:
    """The first option that fits. A decision that stands in several places must be the same in all."""
    for label, option in zip(choice.labels, choice.values, strict=True):
        if choice.name in made and not _same(made[choice.name], label):
            continue
        trial: Decisions = {**made, choice.name: label}
        try:
            _match(option, value, trial, choice.name, free)
        except Mismatch:
            continue
        made.update(trial)
        return
    names = ", ".join(map(str, choice.labels[:12]))
    raise Mismatch(f"decision {choice.name!r} cannot be {_show(value)}; allowed: {names}")


def _same(a: Option, b: Option) -> bool:
    return a == b and type(a) is type(b)


def _default(cls: Any, name: str) -> Any:
    return next(field.default for field in dataclasses.fields(cls) if field.name == name)


def _show(value: Any) -> str:
    text = str(encode(value))
    return text if len(text) <= 80 else f"{text[:77]}..."
