"""Evaluators: (Architecture, Fidelity) -> metrics. Importing this imports no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nas.errors import NasError
from nas.evaluators.base import (
    Evaluation,
    Evaluator,
    FunctionEvaluator,
    Metrics,
    Outcome,
    Task,
    clock_of,
    cut_off,
    is_simulated,
    run,
    wrap,
)
from nas.evaluators.clock import Clock, CutOff
from nas.evaluators.curve import Bar, Stopped
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.store import Store, StoreError
from nas.registry import Registry

EVALUATORS: Registry[Callable[..., Evaluator]] = Registry("evaluator")
ARGUMENTS = {"zero-cost": "proxy"}  # evaluators to the option that follows their name after a colon


@EVALUATORS.register("training")
def _training(dataset: str = "digits", resample: bool = False, **options: Any) -> Evaluator:
    from nas.evaluators.training import TrainingEvaluator

    evaluator: Evaluator = TrainingEvaluator(dataset, resample=resample, **options)
    return evaluator


@EVALUATORS.register("shared")
def _shared(
    dataset: str = "digits", sampling: str = "uniform", epochs: float | None = None, steps: int | None = None,
    batches: int | None = None, recalibrate: int = 4, share: float = 0.5, resample: bool = False, **options: Any,
) -> Evaluator:  # fmt: skip
    from nas.evaluators.shared import SharedEvaluator

    evaluator: Evaluator = SharedEvaluator(
        dataset, sampling=sampling, epochs=epochs, steps=steps, batches=batches, recalibrate=recalibrate, share=share, resample=resample,
        **options,
    )  # fmt: skip
    return evaluator


@EVALUATORS.register("tabular")
def _tabular(table: str | None = None) -> Evaluator:
    from nas.evaluators.tabular import TabularEvaluator

    evaluator: Evaluator = TabularEvaluator(table)
    return evaluator


@EVALUATORS.register("zero-cost")
def _zero_cost(proxy: str = "naswot", **options: Any) -> Evaluator:  # without a data set it shows noise
    from nas.evaluators.zerocost import ZeroCostEvaluator

    return ZeroCostEvaluator(proxy, **options)


def takes_data(name: str) -> bool:
    """Whether the evaluator called `name` reads a data set, a default one if none is given. Raises `UnknownNameError`."""
    return takes(name, "dataset")


def takes(name: str, option: str) -> bool:
    """Whether the evaluator called `name` has an option of that name. Raises `UnknownNameError`."""
    return option in inspect.signature(EVALUATORS.get(name)).parameters


def parse(name: str) -> tuple[str, dict[str, Any]]:
    """`NAME`, `NAME:ARGUMENT` or `NAME(option=value,...)` as the name and its options: of an argument the one that it is.

    Such as `zero-cost:naswot` and `shared(epochs=50)`. Raises `UnknownNameError`, and `NasError` for what cannot be read or
    an argument of an evaluator that takes none.
    """
    if "(" in name:
        from nas.strategies.specs import read

        spec = read(name, "evaluator")
        plain, named = parse(spec.name)
        return plain, {**named, **spec.options}
    name, colon, argument = name.partition(":")
    EVALUATORS.get(name)
    if not colon:
        return name, {}
    if name not in ARGUMENTS or not argument:
        raise NasError(f"evaluator {name}:{argument}; allowed: {', '.join(_forms())}")
    return name, {ARGUMENTS[name]: argument}


def _forms() -> list[str]:
    return [f"{name}:{ARGUMENTS[name].upper()}" if name in ARGUMENTS else name for name in EVALUATORS.names()]


def create(name: str, **options: Any) -> Evaluator:
    """The evaluator called `name`. Raises `UnknownNameError`, and `NasError` for an option that it does not have."""
    make = EVALUATORS.get(name)
    try:
        return make(**options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        option = str(error).rsplit("argument ", 1)[-1].strip("'")
        raise NasError(f"evaluator {name} has no option {option}={options.get(option)!r}; allowed: {_allowed(make)}") from None


def _allowed(make: Callable[..., Evaluator]) -> str:
    known = inspect.signature(make).parameters.values()
    return ", ".join("..." if each.kind is each.VAR_KEYWORD else each.name for each in known) or "none"


__all__ = [
    "EVALUATORS",
    "Bar",
    "Clock",
    "CutOff",
    "Evaluation",
    "Evaluator",
    "Fidelity",
    "FunctionEvaluator",
    "Metrics",
    "Outcome",
    "Stopped",
    "Store",
    "StoreError",
    "Task",
    "clock_of",
    "create",
    "cut_off",
    "is_simulated",
    "parse",
    "run",
    "takes",
    "takes_data",
    "wrap",
]
