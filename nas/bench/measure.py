"""Many runs in parallel: every strategy under every seed, and the same seeds for all."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nas import plugins, spaces
from nas.bench.problems import Source
from nas.bench.report import Report, summarise
from nas.bench.run import Run, run
from nas.bench.toys import TOYS
from nas.errors import NasError
from nas.strategies import Context
from nas.strategies.specs import Spec, parse

if TYPE_CHECKING:
    from nas.spaces import Space

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
TRIALS = 300
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """A run to be made."""

    source: Source
    spec: Spec
    seed: int
    trials: float
    seconds: float

    def context(self) -> Context:
        """What the strategy may know: how many trials there are, on average where seconds end the run."""
        problem = self.source.problem(self.seed)
        trials = min(self.trials, self.seconds / problem.mean_seconds)
        return Context(trials=trials, features=self.source.known if self.source.features else None)

    def run(self) -> Run:
        """Make it. Raises `NasError`."""
        strategy = self.spec.create(self.source.space(), self.seed, self.context())
        problem = self.source.problem(self.seed)
        return run(strategy, problem, name=self.spec.text, seed=self.seed, trials=self.trials, seconds=self.seconds)


def measure(
    space: str | Path | Space,
    strategies: str | Iterable[str],
    *,
    table: str | Path | None = None,
    toy: str | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    seeds: int | Iterable[int] = 100,
    marks: Sequence[int] | None = None,
    features: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Run every strategy under every seed on a table (a path, or `synthetic`) or on a toy function of `space`.

    trials: evaluations a run (default 300, or as many as the seconds allow); seconds: simulated seconds a run; seeds: how
    many, from 0, or which; marks: evaluations to report at; features: columns of the table that strategies may know;
    workers: processes (default: all cores); progress: told runs done, and of how many.
    Raises `NasError` on bad input before anything is run, and where a strategy fails.
    """
    specs = parse(strategies)
    source = _source(spaces.load(space), table, toy, features)
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise NasError(f"seeds={seeds!r}; allowed: one or more different seeds")
    limit, time = _limits(trials, seconds)
    at = _marks(marks, limit, time / source.problem(chosen[0]).mean_seconds)
    jobs = [Job(source, spec, seed, limit, time) for seed in chosen for spec in specs]
    for job in jobs[: len(specs)]:
        job.spec.create(source.space(), job.seed, job.context())  # a wrong option is said before the others run
    runs = _all(jobs, workers or os.cpu_count() or 1, progress)
    settings = {
        "space": source.space().name, "table": source.table, "toy": source.toy, "features": list(features),
        "trials": None if math.isinf(limit) else int(limit), "seconds": None if math.isinf(time) else time, "seeds": len(chosen),
    }  # fmt: skip
    return summarise(runs, [spec.text for spec in specs], at, time, settings)


def _source(space: Space, table: str | Path | None, toy: str | None, features: Sequence[str]) -> Source:
    """What is measured on, made once so that it fails here. Raises `NasError`."""
    if (table is None) == (toy is None):
        given = "both a table and a toy function are" if table else "neither a table nor a toy function is"
        raise NasError(f"{given} given; allowed: one of --table FILE, --table synthetic, --toy {'|'.join(TOYS.names())}")
    if features and table is None:
        raise NasError(f"features {', '.join(features)} are columns of a table; allowed: with --table")
    if toy is not None:
        TOYS.get(toy)
    source = Source(space.to_yaml(), None if table is None else str(table), toy, tuple(features))
    source.problem(0)
    if features:
        source.check_features()
    return source


def _limits(trials: int | None, seconds: float | None) -> tuple[float, float]:
    for name, value in (("trials", trials), ("seconds", seconds)):
        if value is not None and not 0 < value < math.inf:
            raise NasError(f"{name}={value!r}; allowed: above 0")
    if trials is None and seconds is None:
        return TRIALS, math.inf
    return trials or math.inf, seconds or math.inf


def _marks(marks: Sequence[int] | None, trials: float, expected: float) -> list[float]:
    """The given marks, or 50, 100, 200, ... and the last; in thousands beyond 1,000."""
    if marks is not None:
        for mark in marks:
            if not 0 < mark <= trials:
                raise NasError(f"mark {mark!r}; allowed: evaluations from 1 to {trials:.0f}")
        return sorted({float(mark) for mark in marks})
    last = trials if math.isfinite(trials) else expected
    usual = [50, *range(100, 1000, 100), *range(1000, int(min(last, 1e6)) + 1, 1000)]
    return [float(mark) for mark in usual if mark < last] + ([last] if math.isfinite(trials) else [])


def _all(jobs: Sequence[Job], workers: int, progress: Progress) -> list[Run]:
    """The runs in the order of the jobs, whatever order they end in. Raises `NasError`; Ctrl-C ends all at once."""
    progress(0, len(jobs))
    if workers == 1 or len(jobs) == 1:
        done = []
        for job in jobs:
            done.append(job.run())
            progress(len(done), len(jobs))
        return done
    found: dict[int, Run] = {}
    with _pool(min(workers, len(jobs))) as pool:
        futures = {pool.submit(Job.run, job): index for index, job in enumerate(jobs)}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                progress(len(found), len(jobs))
        except BrokenProcessPool:
            raise NasError("a process of the benchmark was killed, perhaps out of memory; allowed: fewer --workers") from None
    return [found[index] for index in range(len(jobs))]


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with a thread each. Whatever goes wrong, they are ended and not waited for."""
    before = {name: os.environ.get(name) for name in THREADS}
    others = set(multiprocessing.active_children())
    # Not forked: a process that has run torch cannot be.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (plugins.loaded(),))
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read when a library is loaded, so before a process starts
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _begin(loaded: tuple[plugins.Plugin, ...]) -> None:
    """Ctrl-C on a terminal reaches every process: these end without a word. What strategies are of a plugin is there, too."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    plugins.receive(loaded)
