"""One registry for everything that has a name: leaf operations, primitives, baselines, strategies, data sets, evaluators."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from nas.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things of one kind, in the order of registration.

    A name is registered once; asking for one that is not there raises `UnknownNameError` with the nearest names.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> T:
        """Register `item`. Raises `ValueError` when the name is taken, but by what a person at a prompt or in a notebook writes anew."""
        if name in self._items and not (_interactive() and all(map(_typed, (item, self._items[name])))):
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda item: self.add(name, item)

    def get(self, name: str, *, where: str = "") -> T:
        """The thing called `name`. Raises `UnknownNameError`, naming `where` it was asked for."""
        try:
            return self._items[name]
        except (KeyError, TypeError):
            raise unknown(self.kind, name, self._items, where=where) from None

    def names(self) -> tuple[str, ...]:
        """All names, in the order of registration."""
        return tuple(self._items)

    def items(self) -> Iterator[tuple[str, T]]:
        """All pairs (name, thing), in the order of registration."""
        return iter(self._items.items())

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)


def _interactive() -> bool:
    """Whether a person types: at Python's prompt, at IPython's, or in a notebook."""
    return hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__")


def _typed(item: object) -> bool:
    return getattr(item, "__module__", None) == "__main__"
