"""What a search needs before it begins: its evaluator, data set, workers, and the space as they allow it."""

from __future__ import annotations

import datetime
import inspect
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import evaluators, strategies
from nas.arch import Architecture
from nas.budget import Budget
from nas.engine.devices import AUTO, Shares, core_count, gpu_count, share_out
from nas.engine.judging import own
from nas.engine.observer import Observer
from nas.engine.stopping import check as check_stopping
from nas.errors import ArchitectureError, NasError, StudyError, unknown
from nas.evaluators import Evaluator, Fidelity
from nas.evaluators.fidelity import parse_ladder
from nas.loading import load_one
from nas.measures import MEASURES
from nas.study import Settings

if TYPE_CHECKING:
    from nas.objectives import Objective
    from nas.spaces import Space
    from nas.strategies import Strategy

ENGINES = ("ray", "local")
TRIED = 20  # candidates of which one must fit the input before a search begins


def default_dataset(budget: Budget, shares: Shares, data_dir: Any, watcher: Observer) -> str:
    """The data set of a search that names none."""
    from nas import data

    seconds = budget.lane_seconds(shares.workers, shares.devices) * shares.workers * shares.devices
    name, remark = data.default(seconds / 3600.0, None if data_dir is None else Path(data_dir))
    if remark:
        watcher.note(remark)
    return name


def for_task(space: Space, evaluator: Evaluator) -> Space:
    """The space at the evaluator's input shape and number of classes, less what does not fit these.

    Raises what its candidates raise if none fits.
    """
    task = getattr(evaluator, "task", lambda: None)()
    fitted = space.with_input(*task) if task else space
    rng, misfit, fits = random.Random(0), None, False
    for _ in range(TRIED):
        try:
            fitted.decode(fitted.sample(rng)).cost()
            fits = True
        except ArchitectureError as error:
            misfit = error
    if misfit is None:
        return fitted
    if fits:
        return fitted.only_fitting()
    raise ArchitectureError(f"no candidate of space {space.name!r} fits, such as: {misfit}")


def check_space(evaluator: Evaluator, space: Space) -> None:
    """Raise `NasError` for a space that the evaluator cannot evaluate, where it can tell."""
    check = getattr(evaluator, "check", None)
    if check is not None:
        check(space)


def check_phase(evaluator: Evaluator, strategy: str, space: Space, fidelity: Fidelity | None = None) -> str:
    """Raise `NasError` where the strategy proposes phases that the evaluator does not know, or cannot train of `space`.

    A line on what is to be trained; empty where the strategy has no phases.
    """
    phase = strategies.find(strategy).phase
    if not phase:
        return ""
    if phase not in getattr(evaluator, "phases", ()):
        raise NasError(f"strategy {strategy} needs an evaluator that trains networks together; allowed: --evaluator training")
    line: str = evaluator.check_phase(phase, space, fidelity)  # type: ignore[attr-defined]
    return line


def decisions_of(space: Space, item: str | Path | Architecture | Mapping[str, Any]) -> dict[str, Any]:
    """Of a network to start with. Raises `SpaceError` where it lies outside the space."""
    if isinstance(item, Mapping):
        return space.ordered(item)
    return space.recognise(item if isinstance(item, Architecture) else load_one(item))


