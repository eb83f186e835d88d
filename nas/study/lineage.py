"""Where a candidate came from: its parents, and what each step changed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import StudyError

if TYPE_CHECKING:
    from nas.study.trial import Trial


@dataclass(frozen=True)
class Change:
    """A decision that differs from the parent's; None where one of both never came to it."""

    decision: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Step:
    """A trial of the line, and how it differs from the one before it; the first has no changes."""

    trial: Trial
    changes: tuple[Change, ...] = ()


def lineage(trials: list[Trial], number: int) -> list[Step]:
    """From the first ancestor to trial `number`. Raises `StudyError` when the record has no such trial."""
    known = {trial.number: trial for trial in trials}
    if number not in known:
        raise StudyError(f"no trial {number}; allowed: {_numbers(known)}")
    line = [known[number]]
    while (parent := line[-1].parent) is not None and parent in known and parent < line[-1].number:  # a record may be damaged
        if known[parent].phase is not None:
            break  # what was trained together is no network that was changed
        line.append(known[parent])
    line.reverse()
    steps = [Step(child, changes(before.decisions, child.decisions)) for before, child in itertools.pairwise(line)]
    return [Step(line[0]), *steps]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """The decisions in which `new` differs from `old`, in the order of `new`, then those that are no more made."""
    names = [*new, *(name for name in old if name not in new)]
    return tuple(Change(name, old.get(name), new.get(name)) for name in names if _differ(name, old, new))


def _differ(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if (name in old) != (name in new):
        return True
    return bool(old[name] != new[name]) or type(old[name]) is not type(new[name])


def _numbers(known: Mapping[int, Trial]) -> str:
    return f"0 to {max(known)}" if known else "none, for nothing was tried yet"
