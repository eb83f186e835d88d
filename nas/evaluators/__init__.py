"""Evaluators: (Architecture, Fidelity) -> metrics. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.evaluators.base import (
    Evaluation,
    Evaluator,
    Fidelity,
    FunctionEvaluator,
    Metrics,
    Outcome,
    cut_off,
    run,
    wrap,
)
from nas.evaluators.clock import Clock, CutOff
from nas.registry import Registry

EVALUATORS: Registry[Callable[..., Evaluator]] = Registry("evaluator")


@EVALUATORS.register("training")
def _training(**options: Any) -> Evaluator:
    from nas.evaluators.training import TrainingEvaluator

    evaluator: Evaluator = TrainingEvaluator(**options)
    return evaluator


@EVALUATORS.register("zero-cost")
def _zero_cost(**options: Any) -> Evaluator:
    from nas.evaluators.zerocost import ZeroCostEvaluator

    return ZeroCostEvaluator(**options)


def create(name: str, **options: Any) -> Evaluator:
    """The evaluator called `name`. Raises `UnknownNameError`."""
    return EVALUATORS.get(name)(**options)


__all__ = [
    "EVALUATORS",
    "Clock",
    "CutOff",
    "Evaluation",
    "Evaluator",
    "Fidelity",
    "FunctionEvaluator",
    "Metrics",
    "Outcome",
    "create",
    "cut_off",
    "run",
    "wrap",
]
