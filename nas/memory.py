"""What was worked out before, of the latest so many."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Values by key. Of more than `most` the oldest is forgotten: for what may be worked out again, never for a record."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, V] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of `key`, made by `make` if it is not known."""
        if key not in self._known:
            value = make()
            if len(self._known) >= self._most:
                self._known.pop(next(iter(self._known)))
            self._known[key] = value
        return self._known[key]
