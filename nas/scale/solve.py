"""The phi at which a network costs what it may: bisection, then one dimension moved on its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from nas.arch import Architecture
from nas.errors import NasError
from nas.scale.choice import Choice, at, base_of, law_of
from nas.scale.law import Coefficients
from nas.scale.match import match
from nas.units import format_count, parse_count

# How far from the target still counts as there, by ratio.
TOLERANCE = 0.03
# Of phi on either side, and of the factor by which one dimension is moved.
FURTHEST, MOVE = 64.0, 1.5


@dataclass(frozen=True)
class Aim:
    """What a network shall cost: `measure` grows with the network, but for noise. `text` writes such a number for a person.

    `settle` is how near by ratio ends the search (3% where measuring is slow), `tries` how often an interval is halved.
    """

    name: str
    value: float
    measure: Callable[[Architecture], float]
    text: Callable[[float], str] = "{:g}".format
    settle: float = 0.002
    tries: int = 14


@dataclass(frozen=True)
class Tried:
    """A network and what it costs."""

    choice: Choice
    value: float


@dataclass(frozen=True)
class Solution:
    """The network nearest to a target; `exact` where it lies within 3%. `moved` is the dimension that left the law, if one did.

    `around` are the nearest networks below and above, of which it is one.
    """

    best: Tried
    exact: bool
    around: tuple[Tried, ...]
    moved: str | None = None


def solve(architecture: Architecture, law: Coefficients, target: Aim, *, force: bool = False) -> Solution:
    """The network by the powers of `law` that costs what the target says, within 3% where the steps of rounding allow it.

    First phi is sought; where no phi will do depth, width or resolution alone is moved on from the nearest. Raises `NasError` that
    says what comes nearest where no phi comes to the target's other side.
    """
    search = _Search(architecture, law, target, force)
    search.bracket()
    if not search.exact:
        start = search.nearest().choice
        for field in Coefficients._fields:
            search.move(start, field)
    best = search.nearest()
    return Solution(best, search.exact, search.around(), search.moved.get(best.choice.factors))


def scaled_to(architecture: Architecture, *, params: str | float | None = None, macs: str | float | None = None) -> Architecture:
    """The network by the powers of its family's law at so many parameters, or multiply-adds of one image: `"5M"` or 5e6.

    Both without auxiliary heads; within 3% where rounding allows it, else the nearest: `solve` says which. Raises `NasError`.
    """
    given = [(name, value) for name, value in (("params", params), ("macs", macs)) if value is not None]
    if len(given) != 1:
        raise NasError(f"scaled_to with {' and '.join(name for name, _ in given) or 'no target'}; allowed: one of params, macs")
    ((name, value),) = given
    number = parse_count(str(value), where=name)
    if not 0 < number < math.inf:
        raise NasError(f"{name}={value}; allowed: a finite number above 0")
    aim = Aim(name, number, lambda made: float(getattr(made.cost(aux=False), name)), format_count)
    return solve(architecture, law_of(architecture), aim).best.choice.architecture


def by_width(architecture: Architecture, target: Aim, step: int = 1) -> tuple[Choice, Solution]:
    """The network of so many parameters by its widths alone (`nas.scale.match`), as the answer to a target. Raises `NasError`."""
    found = match(architecture, round(target.value), step)
    named = replace(found.architecture, name=f"{architecture.name}_width{found.factor:.4g}")
    choice = Choice("width", 0.0, Coefficients(width=found.factor), named)
    return choice, Solution(Tried(choice, found.params), abs(found.difference) <= TOLERANCE, ())


class _Search:
    def __init__(self, architecture: Architecture, law: Coefficients, target: Aim, force: bool) -> None:
        self.architecture, self.law, self.target, self.force = architecture, law, target, force
        self.tried: dict[Architecture, Tried] = {}
        self.moved: dict[Coefficients, str] = {}

    def look(self, phi: float, factors: Coefficients | None = None) -> float | None:
        """What the network at phi costs, or that by these factors; None where there is none."""
        try:
            choice = base_of(self.architecture) if phi == 0.0 and factors is None else self.at(phi, factors)
        except NasError:
            return None
        key = replace(choice.architecture, name="")
        if key not in self.tried:
            self.tried[key] = Tried(choice, self.target.measure(choice.architecture))
        return self.tried[key].value

    def at(self, phi: float, factors: Coefficients | None) -> Choice:
        """The network. Raises `NasError` where there is none."""
        moved = None if factors is None else self.moved.get(factors)
        return at(self.architecture, phi, factors or self.law.power(phi), self.force, tidy=moved != "resolution")

    @property
    def exact(self) -> bool:
        """Whether a network within 3% was found."""
        return self.near(TOLERANCE)

    def near(self, tolerance: float) -> bool:
        """Whether a network that near was found."""
        return abs(self.nearest().value / self.target.value - 1) <= tolerance

    def nearest(self) -> Tried:
        """The network found that comes nearest, by ratio."""
        return min(self.tried.values(), key=self.distance)

    def distance(self, tried: Tried) -> float:
        """How far from the target, as a logarithm."""
        return abs(math.log(max(tried.value, 1e-300) / self.target.value))

    def around(self) -> tuple[Tried, ...]:
        """The nearest below and above."""
        below = [each for each in self.tried.values() if each.value <= self.target.value]
        above = [each for each in self.tried.values() if each.value > self.target.value]
        return tuple(min(side, key=self.distance) for side in (below, above) if side)

    def bracket(self) -> None:
        """Steps of phi that double until the target is passed, then bisection."""
        value = self.look(0.0)
        assert value is not None  # a network that does not fit its own input has no cost, which is an error
        sign, inner, outer = (1.0 if value < self.target.value else -1.0), 0.0, 0.5
        limit = math.inf  # the least phi at which there was no network
        while not self.near(self.target.settle):
            found = self.look(sign * outer) if outer <= FURTHEST else None
            if found is not None and (found - self.target.value) * sign >= 0:
                break
            inner, limit = (inner, outer) if found is None else (outer, limit)
            if limit - inner < 0.02 and not self.exact:
                raise self.unreachable()
            if limit - inner < 0.02:
                return
            outer = min(2 * outer, (inner + limit) / 2) if found is not None else (inner + limit) / 2
        self.halve(inner, outer, lambda phi: self.look(sign * phi), up=sign > 0)

    def move(self, start: Choice, field: str) -> None:
        """One factor moved towards the target, the others as they are."""
        up = self.target.value > (self.look(start.phi, start.factors) or 0.0)

        def look(step: float) -> float | None:
            by = math.exp(step if up else -step)
            factors = start.factors._replace(**{field: getattr(start.factors, field) * by})
            self.moved[factors] = field
            return self.look(start.phi, factors)

        if not self.exact:
            self.halve(0.0, math.log(MOVE), look, up)

    def halve(self, inner: float, outer: float, look: Callable[[float], float | None], up: bool) -> None:
        """Bisection between a place before the target and one behind it."""
        for _ in range(self.target.tries):
            if self.near(self.target.settle) or outer - inner < 1e-4:
                return
            middle = (inner + outer) / 2
            found = look(middle)
            passed = found is None or (found >= self.target.value) == up
            inner, outer = (inner, middle) if passed else (middle, outer)

    def unreachable(self) -> NasError:
        """The error that says what comes nearest."""
        best = self.nearest()
        name, show = self.target.name, self.target.text
        wanted = f"{name} of {show(self.target.value)} is out of reach of {self.architecture.name}"
        return NasError(f"{wanted}; nearest: {show(best.value)} at phi={best.choice.phi:.4g}")
