"""What a search was asked for, and all that is checked and fitted before anything is written: `search` and `plan` share it."""

from __future__ import annotations

import datetime
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import evaluators, measures, plugins, spaces, strategies
from nas.arch import Architecture
from nas.budget import Budget
from nas.engine import baselines
from nas.engine import prepare as preparing
from nas.engine.confirm import plan, planned
from nas.engine.devices import AUTO, Shares
from nas.engine.elastic import PATIENCE_SECONDS, check_failures, check_workers, seconds_of
from nas.engine.joining import check_same, check_wishes, joinable, joiner
from nas.engine.judging import check, own, read
from nas.engine.keeping import cap_of
from nas.engine.observer import Observer
from nas.engine.phases import check_sampling, default_sampling, wish_of
from nas.engine.results import check_free, checked
from nas.engine.screening import features as features_of
from nas.engine.screening import parse_filter, screened
from nas.engine.sharing import check_memory, packed
from nas.engine.sharing import memory_per_device as memory_of
from nas.engine.timing import settled
from nas.engine.versions import versions
from nas.engine.weights import Weights
from nas.errors import NasError
from nas.evaluators import Evaluator, Fidelity
from nas.evaluators.fidelity import check_rungs
from nas.latency import Setting
from nas.objectives import Objective
from nas.repeatable import check_seed
from nas.strategies import Context, Strategy, specs
from nas.study import Settings
from nas.study.wish import Wish

if TYPE_CHECKING:
    from nas.spaces import Space


@dataclass(frozen=True)
class Request:
    """The arguments of `search`, as they were given; see there. A new one is a field here, too."""

    space: str | Path | Space
    strategy: str
    strategy_options: Mapping[str, Any] | None
    evaluator: Any
    evaluator_options: Mapping[str, Any] | None
    objective: str | None
    objectives: str | Iterable[str] | None
    dataset: str | None
    budget: str | Budget
    fidelity: Fidelity | None
    limits: Mapping[str, Any] | None
    filter: str | None
    features: Iterable[str]
    start: Iterable[str | Path | Architecture | Mapping[str, Any]]
    references: Iterable[Mapping[str, Any]]
    candidates: int | None
    ladder: str | Iterable[str] | None
    stop_early: bool | str | float | None
    keep: str | None
    inherit: bool
    network: str | None
    latency: str | Setting | None
    workers: int | None
    gpus_per_trial: float | str | None
    memory_per_device: str | float | None
    mps: bool
    timeout: float | None
    confirm: str | int | None
    confirm_epochs: int | None
    control: bool
    correlate: str | int | None
    seed: int
    out: str | Path | None
    storage: str | None
    engine: str
    address: str | None
    dashboard: bool
    observer: Observer | None
    max_workers: int | None = None
    wait_for_nodes: str | float = PATIENCE_SECONDS
    ship: bool = True
    max_failures: int | None = None
    gpu_weights: str = ""
    results: str | None = None
    baselines: str | Iterable[str | Path | Architecture] = ()

    @classmethod
    def of(cls, search: Callable[..., Any], *args: Any, **given: Any) -> Request:
        """What is given to `search`, with its defaults for the rest. Raises `NasError` for an argument that it does not have."""
        signature = inspect.signature(search)
        for name in given:
            if name not in signature.parameters:
                raise NasError(f"{name} is unknown; allowed: {', '.join(signature.parameters)}")
        bound = signature.bind(*args, **given)
        bound.apply_defaults()
        return cls(**bound.arguments)


@dataclass(frozen=True)
class Prepared:
    """A search that passed all checks, with what was fitted; nothing is written or launched yet.

    strategy: its name once `auto` has chosen, and `asked` itself; begun: by `time.monotonic`, for fitting is charged to the budget;
    joins: where other drivers are at work on the same search, the settings with which this one joins them.
    """

    request: Request
    settings: Settings
    directory: Path
    space: Space
    evaluator: Evaluator
    budget: Budget
    fidelity: Fidelity
    shares: Shares
    strategy: str
    asked: Strategy
    begun: float
    joins: Settings | None = None


def prepare(given: Request) -> Prepared:
    """Check and fit everything. Raises `NasError` and its kinds on bad input; writes nothing."""
    return Preparation(given).run()


def context_of(space: Space, features: Iterable[str], objectives: int, budget: Budget) -> Context:
    """What a strategy may know of the search besides its space."""
    return Context(objectives=objectives, trials=budget.trials, features=features_of(space, features))


