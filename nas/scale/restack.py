"""Transfer: the cells that were found, stacked anew for another data set (Zoph et al., arXiv 1707.07012)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from nas.arch import Architecture, lower
from nas.arch.architecture import MAX_REPEAT, MAX_WIDTH
from nas.baselines.stack import Stack
from nas.ops.base import require
from nas.scale.cells import filters, least_repeats, penultimate, read, repeats, sized, step, width
from nas.scale.nearest import TOLERANCE, nearest
from nas.scale.stems import Stem, stem_for, with_side, with_stem


class Target(NamedTuple):
    """So much of a quantity, auxiliary heads left out."""

    quantity: Literal["macs", "params"]
    amount: float


class Near(NamedTuple):
    """A size beside a target: filters of the penultimate layer, and what it has of the quantity."""

    penultimate: int
    amount: int


class Transferred(NamedTuple):
    """The network, in the paper's terms `cells` @ `penultimate`, and how it came about.

    Where there was a target, `exact` says whether it was met within 3%, and `nearest` has the sizes on both sides of it,
    the nearer first.
    """

    architecture: Architecture
    cells: int
    penultimate: int
    stem: Stem
    exact: bool | None = None
    nearest: tuple[Near, ...] = ()


def transfer(
    architecture: Architecture,
    input: tuple[int, int, int] | None = None,
    classes: int | None = None,
    *,
    cells: int | None = None,
    penultimate: int | None = None,
    target_macs: float | None = None,
    target_params: float | None = None,
    stem: Stem | None = None,
    aux: bool | None = None,
) -> Architecture:
    """The network of the same cells for another data set: N = `cells` a stage, `penultimate` filters before the global pool.

    What is not given stays as it is. `target_macs` or `target_params` (auxiliary heads left out) stand in for
    `penultimate`: the one that comes nearest is taken. Images of 96 pixels a side or more get the stem of ImageNet, a
    strided convolution and two reductions of a quarter and half the filters, unless `stem` says otherwise; a stem that is
    of the wanted kind already is kept. With `aux` there is an auxiliary head, by default where the network has one.

    Raises `ArchitectureError` for a network that is not made of cells, and for sizes that are none.
    """
    return restack(architecture, input, classes, cells, one_goal(penultimate, target_macs, target_params), stem, aux).architecture


def one_goal(filters: int | None, macs: float | None, params: float | None) -> int | Target | None:
    """The one of them that is given. Raises `ArchitectureError` where two are."""
    every: dict[str, int | Target | None] = {
        "penultimate": filters,
        "target-macs": None if macs is None else Target("macs", macs),
        "target-params": None if params is None else Target("params", params),
    }
    given = [name for name, value in every.items() if value is not None]
    require(len(given) < 2, " with ".join(given), f"one of {', '.join(every)}")
    return every[given[0]] if given else None


def restack(
    architecture: Architecture,
    input: tuple[int, int, int] | None = None,
    classes: int | None = None,
    cells: int | None = None,
    goal: int | Target | None = None,
    stem: Stem | None = None,
    aux: bool | None = None,
) -> Transferred:
    """As `transfer`, with how it came about. `goal` is the penultimate layer's filters, or the target to find them by."""
    source = read(architecture)
    own = filters(source) // step(source)
    unit, most = _unit(source, own), MAX_WIDTH * own // max(width(group.cell) for group in source.groups)
    source = source._replace(input=input or source.input, classes=source.classes if classes is None else classes)
    kind, least = stem or stem_for(source.input), least_repeats(source)
    deep = repeats(source) if cells is None else cells
    require(type(deep) is int and least <= deep <= MAX_REPEAT, f"cells={deep!r}", f"{least} to {MAX_REPEAT} normal cells a stage")

    def made(steps: int) -> Stack:
        return with_stem(sized(source, steps * step(source), deep), kind)

    steps, exact, near = own, None, []
    if isinstance(goal, Target):
        found = _towards(goal, made, most)
        steps, exact = found[0][0], abs(found[0][1] / goal.amount - 1) <= TOLERANCE
        near = [Near(number * unit, value) for number, value in found]
    elif goal is not None:
        steps = _steps(goal, unit, most)
    stack = with_side(made(steps), source.side is not None if aux is None else aux)
    out = penultimate(lower(stack._replace(side=None).architecture()))
    require(out == steps * unit, f"the last cell makes {out} channels of {filters(stack)} filters", f"{steps * unit}, as at other widths")
    name = f"{re.sub(r'-[0-9]+@[0-9]+$', '', source.name)}-{deep}@{out}"
    return Transferred(stack._replace(name=name).architecture(), deep, out, kind, exact, tuple(near))


def _towards(target: Target, made: Callable[[int], Stack], most: int) -> tuple[tuple[int, int], ...]:
    """The sizes on both sides of the target, with what each has of the quantity, the nearer first."""
    name = f"target-{target.quantity}"
    require(math.isfinite(target.amount) and target.amount > 0, f"{name}={target.amount:g}", "more than 0")

    def amount(steps: int) -> int:
        cost = made(steps)._replace(side=None).architecture().cost()
        return cost.macs if target.quantity == "macs" else cost.params

    return nearest(amount, target.amount, most, name)


def _unit(stack: Stack, steps: int) -> int:
    """By how much the penultimate layer grows a step of the filters."""
    out = penultimate(lower(stack._replace(side=None).architecture()))
    require(out % steps == 0, f"the last cell makes {out} channels of {filters(stack)} filters", "a multiple of them")
    return out // steps


def _steps(wanted: int, unit: int, most: int) -> int:
    """The penultimate layer's filters in units. Raises `ArchitectureError` that names the nearest that are possible."""
    below = min(max(wanted // unit, 1), most)
    near = sorted({unit * below, unit * min(below + 1, most)} if wanted > unit else {unit})
    fits = type(wanted) is int and 0 < wanted <= unit * most and wanted % unit == 0
    require(fits, f"penultimate={wanted}", f"multiples of {unit} for this cell, the nearest {' or '.join(map(str, near))}")
    return wanted // unit
