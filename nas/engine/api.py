"""`search` and `resume`: space, strategy, evaluator and budget in, a study out."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import evaluators, measures, spaces, strategies
from nas.arch import Architecture
from nas.budget import Budget
from nas.engine.confirm import ask_for, follow_up, plan, planned
from nas.engine.devices import AUTO, Shares, core_count
from nas.engine.driver import Driver
from nas.engine.judging import check, own, read
from nas.engine.keeping import cap_of
from nas.engine.kept import KeptLanes
from nas.engine.lanes import Lanes
from nas.engine.local import LocalLanes
from nas.engine.observer import Observer, Observers
from nas.engine.phases import alone_by, check_sampling, default_sampling, strategy_of, wish_of
from nas.engine.prepare import (
    check_inherit,
    check_phase,
    check_seconds,
    check_space,
    decisions_of,
    default_dataset,
    default_folder,
    evaluator_of,
    fit,
    for_task,
    ladder_of,
    resumed_evaluator,
    rule_of,
    settings_of,
    shares_of,
    with_dataset,
)  # fmt: skip
from nas.engine.ray_metrics import RayMetrics
from nas.engine.screening import features as features_of
from nas.engine.screening import parse_filter, screened
from nas.engine.sharing import check_memory, gpu_memories, packed, queue_of
from nas.engine.sharing import memory_per_device as memory_of
from nas.engine.simulated import SimulatedLanes
from nas.engine.timing import check_lanes, settled
from nas.engine.versions import versions
from nas.errors import NothingFinishedError
from nas.evaluators import Evaluator, Fidelity, Store
from nas.evaluators.fidelity import check_rungs
from nas.evaluators.store import FOLDER
from nas.latency import Setting
from nas.objectives import Objective
from nas.repeatable import check_seed
from nas.strategies import Context
from nas.study import Recorder, Settings, Study, check_new, create_study, open_study, resume_study
from nas.study.confirmation import CONFIRM
from nas.study.correlation import CORRELATE

if TYPE_CHECKING:
    from nas.spaces import Space


def search(
    space: str | Path | Space = "nasnet-cell",
    *,
    strategy: str = "auto",
    strategy_options: Mapping[str, Any] | None = None,
    evaluator: Any = "training",
    evaluator_options: Mapping[str, Any] | None = None,
    objective: str | None = None,
    objectives: str | Iterable[str] | None = None,
    dataset: str | None = None,
    budget: str | Budget = "5m",
    fidelity: Fidelity | None = None,
    limits: Mapping[str, Any] | None = None,
    filter: str | None = None,
    features: Iterable[str] = (),
    start: Iterable[str | Path | Architecture | Mapping[str, Any]] = (),
    references: Iterable[Mapping[str, Any]] = (),
    candidates: int | None = None,
    ladder: str | Iterable[str] | None = None,
    stop_early: bool | str | float | None = None,
    keep: str | None = None,
    inherit: bool = False,
    network: str | None = None,
    latency: str | Setting | None = None,
    workers: int | None = None,
    gpus_per_trial: float | str | None = None,
    memory_per_device: str | float | None = None,
    mps: bool = True,
    timeout: float | None = None,
    confirm: str | int | None = None,
    confirm_epochs: int | None = None,
    control: bool = False,
    correlate: str | int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    storage: str | None = None,
    engine: str = "ray",
    address: str | None = None,
    dashboard: bool = True,
    observer: Observer | None = None,
) -> Study:
    """Search `space` until `budget` ends; the study, which lies in the folder `out` (default: `runs/SPACE-TIME`).

    evaluator: a registered name, an `Evaluator`, or a function `evaluate(architecture, fidelity) -> metrics` (or one
    number, the `objective`). objectives: several, such as ("accuracy", "params", "min:val_loss"): metrics of the
    evaluator, or `nas.measures` of the candidate; see `nas.objectives.parse` for their directions.
    workers: default all GPUs, else all cores (one thread with the local engine).
    gpus_per_trial: of a GPU that a worker holds; "auto": as many workers on a GPU as fit. memory_per_device: such as
    "40GB", that candidates on one GPU, or on the host's cores, may take together (default: what a GPU has; on cores no
    bound). mps: whether processes may share a GPU by NVIDIA's MPS, where that is installed.
    start: networks that are tried first, as far as they lie in the space: names, files, architectures or decisions.
    references: decisions of networks that the others are held against: tried before all others, confirmed with the best,
    and never the best themselves. candidates: how many will be looked at, where that is known: the fewer the longer each
    is trained, as far as the budget goes. network: what the space was made from, for the record.
    ladder: what the rungs of asha and hyperband shrink, such as "epochs,resolution" (default: epochs, then samples); see
    `nas.evaluators.fidelity.STEPS`. stop_early: `median` (or True), or a quantile such as 0.25: candidates are stopped whose
    best value so far is below that quantile of the others' after as many epochs. keep: what the weights that are kept for
    promotions may take together, such as "2GB" (default 1GB); "0": those that are needed alone.
    inherit: a candidate made from another begins with what of that one's trained parts fits it; see docs/weight-sharing.md.
    limits: bounds on measures of candidates, such as `{"params": "5M", "latency_ms": 20}`, beside those of the space;
    filter: `naswot:0.5` tries only candidates at or above that quantile of the proxy over random candidates; features:
    proxies that the strategy is told of candidates.
    latency: how the objective or limit `latency_ms` is measured, such as "batch=8,threads=2,device=cpu,backend=onnx"
    (default: one image, one thread, where candidates are trained, in torch).
    timeout: seconds that one candidate may take. fidelity: default what the evaluator finds to fit the budget.
    confirm: `3x3` trains the three best networks again afterwards, with three fresh seeds each, at full size for
    `confirm_epochs` (default: the evaluator's `full_epochs`, and no fewer than in the search); see
    `Study.confirmation`. control: then a random search under the same budget, confirmed alike; see `Study.control`.
    correlate: `10x2` trains, after a search on shared weights, ten networks spread over its ranking alone, with two seeds
    each, as long as a confirmation does; see `nas.study.correlation`.
    Raises `NasError` and its kinds on bad input, before anything is written, and `NothingFinishedError` when no
    candidate finished; Ctrl-C leaves a record that `resume` goes on with.
    """
    begun = time.monotonic()
    check_seed(seed)
    watcher = observer = _watched(observer, engine)
    searched = spaces.load(space).within(limits or {})
    filters, features = parse_filter(filter) if filter else {}, measures.find_proxies(features, "features") if features else ()
    total = budget if isinstance(budget, Budget) else Budget.parse(budget)
    goals = read(objective, objectives)
    context = _context(searched, features, len(goals) if goals else 1, total)
    asked = strategies.create(strategy, searched, seed, context, **dict(strategy_options or {}))
    steps = ladder_of(ladder, strategy, strategy_options or {})
    references = list(references)
    wish = planned(confirm, confirm_epochs, control, strategy, bool(references), correlate)
    shares, memory = shares_of(engine, workers, gpus_per_trial, address), memory_of(memory_per_device)
    options = dict(evaluator_options or {})
    if isinstance(evaluator, str):
        evaluator, named = evaluators.parse(evaluator)
        options |= named
        if searched.scales and evaluators.takes(evaluator, "resample"):
            options.setdefault("resample", True)
        if evaluators.takes(evaluator, "sampling"):
            options.setdefault("sampling", default_sampling(asked))
        if dataset is None and evaluators.takes_data(evaluator):
            dataset = default_dataset(total, shares, options.get("data_dir"), watcher)
    judge = evaluator_of(evaluator, with_dataset(options, dataset), own(goals))
    goals = check(goals, judge)
    quantile = rule_of(stop_early, goals, judge)
    cap_of(keep or "")
    check_inherit(inherit, strategy, asked, judge)
    check_seconds("timeout", timeout)
    check_memory(judge, memory)
    check_space(judge, searched)
    check_phase(judge, strategy, searched)
    check_sampling(judge, asked, strategy, bool(steps))
    correlating = wish_of(correlate, confirm_epochs, control, confirm is not None, judge)
    latency, searched = settled(latency, goals, searched, shares.device, address is None)
    directory = check_new(out if out is not None else default_folder(searched.name))
    searched = for_task(searched, judge)
    compared = [searched.ordered(decisions) for decisions in references]
    seeds = compared + [decisions_of(searched, item) for item in start]
    fidelity = fit(judge, searched, total, shares, seed, watcher, candidates, fidelity)
    if line := check_phase(judge, strategy, searched, fidelity):
        watcher.note(line)
    if steps:
        check_rungs(fidelity, strategies.rungs(strategy, **dict(strategy_options or {})), steps)
    searched = screened(searched, filters, seed, watcher.note)
    if gpus_per_trial == AUTO:
        shares = packed(
            shares, judge, searched, fidelity, seed, memory, workers=workers, apart=engine == "ray", here=address is None,
            note=watcher.note,
        )  # fmt: skip
    settings = Settings(
        study=directory.name,
        space=searched.to_yaml(),
        strategy=strategy,
        strategy_options=dict(strategy_options or {}),
        seed=seed,
        budget=str(total),
        objective=goals[0].name,
        objectives=[] if goals == (Objective(goals[0].name),) else list(map(str, goals)),
        evaluator=evaluator if isinstance(evaluator, str) else None,
        evaluator_options=settings_of(judge) if isinstance(evaluator, str) else {},
        dataset=dataset,
        fidelity=fidelity.to_dict(),
        features=list(features),
        start=seeds,
        timeout=timeout,
        storage=storage,
        engine=engine,
        workers=shares.workers,
        gpus_per_trial=shares.gpus,
        packed=gpus_per_trial == AUTO,
        memory_per_device=memory,
        device=shares.device,
        versions=versions(),
        command=list(sys.argv),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        confirm=plan(wish, judge, fidelity),
        correlate=plan(correlating, judge, fidelity),
        control=control,
        references=compared,
        network=network,
        latency=latency,
        inherit=inherit,
        keep=keep or "",
        ladder=list(steps),
        stop_early=quantile,
    )
    with (
        KeptLanes(lambda: make_lanes(engine, judge, shares, address=address, dashboard=dashboard, mps=mps)) as lanes,
        create_study(directory, settings, searched) as study,
    ):
        return _whole(study, judge, lanes, observer, time.monotonic() - begun, storage)


def resume(
    directory: str | Path,
    *,
    evaluator: Any = None,
    confirm: str | int | None = None,
    confirm_epochs: int | None = None,
    control: bool = False,
    correlate: str | int | None = None,
    workers: int | None = None,
    gpus_per_trial: float | str | None = None,
    memory_per_device: str | float | None = None,
    mps: bool = True,
    storage: str | None = None,
    engine: str | None = None,
    address: str | None = None,
    dashboard: bool = True,
    observer: Observer | None = None,
) -> Study:
    """Go on with the run in `directory`, after Ctrl-C or a kill: nothing finished is lost, what ran is run again first.

    The search comes first, then what is missing of its confirmation, its rank correlation and its control; `confirm`,
    `correlate` and `control` ask for them where the search was started without.

    Settings are those of the run; `workers`, `gpus_per_trial`, `memory_per_device`, `engine` and `storage` can be given anew, and an
    `evaluator` that was handed in must be handed in again. A run whose budget is spent is returned as it is.
    Raises as `search` does.
    """
    known = open_study(directory, storage=storage)
    settings = known.settings
    wish = planned(confirm, confirm_epochs, control, settings.strategy, correlate=correlate)
    judge = resumed_evaluator(settings, evaluator)
    correlating = wish_of(correlate, confirm_epochs, control, bool(confirm or settings.confirm), judge)
    engine = engine or settings.engine
    observer = _watched(observer, engine)
    given = settings.memory_per_device if memory_per_device is None else memory_of(memory_per_device)
    check_memory(judge, given)
    shares = _resumed_shares(known, judge, engine, workers, gpus_per_trial, given, address, observer.note)
    if settings.latency:
        check_lanes(settings.timing, shares.device, address is None)
    with (
        KeptLanes(lambda: make_lanes(engine, judge, shares, address=address, dashboard=dashboard, mps=mps)) as lanes,
        resume_study(directory, storage=storage) as study,
    ):
        study.settings = replace(study.settings, memory_per_device=given)
        ask_for(study, wish, control, judge, correlating)
        return _whole(study, judge, lanes, observer, 0.0, storage)


def _resumed_shares(
    study: Study, judge: Evaluator, engine: str, workers: int | None, gpus_per_trial: float | str | None, memory: float,
    address: str | None, note: Callable[[str], None],
) -> Shares:  # fmt: skip
    """Those of the run, but for what is given; where they were chosen by what fits, they are chosen anew for this machine."""
    settings, asked = study.settings, gpus_per_trial
    if asked is None and settings.device == "cpu":
        asked = 0.0  # a device-hour must stay what it was
    elif asked is None:
        asked = AUTO if settings.packed else settings.gpus_per_trial
    if asked != AUTO and not (settings.packed and gpus_per_trial is None):
        return shares_of(engine, workers or settings.workers, asked, address)
    shares = shares_of(engine, workers or (None if asked == AUTO else core_count()), asked, address)
    fidelity, apart = Fidelity.from_dict(settings.fidelity), engine == "ray"
    return packed(
        shares, judge, study.space, fidelity, settings.seed, memory, workers=workers, apart=apart, here=address is None, note=note
    )


def make_lanes(
    engine: str, evaluator: Evaluator, shares: Shares, *, address: str | None = None, dashboard: bool = True, mps: bool = True
) -> Lanes:  # fmt: skip
    """The lanes of an engine, not started yet."""
    if engine == "local":
        memory = gpu_memories() if shares.gpus else {}
        return LocalLanes(evaluator, shares.workers, share=shares.devices, devices=tuple(memory) or ("cpu",), memory=memory)
    from nas.engine.ray_lanes import RayLanes

    return RayLanes(evaluator, shares, address=address, dashboard=dashboard, mps=mps)


def _watched(observer: Observer | None, engine: str) -> Observers:
    """Whoever watches the search; on Ray its metrics beside them. None of them can end it by raising."""
    return Observers([*([observer] if observer else []), *([RayMetrics()] if engine == "ray" else [])])


def _whole(
    study: Recorder, evaluator: Evaluator, lanes: Lanes, observer: Observer, spent: float, storage: str | None
) -> Study:
    """The search, then what was asked for to follow it and is missing."""

    def drive(run: Recorder) -> Study:
        return _drive(run, evaluator, lanes, observer, 0.0, storage)

    found = _drive(study, evaluator, lanes, observer, spent, storage)
    follow_up(found, drive, observer.note, storage, alone_by(evaluator, study, lanes))
    return found


def _drive(
    study: Recorder, evaluator: Evaluator, lanes: Lanes, observer: Observer, spent: float, storage: str | None
) -> Study:
    settings = study.settings
    fidelity, budget = Fidelity.from_dict(settings.fidelity), Budget.parse(settings.budget)
    context = _context(study.space, settings.features, len(study.goals), budget)
    strategy = strategy_of(study, evaluator, context)
    show = _show_nothing if settings.role in (CONFIRM, CORRELATE) else study.write_best
    clock = None
    if evaluators.is_simulated(evaluator):  # a clock of its own for every run
        lanes = SimulatedLanes(lanes)
        clock, spent = lanes.now, 0.0
    try:
        Driver(
            study, strategy, lanes, budget, fidelity, observer=observer, spent=spent, show_best=show, simulated=clock,
            store=Store((study.directory.parent if settings.role == CORRELATE else study.directory) / FOLDER),
            queue=queue_of(study, lanes, evaluator, fidelity),
        ).run()  # fmt: skip
    finally:
        show()
    finished = open_study(study.directory, storage=storage, space=study.space)
    if finished.best is None:
        raise NothingFinishedError(_nothing(finished))
    return finished


def _context(space: Space, features: Iterable[str], objectives: int, budget: Budget) -> Context:
    """What a strategy may know of the search besides its space."""
    return Context(objectives=objectives, trials=budget.trials, features=features_of(space, features))


def _show_nothing() -> None:
    """A single training of a network that is confirmed is no best network."""


def _nothing(study: Study) -> str:
    """One line that says why and what to change."""
    reasons = [trial.reason or "unknown" for trial in study.trials if trial.state == "FAIL"]
    if not reasons:
        return f"{study.directory}: the budget {study.settings.budget} ended before a candidate began; give a larger --budget"
    common = max(set(reasons), key=reasons.count)
    if common == "budget":
        return (
            f"{study.directory}: no candidate was validated within {study.settings.budget}; give a larger --budget, "
            "fewer --workers, a smaller --space or --dataset, or a lower fidelity"
        )
    return f"{study.directory}: all {len(reasons)} candidates failed, most by: {common}"