class Preparation:
    """One preparation: each step reads what the earlier ones have found."""

    def __init__(self, given: Request) -> None:
        asked = specs.read(given.strategy)  # as on the command line, a name may stand with its options
        self.given, self.begun = replace(given, strategy=asked.name), time.monotonic()
        self.watcher = given.observer or Observer()
        self.options = {**asked.options, **(given.strategy_options or {})}
        self.seeds: list[dict[str, Any]] = []
        self.compared: list[dict[str, Any]] = []
        self.beside = ""
        self.latency = ""

    def run(self) -> Prepared:
        """All steps, the quick checks first."""
        self._read()
        self._read_workers()
        self._make_evaluator()
        self._check()
        self._place()
        self._fit()
        settings = self._settings()
        joins = self._join(settings)
        return Prepared(
            self.given, settings, self.directory, self.space, self.judge, self.budget, self.fidelity, self.shares,
            self._chosen(), self.asked, self.begun, joins,
        )  # fmt: skip

    def _read(self) -> None:
        """Space, goals, strategy and what is to follow."""
        given = self.given
        check_seed(given.seed)
        self.space: Space = spaces.load(given.space).within(given.limits or {})
        self.filters = parse_filter(given.filter) if given.filter else {}
        self.features = measures.find_proxies(given.features, "features") if given.features else ()
        self.budget = given.budget if isinstance(given.budget, Budget) else Budget.parse(given.budget)
        self.goals: tuple[Objective, ...] | None = read(given.objective, given.objectives)
        self.context = context_of(self.space, self.features, len(self.goals) if self.goals else 1, self.budget)
        self.asked: Strategy = strategies.create(given.strategy, self.space, given.seed, self.context, **self.options)
        self.steps = preparing.ladder_of(given.ladder, given.strategy, self.options)
        self.references = list(given.references)
        self.wish: Wish | None = planned(
            given.confirm, given.confirm_epochs, given.control, given.strategy, bool(self.references), given.correlate
        )
        self.networks = baselines.read(given.baselines)

    def _read_workers(self) -> None:
        given = self.given
        self.failures, self.weights = check_failures(given.max_failures), str(Weights.parse(given.gpu_weights))
        seconds_of(given.wait_for_nodes)
        self.shares = preparing.shares_of(
            given.engine, given.workers, given.gpus_per_trial, given.address, given.max_workers, given.ship, self.watcher.note
        )
        self.memory = memory_of(given.memory_per_device)
        folder = given.out if given.out is not None else preparing.default_folder(self.space.name)
        self.directory = Path(folder).expanduser().absolute()
        self.known = joinable(self.directory, given.storage)

    def _make_evaluator(self) -> None:
        """The evaluator by its name, with what it takes of the search and the default data set; or as it was handed in."""
        given, evaluator, dataset = self.given, self.given.evaluator, self.given.dataset
        options = dict(given.evaluator_options or {})
        if isinstance(evaluator, str):
            evaluator, named = evaluators.parse(evaluator)
            options |= named
            if self.space.scales and evaluators.takes(evaluator, "resample"):
                options.setdefault("resample", True)
            if evaluators.takes(evaluator, "sampling"):
                options.setdefault("sampling", default_sampling(self.asked))
            if self.known is not None and dataset is None:
                dataset = self.known.dataset
            if dataset is None and evaluators.takes_data(evaluator):
                dataset = preparing.default_dataset(self.budget, self.shares, options.get("data_dir"), self.watcher)
        self.named: str | None = evaluator if isinstance(evaluator, str) else None
        self.dataset = dataset
        self.named_options = options
        self.judge: Evaluator = preparing.evaluator_of(evaluator, preparing.with_dataset(options, dataset), own(self.goals))

    def _check(self) -> None:
        """Whether all that is wanted goes together."""
        given, judge = self.given, self.judge
        self.goals = check(self.goals, judge)
        self.quantile = preparing.rule_of(given.stop_early, self.goals, judge)
        cap_of(given.keep or "")
        preparing.check_inherit(given.inherit, given.strategy, self.asked, judge)
        preparing.check_seconds("timeout", given.timeout)
        check_memory(judge, self.memory)
        self.most = check_workers(given.max_workers, self.shares.workers, given.address, evaluators.is_simulated(judge))
        preparing.check_space(judge, self.space)
        preparing.check_phase(judge, given.strategy, self.space)
        check_sampling(judge, self.asked, given.strategy, bool(self.steps))
        self.correlating = wish_of(given.correlate, given.confirm_epochs, given.control, given.confirm is not None, judge)
        baselines.check_alike(self.networks, judge)
        self.latency, self.space = settled(given.latency, self.goals, self.space, self.shares.device, given.address is None)

    def _place(self) -> None:
        """The place of the results, the space at the evaluator's input, and the networks that come first in it."""
        given = self.given
        self.results = checked(given.results, given.engine)
        if self.known is None:
            check_free(self.results, self.directory.name)
        self.space = preparing.for_task(self.space, self.judge)
        self.compared = [self.space.ordered(decisions) for decisions in self.references]
        self.beside = baselines.space_of(self.networks, self.space, self.judge)
        self.seeds = self.compared + [preparing.decisions_of(self.space, item) for item in given.start]

    def _fit(self) -> None:
        """What takes measurements: the fidelity, the filter's thresholds, how many candidates share a device."""
        given, judge, note = self.given, self.judge, self.watcher.note
        if self.known is not None:
            self.fidelity = given.fidelity or Fidelity.from_dict(self.known.fidelity)
        else:
            self.fidelity = preparing.fit(
                judge, self.space, self.budget, self.shares, given.seed, self.watcher, given.candidates, given.fidelity
            )
        baselines.check_proxies(self.beside, self.fidelity)
        if line := preparing.check_phase(judge, given.strategy, self.space, self.fidelity):
            note(line)
        if self.steps:
            check_rungs(self.fidelity, strategies.rungs(given.strategy, **self.options), self.steps)
        self.space = screened(self.space, self.filters, given.seed, note)
        if given.gpus_per_trial == AUTO and self.known is None:
            self.shares = packed(
                self.shares, judge, self.space, self.fidelity, given.seed, self.memory, workers=given.workers,
                apart=given.engine == "ray", here=given.address is None, note=note,
            )  # fmt: skip

    def _join(self, settings: Settings) -> Settings | None:
        """The settings of who joins a search that has begun, and the workers that he has; None where it is a new one.

        Raises `StudyError` where he was given something else than it was started with.
        """
        given = self.given
        known = self.known or joinable(self.directory, given.storage)  # another machine may have been faster
        if known is None:
            return None
        stated: dict[str, Any] = {"dataset": given.dataset, "latency": None if given.latency is None else self.latency}
        stated["fidelity"] = None if given.fidelity is None else given.fidelity.to_dict()
        for name, value in preparing.settings_of(self.judge).items():
            if name in self.named_options and name != "data_dir":
                stated[f"evaluator_options.{name}"] = value
        check_same(known, settings, stated)
        check_wishes(known, self.wish, self.correlating, given.control, self.beside)
        if given.gpus_per_trial is None and known.device == "cpu":  # a device-hour must stay what it was
            self.shares = preparing.shares_of(given.engine, given.workers, 0.0, given.address)
        mine = replace(settings, workers=self.shares.workers, gpus_per_trial=self.shares.gpus)
        return joiner(known, mine, self.named_options.get("data_dir"))

    def _chosen(self) -> str:
        from nas.strategies.auto import choose

        return choose(self.space, self.context) if self.given.strategy == "auto" else self.given.strategy

    def _settings(self) -> Settings:
        given, goals = self.given, self.goals
        assert goals is not None
        return Settings(
            study=self.directory.name,
            space=self.space.to_yaml(),
            strategy=given.strategy,
            strategy_options=self.options,
            seed=given.seed,
            budget=str(self.budget),
            objective=goals[0].name,
            objectives=[] if goals == (Objective(goals[0].name),) else list(map(str, goals)),
            evaluator=self.named,
            evaluator_options=preparing.settings_of(self.judge) if self.named is not None else {},
            dataset=self.dataset,
            fidelity=self.fidelity.to_dict(),
            features=list(self.features),
            start=self.seeds,
            timeout=given.timeout,
            storage=given.storage,
            engine=given.engine,
            workers=self.shares.workers,
            gpus_per_trial=self.shares.gpus,
            packed=given.gpus_per_trial == AUTO,
            memory_per_device=self.memory,
            device=self.shares.device,
            versions=versions(),
            command=list(sys.argv),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            confirm=plan(self.wish, self.judge, self.fidelity),
            correlate=plan(self.correlating, self.judge, self.fidelity),
            control=given.control,
            references=self.compared,
            network=given.network,
            latency=self.latency,
            inherit=given.inherit,
            keep=given.keep or "",
            ladder=list(self.steps),
            stop_early=self.quantile,
            max_failures=self.failures,
            plugins=plugins.recorded(),
            max_workers=self.most,
            gpu_weights=self.weights,
            results=self.results,
            baselines=self.beside,
        )
