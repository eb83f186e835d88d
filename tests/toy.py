"""A toy space, evaluators and a strategy, for tests of the record and of the engine that need no network."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Mapping
from typing import Any

from nas.evaluators import Evaluation, Fidelity
from nas.strategies import Proposal
from nas.study import Settings


class ToyArchitecture:
    """Four letters."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def to_yaml(self) -> str:
        return f"letters: {self.letters}\n"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.letters.encode()).hexdigest()


class ToySpace:
    """Words of `size` letters."""

    name = "toy"

    def __init__(self, size: int = 4) -> None:
        self.choices: dict[str, tuple[Any, ...]] = {f"letter{i}": ("a", "b", "c", "d") for i in range(size)}

    def sample(self, rng: random.Random) -> dict[str, Any]:
        return {name: rng.choice(options) for name, options in self.choices.items()}

    def at(self, number: int) -> ToySpace:
        return self

    def decode(self, decisions: Mapping[str, Any]) -> ToyArchitecture:
        return ToyArchitecture("".join(str(decisions[name]) for name in self.choices))

    def to_yaml(self) -> str:
        return "name: toy\nletters: [a, b, c, d]\n"


class Climber:
    """Changes one letter of the best word so far, so that every ask depends on all that was told, and on its order."""

    def __init__(self, space: ToySpace, seed: int) -> None:
        self.space, self.seed = space, seed
        self.best: Any = None
        self.told: list[tuple[int, float | None]] = []

    def ask(self, number: int) -> Proposal:
        rng = random.Random(f"{self.seed}:{number}:{self.told}")
        if self.best is None or rng.random() < 0.3:
            return Proposal(self.space.sample(rng))
        name = rng.choice(list(self.space.choices))
        return Proposal({**self.best.decisions, name: rng.choice(self.space.choices[name])}, self.best.number, "letter")

    def tell(self, trial: Any) -> None:
        self.told.append((trial.number, trial.value))
        if trial.value is not None and (self.best is None or trial.value > self.best.value):
            self.best = trial


class Count:
    """The share of letters `a`, after `seconds` of work in steps of `step` s, reported after each tenth of them.

    Words that start with `fail_on` fail.
    """

    objective = "accuracy"

    def __init__(self, seconds: float = 0.0, step: float = 0.05, fail_on: str = "-", reports: bool = False) -> None:
        self.seconds, self.step, self.fail_on, self.reports = seconds, step, fail_on, reports

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        letters = getattr(architecture, "letters", architecture.digest)
        value = letters.count("a") / len(letters)
        for step in range(round(self.seconds / self.step)):
            evaluation.clock.check()
            time.sleep(self.step)
            if self.reports and step % 10 == 9:
                evaluation.report({"accuracy": value})
        if letters.startswith(self.fail_on):
            raise ValueError(f"no word may start with {self.fail_on}")
        return {"accuracy": value, "seed": evaluation.seed}


class Seeded:
    """A value of the network, and a little that the seed adds; alike in every process."""

    objective, full_epochs = "accuracy", 7

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> dict[str, float]:
        value = int(architecture.digest[:6], 16) / 2**24 * 0.9 + evaluation.seed / 2**32 * 0.05
        return {"accuracy": value} | ({"test_accuracy": value - 0.1} if fidelity.test else {})


SEEDED = Seeded()


def settings(**changes: Any) -> Settings:
    """Settings of a toy run."""
    values: dict[str, Any] = {
        "study": "toy",
        "space": ToySpace().to_yaml(),
        "strategy": "climber",
        "seed": 1,
        "budget": "20trials",
        "objective": "accuracy",
        "engine": "local",
    }
    return Settings(**(values | changes))
