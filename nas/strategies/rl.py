"""The reinforcement-learning strategies: one controller, two ways to learn from a reward (REINFORCE and PPO).

Sources: REINFORCE with a moving-average baseline, Zoph & Le, arXiv 1611.01578; PPO, Zoph et al. (NASNet),
arXiv 1707.07012, after Schulman et al., arXiv 1707.06347. The papers' constants (Adam at 6e-4 and 3.5e-4, entropy 1e-5)
are for 12,800 and 20,000 children; the learning rate, entropy weight and batch here were measured at 50 to 200.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from nas.strategies.base import Context, Proposal, Record, Trial, generator
from nas.strategies.options import option

if TYPE_CHECKING:
    from torch import Tensor

    from nas.spaces import Decisions, Space
    from nas.strategies.controller import Loss
    from nas.strategies.sequence import Made


@dataclass(frozen=True, kw_only=True)
class ReinforceOptions:
    """An update after every trial. `hidden=0 rate=0.001 entropy=0 decay=0.9 tries=1` is the form that NAS-Bench-201 measured."""

    rate: float = option(0.005, 0.0, 1.0, "learning rate of Adam (6e-4 in arXiv 1611.01578)")
    entropy: float = option(0.03, 0.0, inf, "weight of the entropy bonus, in standard deviations of the reward per nat")
    decay: float = option(0.95, 0.0, 0.9999, "of the moving averages of the reward (0.95 in arXiv 1707.07012)")
    hidden: int = option(100, 0, 4096, "units of the LSTM (100 in arXiv 1707.07012); 0: none, decisions are independent (arXiv 2001.00326)")
    tries: int = option(10, 1, inf, "samples, then mutations of the last, drawn to find decisions not evaluated before")


@dataclass(frozen=True, kw_only=True)
class PPOOptions(ReinforceOptions):
    """An update of `epochs` steps after every `batch` trials."""

    rate: float = option(0.01, 0.0, 1.0, "learning rate of Adam (3.5e-4 in arXiv 1707.07012)")
    batch: int = option(10, 1, inf, "trials an update")
    epochs: int = option(4, 1, 1000, "steps on one batch")
    clip: float = option(0.2, 0.0, inf, "largest change of a probability that is rewarded (0.2 in arXiv 1707.06347)")


class Baseline:
    """Turns a reward into an advantage: less its moving average, in units of its moving standard deviation.

    The papers reward with an accuracy; the unit keeps the learning rate right for a reward of any scale.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._weight = self._mean = self._variance = 0.0
        self._worst: float | None = None

    def advantage(self, value: float | None) -> float:
        """Within 3; None, a failed trial, counts as the worst so far and moves no average."""
        if value is not None:
            value = max(-1e100, min(1e100, value))  # its square stays a float
            self._worst = value if self._worst is None else min(self._worst, value)
            self._take(value)
        reward = self._worst if value is None else value
        if reward is None or self._variance <= 0.0:
            return 0.0
        return max(-3.0, min(3.0, (reward - self._mean) / math.sqrt(self._variance)))

    def snapshot(self) -> list[float | None]:
        """All that it remembers."""
        return [self._weight, self._mean, self._variance, self._worst]

    def restore(self, snapshot: Sequence[float | None]) -> None:
        """What another one remembered."""
        weight, mean, variance, worst = snapshot
        self._weight, self._mean, self._variance = float(weight or 0.0), float(mean or 0.0), float(variance or 0.0)
        self._worst = None if worst is None else float(worst)

    def _take(self, value: float) -> None:
        """Exponential mean and variance in which the first values weigh as much as they should (West 1979)."""
        self._weight = self._decay * self._weight + 1.0
        share, distance = 1.0 / self._weight, value - self._mean
        self._mean += share * distance
        self._variance = (1.0 - share) * (self._variance + share * distance * distance)


