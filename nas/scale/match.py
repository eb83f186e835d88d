"""The same network at a given number of parameters, by its widths alone: for comparisons in which size is to decide nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

from nas.arch import Architecture, Block, Cell, Primitive, Stage
from nas.errors import ArchitectureError, NasError
from nas.ops.base import require_range
from nas.scale.inside import inside
from nas.scale.law import blocks

SETTLED = 0.001  # so near to what is wanted nothing is moved any further
LEAST, MOST = 1e-3, 1e3  # of the factor on widths
HALVINGS = 14  # the factor to 0.005%, where a channel of the widest layers is more
# Of the factor on what an operation holds itself, when its next whole number is looked for: 2% a try, up to twice the size.
TRY, TRIES = 1.02, 35


class Matched(NamedTuple):
    """A network brought to a number of parameters, auxiliary heads left out; `factor` is that on its widths."""

    architecture: Architecture
    params: int
    wanted: int
    factor: float

    @property
    def difference(self) -> float:
        """By what fraction it has more parameters than wanted; below zero where it has fewer."""
        return self.params / self.wanted - 1.0


class Look(NamedTuple):
    """A network that was tried, and what stands where in it."""

    architecture: Architecture
    params: int
    layers: tuple[tuple[str, str], ...]


class Part(NamedTuple):
    """What is widened as one: all blocks of a width, an operation that has widths of its own, or a cell's."""

    width: int | None  # of the blocks
    unit: int  # what that must be a multiple of
    op: Primitive | None


def match(architecture: Architecture, params: int, step: int = 1) -> Matched:
    """The network of about `params` parameters, auxiliary heads left out: all widths times one factor, depth and input as they are.

    Widths of blocks are rounded to multiples of `step` and of what their operations ask for (heads, groups), what operations hold
    themselves (the growth of a dense block) to whole numbers; blocks as wide as each other
    stay so. Of the factor's two neighbours the nearer is taken, then single widths are moved by one step where that comes
    nearer still. What is left is the result's `difference`; where widths of one step have too many parameters, that network.
    Raises `ArchitectureError` where the network does not fit its input, `NasError` for a number that is none.
    """
    require_range(params, "params", 1, 10**12)
    require_range(step, "step", 1, 4096)
    return _Search(architecture, params, step).run()


