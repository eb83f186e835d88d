"""Exhaustive search of small spaces: every architecture once, in an order that the seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

from nas.errors import NasError, SpaceError
from nas.spaces import Replay
from nas.strategies.base import Context, Proposal, Trial

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

MOST = 1_000_000  # architectures


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """Exhaustive search has no options."""


class Grid:
    """Ask `number` is the number-th architecture of the space; after the last the first comes again."""

    def __init__(self, space: Space, seed: int, options: GridOptions, context: Context) -> None:
        self._space, self._seed = space, seed
        count = space.count()
        if count > MOST:
            raise NasError(f"strategy grid: space {space.name!r} has {count:.3g} architectures; allowed: at most {MOST:,}")
        self._walks: dict[Space, Walk] = {}  # one for each stage of a space that grows

    def ask(self, number: int) -> Proposal:
        """The number-th architecture within the limits. Raises `SpaceError` when none is."""
        space = self._space.at(number)
        if space not in self._walks:
            self._walks[space] = Walk(space, self._seed)
        return Proposal(self._walks[space].at(number), how="grid")

    def tell(self, trial: Trial) -> None:
        """Nothing to learn."""


class Walk:
    """The architectures of a space within its limits, in a shuffled order."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._listed: tuple[bytes, ...] | None = None
        if space.count() == prod(map(len, space.choices.values())):  # every decision is always met: a number is decisions
            self._size = prod(map(len, space.open.values()))
        else:
            self._listed = _listed(space)
            self._size = len(self._listed)
        self._keys = [random.Random(f"{seed}:grid:{turn}").getrandbits(32) for turn in range(4)]
        self._fitting: list[int] = []  # indices within the limits, as far as the walk has come
        self._walked = 0

    def at(self, number: int) -> Decisions:
        """The architecture at place `number`, counted on from the start after the end."""
        if not self._space.selective:
            return self._made(shuffled(number % self._size, self._size, self._keys))
        while len(self._fitting) <= number and self._walked < self._size:
            index = shuffled(self._walked, self._size, self._keys)
            self._walked += 1
            if self._space.fits(self._made(index)):
                self._fitting.append(index)
        if not self._fitting:
            raise SpaceError(f"space {self._space.name!r} has no architecture within its limits among all {self._size:,}")
        return self._made(self._fitting[number % len(self._fitting)])

    def _made(self, index: int) -> Decisions:
        if self._listed is not None:
            return self._space.record(_Digits(self._listed[index]))
        decisions: dict[str, Option] = {}
        for name, options in reversed(self._space.open.items()):
            index, digit = divmod(index, len(options))
            decisions[name] = options[digit]
        return self._space.record(Replay(decisions))


class _Digits:
    """Takes the options at given places; the first where none is given, and notes how many options there were."""

    def __init__(self, digits: bytes) -> None:
        self._digits = digits
        self.taken: list[tuple[int, int]] = []
        self._made: dict[str, Option] = {}

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """The option at the next given place; a decision that was made before is the same again."""
        if name not in self._made:
            place = len(self.taken)
            low, high = self._digits[2 * place : 2 * place + 2] or (0, 0)
            self.taken.append((low + 256 * high, len(options)))
            self._made[name] = options[self.taken[-1][0]]
        return self._made[name]


@lru_cache(maxsize=4)
def _listed(space: Space) -> tuple[bytes, ...]:
    """All sequences of decisions: some seconds for a hundred thousand, so they are made once a space."""
    return tuple(_sequences(space))


def _sequences(space: Space) -> Iterator[bytes]:
    """All sequences of decisions, two bytes a decision: an odometer that learns how long it is as it turns."""
    digits: bytes | None = b""
    while digits is not None:
        chooser = _Digits(digits)
        space.record(chooser)
        taken = chooser.taken
        yield b"".join(place.to_bytes(2, "little") for place, _ in taken)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        digits = b"".join((place + (i == len(taken) - 1)).to_bytes(2, "little") for i, (place, _) in enumerate(taken)) if taken else None


def shuffled(index: int, size: int, keys: list[int]) -> int:
    """Where `index` stands in a random order of 0 to size - 1, without the order being made: a Feistel network.

    Its two halves span a power of four of at least `size`; what falls outside is sent through again (cycle walking).
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for key in keys:
            mixed = ((right ^ key) * 0x9E3779B1 + key) & 0xFFFFFFFF
            mixed = ((mixed ^ mixed >> 15) * 0x85EBCA6B) & 0xFFFFFFFF
            left, right = right, left ^ (mixed ^ mixed >> 13) & mask
        index = left << half | right
        if index < size:
            return index

