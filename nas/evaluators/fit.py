"""Measures candidates of a space at growing sizes, while there is time, and fits the proxy to a worker's budget."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from nas.arch import Architecture
from nas.errors import ArchitectureError, NasError
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.proxy import SIZES, Plan, Seconds, Size, affords, plan
from nas.scale import at_resolution, resize
from nas.training.dataset import TrainingData
from nas.training.execution import Execution
from nas.training.measure import measure
from nas.training.recipe import Recipe
from nas.training.tuning import Choice, Network, Tuning

if TYPE_CHECKING:
    from nas.ensembles import Ensemble
    from nas.spaces import Space

Shape = tuple[int, int, int]
COSTED = 32  # candidates whose MACs are counted, for the tail
MEASURED = 6  # of which so many are measured at each size, at most
LONGEST = 10.0  # seconds that all measurements but the first may take
TUNED = 3  # candidates that ways of running a step are measured on


def meeting(network: Architecture | Ensemble, data: TrainingData, resample: bool) -> tuple[Shape, tuple[int, int] | None]:
    """The input (C, H, W) that the network is to have on these images, and what they are brought to, (H, W) or None.

    With `resample` images are brought to the network's own rows and columns, else it has theirs.
    """
    if not resample:
        return data.shape, None
    _, rows, columns = network.input
    return (data.shape[0], rows, columns), (rows, columns)


def coarser(
    candidate: Architecture | Ensemble, size: tuple[int, int] | None, factor: float
) -> tuple[Architecture | Ensemble, tuple[int, int] | None]:
    """The candidate on images of `factor` times its rows and columns, and these, which images are brought to.

    The nearest size that fits it, see `nas.scale.at_resolution`; as it is where the factor is 1. Raises `ArchitectureError`
    where none fits, and `NasError` for an ensemble, whose members may read images of different sizes.
    """
    if factor == 1.0:
        return candidate, size
    if not isinstance(candidate, Architecture):
        raise NasError(f"fidelity.resolution={factor!r} for an ensemble; allowed: 1")
    made = at_resolution(candidate, factor)
    _, rows, columns = made.input
    return made, (rows, columns)


def sample(space: Space, data: TrainingData, rng: random.Random, resample: bool = False) -> list[Architecture]:
    """Up to `COSTED` candidates of the space that fit the data set's input."""
    found = []
    for _ in range(COSTED):
        with contextlib.suppress(ArchitectureError):  # it would be a failed trial that takes no time
            candidate = space.decode(space.sample(rng))
            shape, _ = meeting(candidate, data, resample)
            candidate = candidate.with_input(shape, data.classes)
            candidate.cost()
            found.append(candidate)
    return found


