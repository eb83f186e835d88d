"""Choosers: sampling, mutation, replay and recording are all ways of making the decisions of a space."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Protocol

from nas.errors import SpaceError

# What Optuna stores as a categorical.
Option = str | int | float | bool | None
Decisions = dict[str, Option]


class Chooser(Protocol):
    """Makes one decision at a time."""

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """One of the options of the decision `name`."""
        ...


class RandomChooser:
    """Every option is as likely as any other."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """One of the options, uniformly."""
        return options[int(self._random() * len(options))]


class Recorder:
    """Hands each decision to another chooser and keeps what came back, in the order the decisions were made."""

    def __init__(self, chooser: Chooser) -> None:
        self._choose = chooser.choose
        self.decisions: Decisions = {}

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """What the other chooser says."""
        option = self._choose(name, options)
        self.decisions[name] = option
        return option


class Among:
    """Another chooser that is offered fewer options of some decisions."""

    def __init__(self, options: Mapping[str, tuple[Option, ...]], chooser: Chooser) -> None:
        self.options = options
        self.chooser = chooser

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """What the other chooser says of those that are left."""
        return self.chooser.choose(name, self.options[name])


class Once:
    """Asks another chooser once for each decision; where the decision stands again, it is the same."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.made: Decisions = {}

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """What the other chooser says, or said."""
        if name not in self.made:
            self.made[name] = self.chooser.choose(name, options)
        return self.made[name]


class Replay:
    """Decides as recorded. A decision that was not recorded, or whose option is gone, goes to `otherwise`.

    Without `otherwise` such a decision raises `SpaceError`.
    """

    def __init__(self, decisions: Mapping[str, Option], otherwise: Chooser | None = None) -> None:
        self.decisions = decisions
        self.otherwise = otherwise
        self.used: set[str] = set()

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """The recorded option."""
        self.used.add(name)
        option = self.decisions.get(name)
        if name in self.decisions:
            # `True == 1` in Python: an option counts only if it is of the same type.
            for known in options:
                if known == option and type(known) is type(option):
                    return known
        if self.otherwise is not None:
            return self.otherwise.choose(name, options)
        if name not in self.decisions:
            raise SpaceError(f"decision {name!r} is missing; allowed: {_list(options)}")
        raise SpaceError(f"decision {name}={option!r}; allowed: {_list(options)}")


class Change:
    """Decides one decision anew, differently, and all others by another chooser."""

    def __init__(self, name: str, old: Option, otherwise: Chooser, rng: random.Random) -> None:
        self.name = name
        self.old = old
        self.otherwise = otherwise
        self.rng = rng

    def choose(self, name: str, options: tuple[Option, ...]) -> Option:
        """Any other option for the changed decision."""
        if name != self.name:
            return self.otherwise.choose(name, options)
        return self.rng.choice(others(options, self.old))


def others(options: tuple[Option, ...], old: Option) -> tuple[Option, ...]:
    """All options but one; 1, 1.0 and True are different."""
    return tuple([option for option in options if option != old or type(option) is not type(old)])


def _list(options: tuple[Option, ...]) -> str:
    return ", ".join(map(str, options[:20])) + (", ..." if len(options) > 20 else "")
