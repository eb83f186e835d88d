"""The search for the coefficients of compound scaling: by which factors a network is to grow when its cost doubles.

As the paper did on EfficientNet-B0 (Tan & Le, arXiv 1905.11946, section 3.3): a grid of (alpha, beta, gamma), each at
least 1, with alpha * beta^2 * gamma^2 close to 2. It is an ordinary search, over a space of one decision.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas import evaluators
from nas.arch import Architecture
from nas.budget import Budget
from nas.engine.api import search
from nas.engine.observer import Observer
from nas.engine.prepare import default_dataset, shares_of
from nas.errors import ArchitectureError, NasError
from nas.loading import find_baseline, load_one
from nas.scale import PAPER, Coefficients, compound
from nas.spaces import Space
from nas.study import Study

DECISION = "coefficients"
DOUBLE, CLOSE = 2.0, 0.1  # alpha * beta^2 * gamma^2 is within CLOSE of DOUBLE, as a fraction of it
# What figure 8 of the paper holds compound scaling against: one dimension alone, at the same cost; and the network as it is.
REFERENCES = {
    "base": Coefficients(),
    "depth only": Coefficients(depth=DOUBLE),
    "width only": Coefficients(width=math.sqrt(DOUBLE)),
    "resolution only": Coefficients(resolution=math.sqrt(DOUBLE)),
}
STEP = 0.1
STEPS = (0.04, 0.5)  # a finer grid has more triples than a decision may have options


@dataclass(frozen=True)
class Grid:
    """Coefficients by their label, those of different networks only: rounding makes one network of many triples.

    `left_out`: a line for each reference that cannot be had, and for triples whose networks do not fit.
    """

    references: dict[str, Coefficients]
    triples: dict[str, Coefficients]
    left_out: tuple[str, ...]


def scale_search(
    network: str | Path | Architecture,
    *,
    step: float = STEP,
    strategy: str = "grid",
    evaluator: Any = "training",
    evaluator_options: Mapping[str, Any] | None = None,
    dataset: str | None = None,
    budget: str | Budget = "5m",
    confirm: str | int | None = "3x3",
    workers: int | None = None,
    gpus_per_trial: float | str | None = None,
    seed: int = 0,
    engine: str = "ray",
    address: str | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Study:
    """Search the coefficients by which `network` is scaled best at twice its cost; options are those of `nas.search`.

    step: of the grid of each coefficient. strategy: `grid` tries every triple once, in a shuffled order, and ends when
    all are tried; any other looks for good ones until the budget ends. confirm: so many of the best, with so many seeds,
    and with them the base and single-dimension scaling; None leaves it at single trainings.
    Each candidate is trained at its own resolution: the images of the data set are resampled to it.
    Raises `NasError` for a network that cannot be scaled, and what `nas.search` raises.
    """
    base = network if isinstance(network, Architecture) else load_one(network)
    options["observer"], watcher = observer, observer or Observer()
    total = budget if isinstance(budget, Budget) else Budget.parse(budget)
    settings = dict(evaluator_options or {})
    if isinstance(evaluator, str):
        evaluator, named = evaluators.parse(evaluator)
        settings |= named
        if dataset is None and evaluators.takes_data(evaluator):
            shares = shares_of(engine, workers, gpus_per_trial, address)
            dataset = default_dataset(total, shares, settings.get("data_dir"), watcher)
    task = _task(evaluator, settings, dataset)
    found = grid(base if task is None else base.with_input(*task), step)
    for line in found.left_out:
        watcher.note(line)
    every = {**found.references, **found.triples}
    watcher.note(f"{len(found.triples)} different networks of about twice the cost, and {', '.join(found.references)} to hold them against")
    order = [{DECISION: label} for label in found.triples]
    random.Random(f"{seed}:coefficients").shuffle(order)
    whole = strategy == "grid"
    return search(
        space(base, every), strategy=strategy, evaluator=evaluator, evaluator_options=settings, dataset=dataset,
        budget=replace(total, trials=min(total.trials, len(every))) if whole else total,
        references=[{DECISION: label} for label in found.references], start=order if whole else (),
        candidates=len(every), network=_named(network), confirm=confirm, workers=workers, gpus_per_trial=gpus_per_trial,
        seed=seed, engine=engine, address=address, out=out, **options,
    )  # fmt: skip


def triples(step: float = STEP) -> Iterator[Coefficients]:
    """The paper's own, then all of the grid that scale at least two dimensions and about double the cost.

    Raises `NasError` for a step that is no number or out of bounds.
    """
    if isinstance(step, bool) or not isinstance(step, int | float) or not STEPS[0] <= step <= STEPS[1]:
        raise NasError(f"step={step!r}; allowed: {STEPS[0]} to {STEPS[1]}")
    most = DOUBLE * (1 + CLOSE)
    alphas, sides = ([round(1 + i * step, 9) for i in range(int((top - 1) / step) + 1)] for top in (most, math.sqrt(most)))
    yield PAPER
    for made in itertools.starmap(Coefficients, itertools.product(alphas, sides, sides)):
        if abs(made.growth / DOUBLE - 1) <= CLOSE + 1e-9 and sum(value > 1 for value in made) > 1:
            yield made


def grid(base: Architecture, step: float = STEP) -> Grid:
    """Different networks that the coefficients make of `base`, which has the input that is trained on.

    Of several triples for one network that of the growth nearest to 2 stands for all. Raises `NasError` where there are
    fewer than two.
    """
    shape = "x".join(map(str, base.input))
    try:
        base.cost()
    except ArchitectureError as error:
        raise ArchitectureError(f"{base.name} does not fit images of {shape}, before it is scaled: {error}") from None
    kept: dict[str, str] = {}  # digests to labels
    references: dict[str, Coefficients] = {}
    left_out: list[str] = []
    for name, by in REFERENCES.items():
        digest, why = _digest(base, by)
        if digest in kept:
            why = f"that is the same network as {kept[digest]}"
        if why:
            left_out.append(f"no {name} scaling to hold against: {why}")
        else:
            references[name], kept[digest] = by, name
    made: dict[str, Coefficients] = {}
    misfits = []
    for by in sorted(dict.fromkeys(triples(step)), key=lambda by: (by != PAPER, abs(by.growth - DOUBLE), by)):
        digest, why = _digest(base, by)
        if why:
            misfits.append(why)
        elif digest not in kept:
            made[label(by)] = by
            kept[digest] = label(by)
    if misfits:
        left_out.append(f"{len(misfits)} triples give no network at this input, such as: {misfits[0]}")
    if len(made) < 2:
        raise NasError(
            f"{base.name} at input {shape} cannot be scaled: step {step:g} gives {len(made)} networks besides "
            f"{', '.join(references)}{'; ' + misfits[0] if misfits else ''}; allowed: a network with repeats, a larger one, a finer step"
        )
    return Grid(references, dict(sorted(made.items(), key=lambda item: item[1])), tuple(left_out))


def label(by: Coefficients) -> str:
    """`1.2 1.1 1.15`; single-dimension scaling by its name."""
    names = {value: name for name, value in REFERENCES.items()}
    return names.get(by) or " ".join(f"{value:g}" for value in by)


def space(base: Architecture, every: Mapping[str, Coefficients]) -> Space:
    """The space of one decision: by which coefficients `base` is scaled."""
    choice = {"choose": [list(by) for by in every.values()], "labels": list(every), "name": DECISION}
    return Space({**base.to_dict(), "scale": choice})


def _digest(base: Architecture, by: Coefficients) -> tuple[str, str]:
    """Of the scaled network, or why there is none."""
    try:
        made = compound(base, by)
        made.cost()
    except ArchitectureError as error:
        return "", str(error)
    return made.digest, ""


def _task(evaluator: Any, options: Mapping[str, Any], dataset: str | None) -> tuple[tuple[int, int, int], int] | None:
    """Input and classes that the base is to have."""
    if isinstance(evaluator, str):
        given = {"dataset": dataset} if dataset is not None else {}
        evaluator = evaluators.create(evaluator, **options, **given)
    found: tuple[tuple[int, int, int], int] | None = getattr(evaluator, "task", lambda: None)()
    return found


def _named(network: str | Path | Architecture) -> str:
    """As a command line in any folder would name it."""
    if isinstance(network, Architecture):
        return network.name
    return str(network) if find_baseline(network) is not None else str(Path(network).absolute())
