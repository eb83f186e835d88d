"""What all strategies share: the trial they are told, the protocol they keep, the generator of one ask."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from nas.spaces import Decisions, Option

PROMOTION = "promotion"  # how a proposal was made that looks at the same network more closely
Key = bytes


@dataclass(frozen=True)
class Proposal:
    """What is to be tried, and where it came from.

    parent: the number of the trial it was made from; how: what made it (`sample`, `mutation`, ...); fraction: of the
    full fidelity, in (0, 1], at which it is to be evaluated. phase: not a candidate but a phase of that name, which trains
    what candidates share, with the networks `children`, of which `decisions` are the first; nothing else runs meanwhile.
    """

    decisions: Decisions
    parent: int | None = None
    how: str = "sample"
    fraction: float = 1.0
    phase: str | None = None
    children: tuple[Decisions, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A finished trial. `value` is larger for better; None when the trial failed, which NaN and infinities count as.

    values: with several objectives one number each, all larger for better, the first of them `value`; fraction: of the
    full fidelity at which it was evaluated; phase: as in `Proposal`, then `found` are decisions that it came to, the best
    first, and `value` judges no candidate.
    """

    number: int
    decisions: Decisions
    value: float | None
    values: tuple[float, ...] = ()
    fraction: float = 1.0
    phase: str | None = None
    found: tuple[Decisions, ...] = ()

    def __post_init__(self) -> None:
        value = finite(self.value)
        values = (value,) if not self.values else tuple([finite(number) for number in self.values])
        whole = value is not None and None not in values
        fields = self.__dict__  # frozen
        fields["decisions"] = dict(self.decisions)  # a caller may go on changing its own
        fields["value"] = values[0] if whole else None
        fields["values"] = values if whole else ()


@dataclass(frozen=True)
class Context:
    """What a strategy may know of the search besides its space.

    objectives: how many numbers a trial is judged by; trials: how many the budget allows, as far as that is known;
    features: numbers that are known of a candidate without training it, for strategies that learn to predict.
    """

    objectives: int = 1
    trials: float = math.inf
    features: Callable[[Decisions], tuple[float, ...]] | None = None


class Strategy(Protocol):
    """Proposes decisions and learns from finished trials.

    All state comes from what was told, in that order: a restart is `create` and `tell` of the history.
    Optional: `breeds`, true where proposals may name a parent that is not promoted, whose parts a candidate can inherit;
    `snapshot` and `restore`, see `Lasting`.
    """

    def ask(self, number: int) -> Proposal:
        """What trial `number` is to be: a pure function of (space, seed, number, what was told so far)."""
        ...

    def tell(self, trial: Trial) -> None:
        """Take a finished trial, whoever proposed it; a number that was told before is ignored."""
        ...


@runtime_checkable
class Lasting(Protocol):
    """A strategy that learns slowly, and whose state can be kept: it comes from what was told all the same."""

    def snapshot(self) -> dict[str, Any] | None:
        """The state in plain numbers, texts, lists, dictionaries and tensors; None where it is as quickly learnt again."""
        ...

    def restore(self, snapshot: Mapping[str, Any], told: Sequence[Trial]) -> None:
        """Take the state that a snapshot was made of, as a strategy that was told nothing but `told`, in that order.

        What is quick to learn may be learnt from these again. Raises anything where it is not a state of this strategy.
        """
        ...


def finite(value: float | None) -> float | None:
    """`value` as a float, or None when it is missing, NaN, infinite or beyond a float."""
    try:
        number = math.nan if value is None else float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def generator(seed: int, number: int) -> random.Random:
    """The random generator of ask `number`: the same in every process, for a string is seeded through SHA-512.

    It is not keyed by the strategy, so that all strategies start from the same random candidates under one seed.
    """
    return random.Random(f"{seed}:{number}")


def key(decisions: Mapping[str, Option]) -> Key:
    """Decisions as something to look up: equal for equal decisions, in whatever order a storage gave them back.

    Their digest, for a search may remember those of 100,000 trials. As for Python, 1 and 1.0 and True are equal.
    """
    plain = [(name, option if option is None or isinstance(option, str) else float(option)) for name, option in decisions.items()]
    return blake2b(repr(sorted(plain)).encode(), digest_size=16).digest()


class Record:
    """Which trials and which decisions were told so far; constant time a trial."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._keys: set[Key] = set()

    def add(self, trial: Trial) -> bool:
        """Note `trial`. False when its number was told before: a duplicate must not count twice."""
        if trial.number in self._numbers:
            return False
        self._numbers.add(trial.number)
        self._keys.add(key(trial.decisions))
        return True

    def known(self, decisions: Decisions) -> bool:
        """Whether these decisions were told."""
        return key(decisions) in self._keys

    def fresh(self, propose: Callable[[], Decisions], tries: int) -> Decisions:
        """The first of at most `tries` proposals that was not told yet, failing that the last of them.

        Training the same network twice tells little, and a small or nearly exhausted space must not hang the search.
        """
        for _ in range(tries - 1):
            decisions = propose()
            if not self.known(decisions):
                return decisions
        return propose()
