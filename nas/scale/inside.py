"""The operations that an operation is written with: those of a cell, the steps of a composition."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from nas.arch import Primitive
from nas.ops import Frozen


def inside(op: Primitive) -> Iterator[Primitive]:
    """All operations within `op`, itself not among them."""
    todo: list[Any] = _fields(op)
    while todo:
        value = todo.pop()
        if isinstance(value, Primitive):
            yield value
        if isinstance(value, tuple):
            todo.extend(value)
        elif isinstance(value, Frozen):
            todo.extend(_fields(value))


def mapped(value: Any, change: Callable[[Primitive], Primitive]) -> Any:
    """`value`, an operation or what holds some, with every operation in it changed, inner ones first; itself where none is."""
    if isinstance(value, tuple):
        made = tuple([mapped(each, change) for each in value])
        return value if all(a is b for a, b in zip(made, value, strict=True)) else made
    if not isinstance(value, Frozen):
        return value
    old = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}  # type: ignore[arg-type]
    new = {name: mapped(each, change) for name, each in old.items()}
    if any(new[name] is not old[name] for name in old):
        value = dataclasses.replace(value, **new)  # type: ignore[type-var]
    return change(value) if isinstance(value, Primitive) else value


def _fields(value: Any) -> list[Any]:
    return [getattr(value, field.name) for field in dataclasses.fields(value)]
