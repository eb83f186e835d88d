"""`search` and `resume`: space, strategy, evaluator and budget in, a study out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import evaluators, plugins
from nas.arch import Architecture
from nas.budget import Budget
from nas.engine.baselines import resumed as resumed_baselines
from nas.engine.confirm import ask_for, follow_up, planned
from nas.engine.devices import AUTO, Shares, core_count
from nas.engine.driver import Driver
from nas.engine.elastic import PATIENCE_SECONDS, check_failures, check_workers, seconds_of
from nas.engine.joining import check_alone, said
from nas.engine.kept import KeptLanes
from nas.engine.lanes import Lanes
from nas.engine.local import LocalLanes
from nas.engine.observer import Observer, Observers
from nas.engine.phases import alone_by, strategy_of, wish_of
from nas.engine.prepare import resumed_evaluator, shares_of
from nas.engine.ray_metrics import RayMetrics
from nas.engine.request import Prepared, Request, context_of, prepare
from nas.engine.results import advice, checked, copied, moved, nodes, store_of
from nas.engine.sharing import check_memory, gpu_memories, packed, queue_of
from nas.engine.sharing import memory_per_device as memory_of
from nas.engine.simulated import SimulatedLanes
from nas.engine.snapshot import remembered
from nas.engine.timing import check_lanes
from nas.errors import NothingFinishedError, StudyError
from nas.evaluators import Evaluator, Fidelity
from nas.latency import Setting
from nas.study import Recorder, Settings, Study, create_study, join_study, open_study, resume_study
from nas.study.baselines import BASELINES
from nas.study.confirmation import CONFIRM
from nas.study.correlation import CORRELATE
from nas.study.settings import RUN_FILE

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
    baselines: str | Iterable[str | Path | Architecture] = (),
    seed: int = 0,
    out: str | Path | None = None,
    storage: str | None = None,
    results: str | None = None,
    engine: str = "ray",
    address: str | None = None,
    max_workers: int | None = None,
    max_failures: int | None = None,
    gpu_weights: str = "",
    ship: bool = True,
    wait_for_nodes: str | float = PATIENCE_SECONDS,
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
    address: of a running Ray cluster, `auto`, `HOST:PORT` or `ray://HOST:PORT`; its workers get this `nas` and the working
    directory unless `ship` is false. max_workers: so many lanes once nodes have joined it; when the last worker is gone the
    search waits `wait_for_nodes` (seconds, or such as "10m") for one. max_failures: how often a candidate whose worker
    died is run again. gpu_weights: what a second on a kind of GPU counts, such as "H100=2.5,A100=1"; see docs/elastic.md.
    timeout: seconds that one candidate may take. fidelity: default what the evaluator finds to fit the budget.
    confirm: `3x3` trains the three best networks again afterwards, with three fresh seeds each, at full size for
    `confirm_epochs` (default: the evaluator's `full_epochs`, and no fewer than in the search); see
    `Study.confirmation`. control: then a random search under the same budget, confirmed alike; see `Study.control`.
    results: a folder or a URL (`s3://bucket/x`, `gs://`, `file:///nfs/x`) that all workers reach: weights are kept there, in a
    folder of the run's name, and the results copied; see `nas.engine.results`.
    correlate: `10x2` trains, after a search on shared weights, ten networks spread over its ranking alone, with two seeds
    each, as long as a confirmation does; see `nas.study.correlation`.
    baselines: networks that are trained afterwards as the candidates were, such as ("resnet20", "my.yaml", architecture): by the
    same evaluator at the same fidelity, once each; see `Study.baselines`.
    Where `storage` has the search `out` already, or a driver is at work in that folder, it is joined: both share the work and
    the budget. What was given differently is refused; see docs/several-drivers.md.
    Raises `NasError` and its kinds on bad input, before anything is written, and `NothingFinishedError` when no
    candidate finished; Ctrl-C leaves a record that `resume` goes on with.
    """
    given = Request(**locals())
    prepared = prepare(replace(given, observer=_watched(observer, engine)))
    return _run(prepared) if prepared.joins is None else _join(prepared, prepared.joins, observer)