def fit(
    evaluator: Evaluator, space: Space, budget: Budget, shares: Shares, seed: int, watcher: Observer, candidates: int | None,
    given: Fidelity | None = None,
) -> Fidelity:  # fmt: skip
    """The fidelity that is `given`, or that the evaluator finds to fit the budget, where it can tell; else its default.

    One that fits more than that, such as a schedule of phases, is asked where it is given, too.
    """
    prepare = getattr(evaluator, "prepare", None)
    wants = inspect.signature(prepare).parameters if prepare else {}
    if prepare is None or (given is not None and "fidelity" not in wants):
        return given or Fidelity()
    seconds = budget.lane_seconds(shares.workers, shares.devices)
    known: dict[str, Any] = {}
    if candidates is not None and math.isfinite(seconds) and "candidates_each" in wants:
        known["candidates_each"] = math.ceil(candidates / shares.workers)
    known |= {name: value for name, value in (("trials", budget.trials), ("fidelity", given)) if name in wants}
    if "cores_each" in wants:
        known["cores_each"] = max(1, core_count() // shares.workers)
    fitted: Fidelity = prepare(space, seconds, seed, **known)
    if evaluators.is_simulated(evaluator):
        watcher.note("time is simulated: a trial counts the seconds that its training took")
    if (choice := getattr(evaluator, "choice", None)) is not None:
        watcher.note(choice.line())
    if (plan := getattr(evaluator, "plan", None)) is not None:
        watcher.note(plan.line())
    return fitted


def ladder_of(ladder: str | Iterable[str] | None, strategy: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """What the rungs of the strategy shrink; nothing for the default. Raises `NasError`, also for a strategy without rungs."""
    steps = parse_ladder(ladder) if ladder is not None else ()
    if ladder is not None and not strategies.rungs(strategy, **options):
        around = ", ".join(f"{name}:STRATEGY" for name in strategies.WRAPPERS.names())
        raise NasError(f"ladder={','.join(steps)} with strategy {strategy}, which has no rungs; allowed: {around}")
    return steps


def check_inherit(inherit: bool, name: str, strategy: Strategy, evaluator: Evaluator) -> None:
    """Raise `NasError` where children cannot begin with their parents' parts, as far as that is known before the search."""
    if not isinstance(inherit, bool):
        raise NasError(f"inherit={inherit!r:.40}; allowed: true or false")
    if inherit and not getattr(strategy, "breeds", False):
        allowed = "one that makes candidates from others, such as evolution"
        raise NasError(f"inherit with strategy {name}, whose candidates have no parents: nothing would be inherited; allowed: {allowed}")
    if inherit and not getattr(evaluator, "inherits", False):
        raise NasError("inherit with an evaluator that keeps no weights: nothing would be inherited; allowed: training")


def rule_of(stop_early: bool | str | float | None, goals: tuple[Objective, ...], evaluator: Evaluator) -> float:
    """The quantile below which curves are stopped; 0 for none. Raises `NasError`, also where no curve is to be seen."""
    quantile = check_stopping(stop_early, len(goals))
    known, name = getattr(evaluator, "metrics", None), goals[0].name
    blind = isinstance(evaluator, evaluators.FunctionEvaluator) or name in MEASURES
    blind = blind or (known is not None and not {"epochs", name} <= set(known))
    if quantile and blind:
        allowed = f"an evaluator that reports epochs and {name} by evaluation.report"
        raise NasError(f"stop_early={stop_early!r:.40}: the evaluator reports no curve of {name}; allowed: {allowed}")
    return quantile


def evaluator_of(evaluator: Any, options: Mapping[str, Any], objective: str | None) -> Evaluator:
    """The evaluator of that name with its options, or the one that was handed in. Raises `NasError` for options of the latter."""
    if isinstance(evaluator, str):
        return evaluators.create(evaluator, **options)
    if options:
        raise NasError(f"{next(iter(options))} is an option of a named evaluator; an evaluator that is handed in has its own")
    return evaluators.wrap(evaluator, objective)


def resumed_evaluator(settings: Settings, evaluator: Any) -> Evaluator:
    """That of a recorded run. Raises `StudyError` where it was handed in then, and is not now."""
    if evaluator is not None:
        return evaluator_of(evaluator, {}, own(settings.goals))
    if settings.evaluator is None:
        raise StudyError("the run was started from Python with an evaluator of its own; hand it in: resume(directory, evaluator=...)")
    return evaluators.create(settings.evaluator, **settings.evaluator_options)


def with_dataset(options: Mapping[str, Any] | None, dataset: str | None) -> dict[str, Any]:
    """Options of an evaluator, the data set among them if one is named."""
    return dict(options or {}) | ({"dataset": dataset} if dataset is not None else {})


def settings_of(evaluator: Evaluator) -> dict[str, Any]:
    """What an evaluator of a name is to be made from again, as plain data."""
    settings = getattr(evaluator, "settings", None)
    return dict(settings()) if settings else {}


def shares_of(
    engine: str, workers: int | None, gpus_per_trial: float | str | None, address: str | None, most: int | None = None,
    ship: bool = True, note: Callable[[str], None] = lambda line: None,
) -> Shares:  # fmt: skip
    """The workers of an engine and what each holds. Raises `NasError` for what this machine, or the cluster, does not have.

    most: workers that there may be once nodes have joined the cluster: the GPUs for `workers` need not be there yet.
    ship: as of `cluster_devices`.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if address is not None and engine != "ray":
        raise NasError(f"address={address!r} needs the engine ray")
    gpus, cores = gpu_count(), core_count()
    if address is not None:
        from nas.engine.ray_start import cluster_devices

        gpus, cores = cluster_devices(address, ship, note)
        if most and not isinstance(gpus_per_trial, str | None):
            gpus = max(gpus, math.ceil((workers or 1) * gpus_per_trial))
    shares = share_out(workers, gpus_per_trial, gpus=gpus, cores=cores)
    if engine == "local" and workers is None and gpus_per_trial != AUTO:
        return replace(shares, workers=1)
    return shares


def check_seconds(name: str, value: float | None) -> None:
    """Raise `NasError` for a limit of time that is none."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf")):
        raise NasError(f"{name}={value!r}; allowed: seconds > 0")


def default_folder(space: str) -> Path:
    """Where a run of that space lies unless it is said."""
    stem = datetime.datetime.now().strftime(f"{space}-%Y%m%d-%H%M%S")
    return Path("runs") / stem
