"""How a budget is shared between the training of shared weights and the candidates judged on them: arithmetic, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from nas.evaluators.fidelity import Fidelity
from nas.evaluators.proxy import WITHOUT_LIMIT, Size
from nas.strategies.phased import Schedule
from nas.units import format_seconds

ENOUGH = 10.0  # epochs of shared weights that a size must afford before it is taken instead of a smaller one
MOST = 120.0  # epochs beyond which time goes to candidates (120 in arXiv 1904.00420)
PHASES = 10  # that the training before the first candidate is cut into at most, so that it is seen to go on
PERIOD = 10.0  # epochs in the first period of the learning rate, at least (T0 of arXiv 1802.03268)
FEWEST, ROUND = 20, (10, 100)  # candidates a search, and between two phases
CHILDREN = 1000  # networks drawn a phase at most, for they are recorded; they come again where there are more updates
CLOSE = 10  # one candidate in so many is looked at in full where the others are judged by a part of the images
SLOWER = 1.25  # than measured, for machines have other work


@dataclass(frozen=True)
class Costs:
    """Measured seconds at one size: of one network in an update, of a candidate judged by all images, and by one batch."""

    update: float
    full: float
    brief: float


@dataclass(frozen=True)
class Wanted:
    """What a person asked for; None: fitted. `share` is of the budget, for the shared weights; `batches` as `steps` of a round."""

    sampling: str
    epochs: float | None = None
    steps: int | None = None
    batches: int | None = None
    share: float = 0.5


@dataclass(frozen=True)
class Task:
    """Numbers of the data: updates an epoch, images in a batch, images to judge by; networks a round of fair sampling."""

    per_epoch: int
    batch: int
    judged: int
    rounds: int


@dataclass(frozen=True)
class SharedPlan:
    """What a budget is to be spent on, and what that rests on."""

    schedule: Schedule
    fidelity: Fidelity
    per_epoch: int
    seconds: float  # of a phase
    candidate_seconds: float
    fits: bool = True
    spent: float = 0.0

    def line(self) -> str:
        """What a person reads before the launch."""
        made, f = self.schedule, self.fidelity
        size = f" at width x{f.width:g}, depth x{f.depth:g}" if (f.width, f.depth) != (1.0, 1.0) else ""
        epochs = made.updates / self.per_epoch * (1 if made.every else made.begin)
        passes = f"{epochs:.3g} epoch{'' if epochs == 1 else 's'}"
        fair = f"fair rounds of {made.group} networks"
        paths = {"policy": "networks of the controller", "fair": fair}.get(made.sampling, "uniform networks")
        if made.every:
            how = f"{passes} of {paths} before every {made.every} candidates"
        else:
            how = f"{passes} of {paths}, then candidates on the frozen weights"
        text = f"shared weights{size}: {how}; about {format_seconds(self.seconds * (1 if made.every else made.begin))}, "
        text += f"then {format_seconds(self.candidate_seconds)} a candidate (measured in {format_seconds(self.spent)})"
        return text if self.fits else f"{text}; the budget is too small for {ENOUGH:g} epochs"


def plan(costs: Mapping[Size, Costs], wanted: Wanted, task: Task, seconds: float, trials: float) -> SharedPlan:
    """The largest size that can be trained for `ENOUGH` within its share of a worker's `seconds`, and the schedule at it.

    `costs` from the smallest size; trials: how many the budget allows, phases among them.
    """
    limit = seconds if math.isfinite(seconds) else WITHOUT_LIMIT
    group = task.rounds if wanted.sampling == "fair" else 1
    epochs = {size: wanted.share * limit / (SLOWER * cost.update * group * task.per_epoch) for size, cost in costs.items()}
    needed = min(ENOUGH, wanted.epochs or ENOUGH)
    size = [size for index, size in enumerate(costs) if index == 0 or epochs[size] >= needed][-1]
    one = alternating if wanted.sampling == "policy" or wanted.steps else at_once
    return one(size, costs[size], wanted, task, group, epochs[size], limit, trials)


def at_once(
    size: Size, cost: Costs, wanted: Wanted, task: Task, group: int, epochs: float, limit: float, trials: float
) -> SharedPlan:  # fmt: skip
    """All phases before the first candidate: arXiv 1904.00420. No more than a tenth of the trials."""
    updates = max(1, round((wanted.epochs or min(epochs, MOST)) * task.per_epoch))
    phases = max(1, int(min(PHASES, updates / task.per_epoch, trials / 10)))
    each = -(-updates // phases)
    fraction = min(1.0, task.batch * wanted.batches / task.judged) if wanted.batches else 1.0
    made = Schedule(phases, 0, min(each, CHILDREN) * group, wanted.sampling, fraction, 0, each, group)
    seconds = each * group * cost.update * SLOWER
    fits = epochs >= min(ENOUGH, wanted.epochs or ENOUGH)
    return SharedPlan(made, Fidelity(1, *size), task.per_epoch, seconds, cost.full * SLOWER, fits)


def alternating(
    size: Size, cost: Costs, wanted: Wanted, task: Task, group: int, epochs: float, limit: float, trials: float
) -> SharedPlan:  # fmt: skip
    """A phase after every so many candidates, one pass over the images each where there is time for enough: arXiv 1802.03268."""
    passes = wanted.epochs or min(1.0, epochs / ENOUGH)
    updates = max(1, round(passes * task.per_epoch))
    seconds = updates * group * cost.update * SLOWER
    batches = wanted.batches or 1
    fraction = min(1.0, task.batch * batches / task.judged)
    brief = SLOWER * (cost.brief + (cost.full - cost.brief) * fraction * (batches > 1))
    rest = seconds * (1 - wanted.share) / wanted.share / brief
    least, most = ROUND
    every = wanted.steps or min(max(least, round(rest / least) * least), most)
    close = max(1, every // CLOSE) if fraction < 1 else 0
    rounds = min(limit / (seconds + every * brief), trials / (every + 1))
    made = Schedule(
        1, every, min(updates, CHILDREN) * group, wanted.sampling, fraction, close, updates, group, period(rounds * updates, task.per_epoch)
    )  # fmt: skip
    return SharedPlan(made, Fidelity(1, *size), task.per_epoch, seconds, brief, epochs >= min(ENOUGH, wanted.epochs or ENOUGH))


def period(updates: float, per_epoch: int) -> int:
    """The first period of a learning rate with restarts such that a period ends after so many updates: 1 + 2 + 4 + ... of it.

    As short as that can be, but no shorter than `PERIOD` epochs: weights just after a restart judge badly.
    """
    times = 1
    while math.isfinite(updates) and updates / (2 * times + 1) >= PERIOD * per_epoch:
        times = 2 * times + 1
    return max(1, math.ceil(updates / times)) if math.isfinite(updates) else round(PERIOD * per_epoch)