class PolicyGradient:
    """The controller proposes; finished trials, in batches, improve it. An ask never changes it.

    Trials proposed by an older policy, or by another strategy, are scored under the policy at the start of the update.
    """

    def __init__(self, space: Space, seed: int, options: ReinforceOptions, batch: int, epochs: int, loss: Loss) -> None:
        from nas.strategies.controller import Controller

        self._space, self._seed, self._options = space, seed, options
        self._batch, self._epochs, self._loss = batch, epochs, loss
        self._fixed = all(len(choices) == 1 for choices in space.choices.values())  # no mutation is possible
        self._controller = Controller(space, seed, options.hidden)
        self._baseline, self._record = Baseline(options.decay), Record()
        self._waiting: list[tuple[list[Made], float]] = []

    def ask(self, number: int) -> Proposal:
        """A sample of the policy, or of its nearest neighbours when the policy has settled on what is known."""
        rng, tries, space = generator(self._seed, number), self._options.tries, self._space.at(number)
        sample = self._record.fresh(lambda: space.fitted(self._controller.sample(space, rng), rng), tries)
        if self._fixed or tries == 1 or not self._record.known(sample):
            return Proposal(sample, how="policy")
        return Proposal(self._record.fresh(lambda: space.mutate(sample, rng), tries), how="policy, mutation")

    def draw(self, number: int, rng: random.Random) -> Decisions:
        """A sample of the policy as it is, whether it is known or not; what `nas.strategies.phased.Policy` asks for."""
        space = self._space.at(number)
        return space.fitted(self._controller.sample(space, rng), rng)

    def tell(self, trial: Trial) -> None:
        """Every `batch` trials the policy is improved. Raises `SpaceError` for decisions of another space."""
        decisions = self._space.ordered(trial.decisions)
        if not decisions or not self._record.add(trial):
            return
        self._waiting.append((self._encoded(trial.number, decisions), self._baseline.advantage(trial.value)))
        if len(self._waiting) >= self._batch:
            self._improve()

    def snapshot(self) -> dict[str, Any]:
        """The controller, the baseline, and the advantages that the next update waits for."""
        return {
            "controller": self._controller.snapshot(),
            "baseline": self._baseline.snapshot(),
            "advantages": [advantage for _, advantage in self._waiting],
        }

    def restore(self, snapshot: Mapping[str, Any], told: Sequence[Trial]) -> None:
        """What is known, and what the next update waits for, comes from `told`. Raises where that is not a state of this one."""
        advantages = [float(each) for each in snapshot["advantages"]]
        self._controller.restore(snapshot["controller"])
        self._baseline.restore(snapshot["baseline"])
        new = [trial for trial in told if trial.decisions and self._record.add(trial)]
        if not len(advantages) == len(new) % self._batch:
            raise ValueError(f"{len(advantages)} trials wait for an update; after {len(new)} that is not so")
        for trial, advantage in zip(new[len(new) - len(advantages) :], advantages, strict=True):
            self._waiting.append((self._encoded(trial.number, self._space.ordered(trial.decisions)), advantage))

    def _encoded(self, number: int, decisions: Decisions) -> list[Made]:
        return self._controller.vocabulary.encode(decisions, self._space.at(number))

    def _improve(self) -> None:
        from nas.strategies.sequence import Batch

        options = self._options
        batch = Batch.of([made for made, _ in self._waiting], self._controller.vocabulary)
        advantages = [advantage for _, advantage in self._waiting]
        self._waiting = []
        self._controller.improve(batch, advantages, self._loss, epochs=self._epochs, rate=options.rate, entropy=options.entropy)


def reinforce(space: Space, seed: int, options: ReinforceOptions, context: Context) -> PolicyGradient:
    """REINFORCE: one step up the log-probability times the advantage after each trial."""
    return PolicyGradient(space, seed, options, 1, 1, reinforce_loss)


def ppo(space: Space, seed: int, options: PPOOptions, context: Context) -> PolicyGradient:
    """PPO: several steps on each batch, none of which is rewarded for going far from the policy at its start."""

    def loss(new: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
        return ppo_loss(new, old, advantages, options.clip)

    return PolicyGradient(space, seed, options, options.batch, options.epochs, loss)


def reinforce_loss(new: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
    """-A log p of each decision; new (T, B), advantages (B,), result (T, B). arXiv 1611.01578, section 3.2."""
    return -advantages * new


def ppo_loss(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped surrogate of each decision; new, old, result (T, B), advantages (B,). arXiv 1707.06347, equation 7."""
    ratio = (new - old).exp()
    return -(ratio * advantages).minimum(ratio.clamp(1 - clip, 1 + clip) * advantages)