class Fit:
    """One fit. `build` makes the module of a candidate at a size.

    resample: images are brought to a candidate's own resolution; then it keeps its width and depth, too, for a smaller
    one would answer another question.
    """

    def __init__(
        self,
        build: Callable[[Architecture, Size], nn.Module],
        candidates: list[Architecture],
        data: TrainingData,
        recipe: Recipe,
        seed: int,
        resample: bool = False,
        execution: Execution | None = None,
    ) -> None:
        self.execution = execution
        self.build, self.candidates, self.data, self.recipe, self.seed = build, candidates, data, recipe, seed
        self.resample = resample
        self.sizes = [SIZES[-1]] if resample else sizes(candidates)
        self.macs = {size: [_macs(candidate, size) for candidate in candidates] for size in self.sizes}
        self.count = 0
        self.last = 0.0  # seconds that the last measurement took
        self.failures = 0  # at the last size
        self.found: dict[Size, list[Seconds]] = {}

    def run(self, seconds: float, allowed: float, most: float = math.inf) -> Plan:
        """The plan for a worker that has `seconds` for `most` candidates; measures for about `allowed` seconds at most."""
        found = self.found
        images, validated = len(self.data.train), len(self.data.validation)
        costs = self._warm_up()
        end = time.monotonic() + min(allowed, LONGEST)
        usual = 0  # failures at the smallest size
        for index, size in enumerate(self.sizes if costs else ()):
            growth = self._growth(self.sizes[index - 1], size) if index else 1.0
            share = (end - time.monotonic()) / (1 if index + 1 == len(self.sizes) else 2)  # the rest for larger ones
            costs = self._at(size, time.monotonic() + share, growth) or [cost.times(growth) for cost in costs]
            usual = self.failures if index == 0 else usual
            if self.failures > usual:
                break  # as for want of memory
            found[size] = spread(costs, self.macs[size])
            if not affords(found[size], images, validated, seconds, most):
                break  # a larger one is out of reach, too
        return dataclasses.replace(plan(found, images, validated, seconds, most), measured=self.count)

    def tune(self, fidelity: Fidelity, seconds: float, fixed: Mapping[str, Any], cores: int) -> Choice:
        """How steps are best run: what is not `fixed` is measured on a few candidates at that size, for about `seconds`."""
        size, end = (fidelity.width, fidelity.depth), time.monotonic() + seconds
        networks: list[Network] = [
            (functools.partial(self.build, candidate, size), meeting(candidate, self.data, self.resample)[1])
            for candidate in self.candidates[:TUNED]
        ]
        return Tuning(networks, self.data, self.recipe, self.seed, end, fixed=fixed, cores=cores).choose()

    def again(self, before: Plan, faster: float, seconds: float, most: float = math.inf) -> Plan:
        """The plan if steps take `faster` times less than was measured."""
        if faster <= 1 or not self.found:
            return before
        costs = {
            size: [Seconds(each.once, each.train / faster, each.validate / faster) for each in known]
            for size, known in self.found.items()
        }
        made = plan(costs, len(self.data.train), len(self.data.validation), seconds, most)
        return dataclasses.replace(made, measured=before.measured)

    def _warm_up(self) -> list[Seconds]:
        """One measurement: of libraries and devices that wake up, so that what follows is typical. None if all fail."""
        for index in range(len(self.candidates)):
            if made := self._measure(index, self.sizes[0]):
                return [made]
        return []

    def _at(self, size: Size, end: float, growth: float) -> list[Seconds]:
        """Measurements at one size until `end`; none if the first would already take longer."""
        costs: list[Seconds] = []
        self.failures, expected = 0, self.last * growth
        for index in range(min(MEASURED, len(self.candidates))):
            if time.monotonic() + expected > end:
                break
            if made := self._measure(index, size):
                costs.append(made)
            expected = self.last
        return costs

    def _measure(self, index: int, size: Size) -> Seconds | None:
        start = time.monotonic()
        try:
            candidate = self.candidates[index]
            _, shown = meeting(candidate, self.data, self.resample)
            made = measure(lambda: self.build(candidate, size), self.data, self.recipe, self.seed, shown, self.execution)
        except (RuntimeError, ValueError):  # out of memory, or maps too small to normalise: a failed trial later on
            self.failures += 1
            return None
        self.count, self.last = self.count + 1, time.monotonic() - start
        return Seconds(*made)

    def _growth(self, before: Size, size: Size) -> float:
        """How much longer a candidate takes at most: in proportion to its MACs, while its overhead stays."""
        return max(1.0, sum(self.macs[size]) / max(sum(self.macs[before]), 1))


def sizes(candidates: list[Architecture]) -> list[Size]:
    """The sizes at which candidates still differ in their widths and repeats as they do in full, from the smallest.

    Repeats of 1, 2 and 3 all become 1 when shrunk: a search over them would compare equal networks.
    """
    whole = len({_skeleton(candidate) for candidate in candidates})
    return [
        size for size in SIZES
        if len({_skeleton(resize(candidate, width=size[0], depth=size[1])) for candidate in candidates}) >= whole
    ]  # fmt: skip


def spread(measured: list[Seconds], macs: list[int]) -> list[Seconds]:
    """Seconds of all candidates whose MACs are known, from the first few, which were measured; these last.

    Half of a candidate's time is taken as overhead, alike for all, and half as in proportion to its MACs.
    """
    count = len(measured)
    typical = Seconds(*(sum(column) / count for column in zip(*map(dataclasses.astuple, measured), strict=True)))
    usual = max(sum(macs[:count]) / count, 1.0)
    return [typical.times(0.5 + 0.5 * own / usual) for own in macs] + measured


def _skeleton(candidate: Architecture) -> tuple[object, ...]:
    return tuple((block.width, block.repeat) for stage in candidate.stages for block in stage)


def _macs(candidate: Architecture, size: Size) -> int:
    return resize(candidate, width=size[0], depth=size[1]).cost().macs
