"""How long trainings would take here, from measured steps of a few of them: what a plan of a search rests on."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

from torch import nn

from nas.arch import Architecture
from nas.errors import ArchitectureError
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.fit import meeting, spread
from nas.evaluators.proxy import Seconds
from nas.scale import resize
from nas.training.dataset import TrainingData
from nas.training.execution import Execution
from nas.training.measure import measure
from nas.training.recipe import Recipe

LEAST, MOST = 2, 8  # measured candidates
PARTS = 4  # of the time, for the steps of one


def expected_seconds(
    build: Callable[[Architecture], nn.Module], candidates: Sequence[Architecture], fidelity: Fidelity, data: TrainingData,
    recipe: Recipe, execution: Execution, seed: int, allowed: float, *, resample: bool = False,
) -> list[float]:  # fmt: skip
    """Seconds that training each of `candidates` takes alone, those left out that cannot be built.

    `build` makes the proxy's module. As many are measured, two at least, as there is time for in `allowed` seconds after the
    first; the others follow by their multiply-adds, see `spread`. Coarser images cost by their area.
    """
    costed = [(candidate, macs) for candidate in candidates if (macs := _macs(candidate, fidelity)) is not None]
    known: list[tuple[Seconds, int]] = []
    end, last, warm = time.monotonic() + allowed, 0.0, False
    for candidate, macs in costed[:MOST]:
        if len(known) >= LEAST and time.monotonic() + last > end:
            break
        begun = time.monotonic()
        try:
            _, shown = meeting(candidate, data, resample)
            one = functools.partial(measure, functools.partial(build, candidate), data, recipe, seed, shown, execution)
            if not warm:
                one()  # libraries and the device wake up
                begun = time.monotonic()
            made = one(seconds=allowed / PARTS)
        except (RuntimeError, ValueError):  # out of memory, or maps too small to normalise: a failed trial later on
            continue
        warm, last = True, time.monotonic() - begun
        known.append((Seconds(*made), macs))
    if not known:
        return []
    others = [macs for _, macs in costed]
    costs = spread([cost for cost, _ in known], [macs for _, macs in known] + others)[len(known) : len(known) + len(others)]
    area = fidelity.resolution**2
    images, validated = len(data.train), len(data.validation)
    return [cost.of(fidelity, images, validated) * area + cost.once * (1 - area) for cost in costs]


def _macs(candidate: Architecture, fidelity: Fidelity) -> int | None:
    """Of the proxy; None where it does not fit its input."""
    try:
        return resize(candidate, width=fidelity.width, depth=fidelity.depth).cost().macs
    except ArchitectureError:
        return None
