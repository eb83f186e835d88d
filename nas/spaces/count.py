"""Counting the decision sequences of a template without trying them."""

from __future__ import annotations

from collections.abc import Iterator

from nas.spaces.template import Choice, Open


def walk(part: Open) -> Iterator[Open]:
    """All open parts, the outer ones first."""
    yield part
    for child in part.children():
        yield from walk(child)


# Options of the decisions that stand in several places, as far as they are made (0 where only that they are made matters), to a
# number of sequences.
Counts = dict[tuple[tuple[str, int], ...], int]


def count(part: Open, before: Counts, shared: dict[str, bool]) -> Counts:
    """Sequences after `part`, given those before it; `shared` names with whether their option matters later."""
    if not isinstance(part, Choice):
        for child in part.children():
            before = count(child, before, shared)
        return before
    total: Counts = {}
    for made, number in before.items():
        known = dict(made)
        if shared.get(part.name) is False:
            key = tuple(sorted({**known, part.name: 0}.items()))
            total[key] = total.get(key, 0) + number * (1 if part.name in known else len(part.labels))
            continue
        indices = [known[part.name]] if part.name in known else range(len(part.labels))
        for index in indices:
            now = tuple(sorted({**known, part.name: index}.items())) if part.name in shared else made
            value = part.values[index]
            after = count(value, {now: number}, shared) if isinstance(value, Open) else {now: number}
            for key, n in after.items():
                total[key] = total.get(key, 0) + n
    return total