def _join(prepared: Prepared, settings: Settings, observer: Observer | None) -> Study:
    """Share the work of a search that has begun."""
    given, shares = prepared.request, prepared.shares
    if not (prepared.directory / RUN_FILE).exists():
        join_study(prepared.directory, settings)
    return resume(
        prepared.directory, evaluator=None if prepared.settings.evaluator else given.evaluator, workers=shares.workers,
        gpus_per_trial=given.gpus_per_trial, memory_per_device=given.memory_per_device, mps=given.mps, storage=given.storage,
        engine=given.engine, address=given.address, dashboard=given.dashboard, observer=observer, ship=given.ship,
        max_workers=given.max_workers, wait_for_nodes=given.wait_for_nodes, results=given.results,
    )  # fmt: skip


def _run(prepared: Prepared) -> Study:
    """Make the run folder and drive the search in it to its end."""
    given, judge, shares = prepared.request, prepared.evaluator, prepared.shares
    engine, address, dashboard, mps = given.engine, given.address, given.dashboard, given.mps
    most, patience = prepared.settings.max_workers, seconds_of(given.wait_for_nodes)
    placed: dict[str, Any] = {"name": prepared.directory.name, "most": most, "ship": given.ship, "patience": patience}
    with (
        KeptLanes(lambda: make_lanes(engine, judge, shares, address=address, dashboard=dashboard, mps=mps, **placed)) as lanes,
        create_study(prepared.directory, prepared.settings, prepared.space) as study,
    ):
        return _whole(study, judge, lanes, given.observer or Observer(), time.monotonic() - prepared.begun, given.storage, patience)


def resume(
    directory: str | Path,
    *,
    evaluator: Any = None,
    confirm: str | int | None = None,
    confirm_epochs: int | None = None,
    control: bool = False,
    correlate: str | int | None = None,
    baselines: str | Iterable[str | Path | Architecture] = (),
    workers: int | None = None,
    gpus_per_trial: float | str | None = None,
    memory_per_device: str | float | None = None,
    mps: bool = True,
    storage: str | None = None,
    results: str | None = None,
    engine: str | None = None,
    address: str | None = None,
    max_workers: int | None = None,
    max_failures: int | None = None,
    ship: bool = True,
    wait_for_nodes: str | float = PATIENCE_SECONDS,
    dashboard: bool = True,
    observer: Observer | None = None,
) -> Study:
    """Go on with the run in `directory`, after Ctrl-C or a kill: nothing finished is lost, what ran is run again first.

    The search comes first, then what is missing of its confirmation, its rank correlation, its baselines and its control;
    `confirm`, `correlate`, `baselines` and `control` ask for them where the search was started without.

    Settings are those of the run; `workers`, `max_workers`, `max_failures`, `gpus_per_trial`, `memory_per_device`, `engine`,
    `storage` and `results` can be given anew, as can where it runs, and an `evaluator` that was handed in must be handed in
    again. A run whose budget is spent is returned as it is.
    Raises as `search` does.
    """
    known = open_study(directory, storage=storage, made=False)
    settings = known.settings
    other = plugins.changed(settings.plugins, known.directory)
    engine = engine or settings.engine
    place = checked(settings.results if results is None else results, engine)
    wish = planned(confirm, confirm_epochs, control, settings.strategy, correlate=correlate)
    judge = resumed_evaluator(settings, evaluator)
    beside = resumed_baselines(known, baselines, judge)
    correlating = wish_of(correlate, confirm_epochs, control, bool(confirm or settings.confirm), judge)
    observer = _watched(observer, engine)
    if other:
        observer.note(f"not what the run was started with any more: the plugin {', '.join(other)}")
    given = settings.memory_per_device if memory_per_device is None else memory_of(memory_per_device)
    check_memory(judge, given)
    failures, patience = check_failures(max_failures, settings.max_failures), seconds_of(wait_for_nodes)
    if address is not None:
        shares_of(engine, None, None, address, ship=ship, note=observer.note)
    shares = _resumed_shares(known, judge, engine, workers, gpus_per_trial, given, address, observer.note)
    asked = max_workers if max_workers is not None else max(settings.max_workers, shares.workers) if address else None
    most = check_workers(asked, shares.workers, address, evaluators.is_simulated(judge))
    placed: dict[str, Any] = {"name": settings.study, "most": most, "ship": ship, "patience": patience}
    if settings.latency:
        check_lanes(settings.timing, shares.device, address is None)
    with (
        KeptLanes(lambda: make_lanes(engine, judge, shares, address=address, dashboard=dashboard, mps=mps, **placed)) as lanes,
        resume_study(directory, storage=storage) as study,
    ):
        if joined := said(study):
            observer.note(joined)
        moved(study.directory, place)
        study.settings = replace(study.settings, memory_per_device=given, max_failures=failures, results=place)
        ask_for(study, wish, control, judge, correlating, beside)
        return _whole(study, judge, lanes, observer, 0.0, storage, patience)


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
    engine: str, evaluator: Evaluator, shares: Shares, *, address: str | None = None, dashboard: bool = True, mps: bool = True,
    **placed: Any,
) -> Lanes:  # fmt: skip
    """The lanes of an engine, not started yet; `placed` is for those on Ray, see `RayLanes`."""
    if engine == "local":
        memory = gpu_memories() if shares.gpus else {}
        return LocalLanes(evaluator, shares.workers, share=shares.devices, devices=tuple(memory) or ("cpu",), memory=memory)
    from nas.engine.ray_lanes import RayLanes

    return RayLanes(evaluator, shares, address=address, dashboard=dashboard, mps=mps, **placed)