class _Search:
    def __init__(self, architecture: Architecture, wanted: int, step: int) -> None:
        self.architecture, self.wanted = architecture, wanted
        self.keys, self.parts = _parts(architecture, step)
        architecture.cost()  # one that does not fit its input has no size, which is an error
        self.seen: dict[tuple[float, ...], Look | None] = {}

    def run(self) -> Matched:
        """The nearest network."""
        factor = self.uniform()
        factors = (factor,) * len(self.parts)
        for _ in self.parts:
            if self.distance(factors) <= SETTLED:
                break
            near = min(self.neighbours(factors, factor), key=self.distance, default=factors)
            if self.distance(near) >= self.distance(factors):
                break
            factors = near
        found = self.look(factors)
        assert found is not None
        return Matched(found.architecture, found.params, self.wanted, factor)

    def look(self, factors: tuple[float, ...]) -> Look | None:
        """The network by a factor for each part, with its parameters; None where that is no network."""
        if factors not in self.seen:
            try:
                made = self.made(factors)
                cost = made.cost(aux=False)
                self.seen[factors] = Look(made, cost.params, tuple((layer.place, layer.kind) for layer in cost.layers))
            except NasError:
                self.seen[factors] = None
        return self.seen[factors]

    def distance(self, factors: tuple[float, ...]) -> float:
        """How far from what is wanted, by ratio."""
        found = self.look(factors)
        return math.inf if found is None else abs(math.log(max(found.params, 1) / self.wanted))

    def uniform(self) -> float:
        """The factor on all widths that comes nearest. Raises `NasError` where none makes a network."""
        tried = {1.0: self.params(1.0)}
        inner = outer = 1.0
        up = (tried[1.0] or 0) < self.wanted
        while LEAST <= outer <= MOST and not self.passed(tried[outer], up):
            inner, outer = outer, outer * 2 if up else outer / 2
            tried[outer] = self.params(outer)
            if tried[outer] is None:
                break  # wider or narrower than is allowed
        for _ in range(HALVINGS):
            middle = math.sqrt(inner * outer)
            tried[middle] = self.params(middle)
            if self.distance((middle,) * len(self.parts)) <= SETTLED:
                break
            gone = tried[middle] is None or self.passed(tried[middle], up)
            inner, outer = (inner, middle) if gone else (middle, outer)
        best = min(tried, key=lambda factor: (self.distance((factor,) * len(self.parts)), abs(math.log(factor))))
        if tried[best] is None:
            raise ArchitectureError(f"{self.architecture.name} at no width is a network by steps of this size; allowed: a smaller step")
        return best

    def params(self, factor: float) -> int | None:
        """Parameters with one factor on all widths."""
        found = self.look((factor,) * len(self.parts))
        return None if found is None else found.params

    def passed(self, params: int | None, up: bool) -> bool:
        """Whether the target lies behind, on the way up or down."""
        return params is not None and (params >= self.wanted if up else params <= self.wanted)

    def neighbours(self, factors: tuple[float, ...], uniform: float) -> Iterator[tuple[float, ...]]:
        """One part more that is a step wider or narrower than by the factor that all began with.

        A projection must not come or go for the sake of the number: layers stay those that they are.
        """
        found = self.look(factors)
        assert found is not None
        for index, part in enumerate(self.parts):
            for moved in _beside(part, uniform) if factors[index] == uniform else ():
                near = (*factors[:index], moved, *factors[index + 1 :])
                other = self.look(near)
                if other is not None and other.layers == found.layers:
                    yield near

    def made(self, factors: tuple[float, ...]) -> Architecture:
        """The network by a factor for each part."""
        by = dict(zip(self.keys, factors, strict=True))

        def block(place: tuple[object, ...], item: Block) -> Block:
            key = _key(place, item)
            if key not in by:
                return item
            part = self.parts[self.keys.index(key)]
            wide = item.width if part.width is None else _rounded(part.width * by[key], part.unit)
            return dataclasses.replace(item, op=item.op.resized(by[key], 1.0), width=wide)

        def stage(place: object, items: Stage) -> Stage:
            return tuple(block((place, index), item) for index, item in enumerate(items))

        old = self.architecture
        return dataclasses.replace(
            old,
            stem=stage("stem", old.stem),
            stages=tuple(stage(number, items) for number, items in enumerate(old.stages)),
            head=stage("head", old.head),
            cells=tuple(Cell(cell.name, cell.op.resized(by.get(cell.name, 1.0), 1.0)) for cell in old.cells),
            aux=tuple(dataclasses.replace(item, head=stage(f"aux.{i}", item.head)) for i, item in enumerate(old.aux)),
        )


def _key(place: tuple[object, ...], block: Block) -> object:
    """Blocks of one width are one part; one without a width is a part by itself."""
    return block.width if isinstance(block.width, int) else place


def _parts(architecture: Architecture, step: int) -> tuple[tuple[object, ...], tuple[Part, ...]]:
    """All that can be widened, by key."""
    units: dict[object, int] = {}
    for block in blocks(architecture):
        op = architecture.operation(block)
        demands = math.lcm(op.width_multiple, *(each.width_multiple for each in inside(op)))
        units[block.width] = math.lcm(units.get(block.width, step), demands)
    found: dict[object, Part] = {}
    places = [("stem", architecture.stem), *enumerate(architecture.stages), ("head", architecture.head)]
    places += [(f"aux.{i}", item.head) for i, item in enumerate(architecture.aux)]
    for name, items in places:
        for index, block in enumerate(items):
            key = _key((name, index), block)
            if isinstance(block.width, int):
                found[key] = Part(block.width, units[block.width], None)
            elif _widens(block.op):
                found[key] = Part(None, 1, block.op)
    found |= {cell.name: Part(None, 1, cell.op) for cell in architecture.cells if _widens(cell.op)}
    return tuple(found), tuple(found.values())


def _widens(op: Primitive) -> bool:
    """Whether it has widths of its own."""
    return op.resized(2.0, 1.0) != op


def _beside(part: Part, factor: float) -> Iterator[float]:
    """The factors at which this part alone is a step wider and a step narrower than at `factor`."""
    if part.width is not None:
        now = _rounded(part.width * factor, part.unit)
        yield from ((now + by) / part.width for by in (part.unit, -part.unit) if now + by >= part.unit)
    if part.op is not None:
        op, before = part.op, part.op.resized(factor, 1.0)
        for ratio in (TRY, 1 / TRY):
            tries = (factor * ratio**count for count in range(1, TRIES + 1))
            yield from [next((by for by in tries if op.resized(by, 1.0) != before), factor)]


def _rounded(width: float, unit: int) -> int:
    """The nearest multiple, at least one."""
    return max(1, math.floor(width / unit + 0.5)) * unit
