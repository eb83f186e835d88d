"""Toy functions on any space: families of made-up objectives, an instance a seed, to try strategies on by the second.

Worth is in percent, the best of an instance at most 100. The signal is the worth as a fraction, with noise that is the
same however often a candidate is evaluated, as in a table. At a fraction of the evaluation the noise is larger, the cost
that fraction.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from nas.errors import SpaceError
from nas.evaluators.synthetic import worth as path_worth
from nas.registry import Registry

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option, Space

ENUMERABLE = 20_000  # candidates up to which the best is looked for among all
COARSE = 0.15  # standard deviation that a fraction near 0 adds to the signal
_EDGE = re.compile(r"(\d+)>(\d+)\Z")


class Toy:
    """An instance of a family: `value` in [0, 1] is its own, all else is shared."""

    full = False
    noise = 0.0  # standard deviation of the signal at full fidelity
    mean_seconds = 100.0

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._pace: dict[tuple[str, Option], float] = {}

    @abstractmethod
    def value(self, decisions: Mapping[str, Option]) -> float:
        """True worth of a candidate, in [0, 1]."""

    def look(self, decisions: Decisions, fraction: float) -> tuple[float | None, float, float]:
        """Noisy signal as a fraction, true worth in percent, simulated seconds: 50 to 150 in full."""
        worth, deviation = self.value(decisions), self.noise + COARSE * (1.0 - fraction)
        signal = worth + deviation * self._noise(decisions, fraction) if deviation else worth
        return signal, 100 * worth, fraction * self._seconds(decisions)

    def _noise(self, decisions: Mapping[str, Option], fraction: float) -> float:
        cell = ",".join(sorted(f"{name}={option!r}" for name, option in decisions.items()))
        return random.Random(f"noise:{self._seed}:{fraction!r}:{cell}").gauss(0.0, 1.0)

    def _seconds(self, decisions: Mapping[str, Option]) -> float:
        for item in decisions.items():
            if item not in self._pace:
                self._pace[item] = random.Random(f"seconds:{self._seed}:{item[0]}:{item[1]!r}").uniform(50, 150)
        return math.fsum(map(self._pace.__getitem__, decisions.items())) / max(1, len(decisions))

    def optimum(self) -> float | None:
        """The largest worth in percent; None where the space is too large to look at all of it."""
        return self._optimum

    @cached_property
    def _optimum(self) -> float | None:
        every = list(self._every()) if self._space.count() <= ENUMERABLE else []
        return 100 * max(map(self.value, every)) if every else None

    def _every(self) -> Iterator[Decisions]:
        """All candidates of a space whose decisions do not depend on each other and that has no limits."""
        choices = self._space.choices
        if math.prod(map(len, choices.values())) == self._space.count() and not self._space.selective:
            yield from (dict(zip(choices, options, strict=True)) for options in itertools.product(*choices.values()))


class Separable(Toy):
    """The mean over the decisions of a random worth of each option: a smooth hill without traps or noise."""

    def __init__(self, space: Space, seed: int) -> None:
        from nas.testing.strategies import separable

        super().__init__(space, seed)
        self._value: Callable[[Mapping[str, Option]], float] = separable(space, seed)  # of one objective

    def value(self, decisions: Mapping[str, Option]) -> float:
        """As `nas.testing.strategies.separable`."""
        return self._value(decisions)


class Pairs(Toy):
    """Half separable, half random worths of pairs of options: a decision's best option depends on another decision."""

    noise = 0.03

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        names, rng = list(space.choices), random.Random(f"pairs:{seed}")
        self._pairs = [tuple(sorted(rng.sample(names, 2))) for _ in names] if len(names) > 1 else []
        self._known: dict[object, float] = {}

    def value(self, decisions: Mapping[str, Option]) -> float:
        """The mean of the means of singles and of pairs both of whose decisions are made."""
        singles = [self._of(item) for item in decisions.items()]
        pairs = [self._of(((a, decisions[a]), (b, decisions[b]))) for a, b in self._pairs if a in decisions and b in decisions]
        parts = [math.fsum(part) / len(part) for part in (singles, pairs) if part]
        return math.fsum(parts) / max(1, len(parts))

    def _of(self, item: object) -> float:
        if item not in self._known:
            self._known[item] = random.Random(f"worth:{self._seed}:{item!r}").random()
        return self._known[item]


class Graph(Toy):
    """On cells whose decisions are edges `I>J`: what the operations along the paths from first to last state are worth.

    Every operation has a random depth, but for `none`, which cuts a path, and `skip_connect`, which adds nothing; many
    cells are one network. Raises `SpaceError` for another space.
    """

    noise = 0.03

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed)
        edges = {name: _EDGE.match(name) for name in space.choices}
        if not all(edges.values()):
            wrong = next(name for name, match in edges.items() if match is None)
            raise SpaceError(f"toy graph: space {space.name!r} has the decision {wrong!r}; allowed: edges I>J, as in nas-bench-201")
        ends = {name: (int(match[1]), int(match[2])) for name, match in edges.items() if match}
        states = sorted({state for pair in ends.values() for state in pair})
        self._paths = list(_paths(ends, states[0], states[-1]))
        operations = sorted({str(option) for options in space.choices.values() for option in options})
        rng = random.Random(f"graph:{seed}")
        self._depth = {op: 0.0 if op in ("none", "skip_connect") else rng.uniform(-0.2, 1.0) for op in operations}

    def value(self, decisions: Mapping[str, Option]) -> float:
        """`nas.evaluators.synthetic.worth` of the effective paths."""
        paths = [[str(decisions[edge]) for edge in path] for path in self._paths]
        whole = (tuple(op for op in path if op != "skip_connect") for path in paths if "none" not in path)
        return path_worth(tuple(sorted(whole)), self._depth)


def _paths(ends: Mapping[str, tuple[int, int]], start: int, stop: int) -> Iterator[tuple[str, ...]]:
    """Every way along edges from one state to another; edges go to later states."""
    if start == stop:
        yield ()
    for name, (a, b) in ends.items():
        if a == start and a < b <= stop:
            yield from ((name, *rest) for rest in _paths(ends, b, stop))


TOYS: Registry[type[Toy]] = Registry("toy function")
TOYS.add("separable", Separable)
TOYS.add("pairs", Pairs)
TOYS.add("graph", Graph)