def _watched(observer: Observer | None, engine: str) -> Observers:
    """Whoever watches the search; on Ray its metrics beside them. None of them can end it by raising."""
    return Observers([*([observer] if observer else []), *([RayMetrics()] if engine == "ray" else [])])


def _whole(
    study: Recorder, evaluator: Evaluator, lanes: Lanes, observer: Observer, spent: float, storage: str | None, patience: float,
) -> Study:  # fmt: skip
    """The search, then what was asked for to follow it and is missing."""

    def drive(run: Recorder) -> Study:
        return _drive(run, evaluator, lanes, observer, 0.0, storage, patience)

    note = observer.note
    if line := advice(study.settings, evaluator, nodes()):
        note(line)
    with copied(study.directory, study.settings, note, storage), _leaving(study):
        found = _drive(study, evaluator, lanes, observer, spent, storage, patience)
        follow_up(found, drive, note, storage, alone_by(evaluator, study, lanes))
    return found


@contextmanager
def _leaving(study: Recorder) -> Iterator[None]:
    """The last copy of the record is to say that the driver has left, for whoever goes on with it elsewhere."""
    try:
        yield
    finally:
        if study.settings.results:
            with suppress(StudyError):
                study.leave()


def _drive(
    study: Recorder, evaluator: Evaluator, lanes: Lanes, observer: Observer, spent: float, storage: str | None, patience: float,
) -> Study:  # fmt: skip
    settings = study.settings
    check_alone(study, evaluator)
    fidelity, budget = Fidelity.from_dict(settings.fidelity), Budget.parse(settings.budget)
    context = context_of(study.space, settings.features, len(study.goals), budget)
    strategy = remembered(lambda: strategy_of(study, evaluator, context), study.directory, settings, observer.note)
    show = _show_nothing if settings.role in (CONFIRM, CORRELATE, BASELINES) else study.write_best
    clock = None
    if evaluators.is_simulated(evaluator):  # a clock of its own for every run
        lanes = SimulatedLanes(lanes)
        clock, spent = lanes.now, 0.0
    try:
        Driver(
            study, strategy, lanes, budget, fidelity, observer=observer, spent=spent, show_best=show, simulated=clock, patience=patience,
            store=store_of(study.directory, settings),
            queue=queue_of(study, lanes, evaluator, fidelity),
        ).run()  # fmt: skip
    finally:
        show()
    finished = open_study(study.directory, storage=storage, space=study.space)
    if finished.best is None:
        raise NothingFinishedError(_nothing(finished))
    return finished


def _show_nothing() -> None:
    """A single training of a network that was there before, found or hand-designed, finds none."""


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
