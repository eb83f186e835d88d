"""What turns a candidate into metrics: the protocol, its fidelity, and `run`, which turns whatever happens into an outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nas.errors import NasError
from nas.evaluators.clock import Clock, CutOff
from nas.evaluators.store import Store

if TYPE_CHECKING:
    from nas.arch import Architecture

Metrics = dict[str, float]
REASON_LENGTH = 200


@dataclass(frozen=True)
class Fidelity:
    """How closely an evaluation looks: epochs, and the fractions of width, depth and training samples that are used.

    test: whether it is also to measure `test_accuracy` on the test images, which no search may see.
    """

    epochs: int = 1
    width: float = 1.0
    depth: float = 1.0
    samples: float = 1.0
    test: bool = False

    def __post_init__(self) -> None:
        if not _is(self.epochs, int) or self.epochs < 1:
            raise NasError(f"fidelity.epochs={self.epochs!r}; allowed: a whole number from 1")
        for name in ("width", "depth", "samples"):
            value = getattr(self, name)
            if not _is(value, int, float) or not 0 < value <= 1:
                raise NasError(f"fidelity.{name}={value!r}; allowed: a fraction in (0, 1]")
        if not isinstance(self.test, bool):
            raise NasError(f"fidelity.test={self.test!r}; allowed: true or false")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the record."""
        return {name: value for name, value in asdict(self).items() if name != "test" or value}

    def part(self, fraction: float) -> Fidelity:
        """A fraction of the training: fewer epochs, rounded and at least one, then fewer samples; the same network."""
        if fraction == 1.0:
            return self
        epochs = max(1, round(self.epochs * fraction))
        samples = min(1.0, self.samples * self.epochs * fraction / epochs)
        return replace(self, epochs=epochs, samples=samples if epochs == 1 else self.samples)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fidelity:
        """The inverse of `to_dict`. Raises `NasError` on an unknown key or a value that is not allowed."""
        known = [item.name for item in fields(cls)]
        for key in data:
            if key not in known:
                raise NasError(f"fidelity.{key} is unknown; allowed: {', '.join(known)}")
        return cls(**data)


@dataclass(frozen=True)
class Task:
    """What an evaluation is within its search: its trial, what it was made from, and where weights are kept.

    phase: a trial of a phase judges no candidate but trains what candidates share, in the way that this names, with
    `children` (empty where the evaluator draws them); its own architecture is only the first of these. parent, how: as
    in `Proposal`. keep: whether what it is trained to is to be written to the store, under `store.of_trial(number)`, for a
    later one to begin with. inherit: the trial whose parts it begins with as far as they fit; go_on: the trial whose
    training it goes on with, the same network at a lower fidelity. Where that is kept no more, it begins anew.
    space, options: of a phase, the space of its search (YAML) and what its strategy was given.
    """

    number: int = 0
    parent: int | None = None
    how: str = ""
    phase: str | None = None
    children: tuple[Architecture, ...] = ()
    store: Store | None = None
    keep: bool = False
    inherit: int | None = None
    go_on: int | None = None
    space: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Evaluation:
    """One evaluation: its seed, its device (`cpu` or `cuda`), its clock, its task, and what it has reported so far.

    found: decisions of networks that a phase has come to, the best first; the strategy is told of them.
    """

    seed: int = 0
    device: str = "cpu"
    clock: Clock = field(default_factory=Clock)
    reports: list[tuple[float, Metrics]] = field(default_factory=list)  # (seconds since the start, metrics)
    task: Task = field(default_factory=Task)
    found: list[Mapping[str, Any]] = field(default_factory=list)

    def report(self, metrics: Mapping[str, float]) -> None:
        """Validated once more: the best state so far counts if the budget cuts this candidate off."""
        self.reports.append((self.clock.elapsed(), dict(metrics)))


class Evaluator(Protocol):
    """Evaluates candidates. It may raise anything; `run` makes a failed trial of it.

    Optional: `task()` is the input shape and the number of classes that candidates are to have, or None;
    `prepare(space, seconds_per_worker, seed) -> Fidelity` fits the fidelity before a search is launched, and may take
    `candidates_each`, how many a worker needs to finish at most, and `cores_each`, how many cores there are for a worker;
    `grace_seconds` is how long after its deadline a candidate that does not ask its clock is stopped by force;
    `metrics` names all that it reports; `settings()` is plain data for the record; `full_epochs` is how long a network is
    trained that is to be confirmed (without it as long as in the search); `check(space)` raises `NasError` for a space that
    it cannot evaluate; `phases`, names of the phases that it knows (see `Task`), and `check_phase(phase, space, fidelity)`,
    which raises for a space that one cannot train, before anything is written, and returns a line on it;
    `simulated`, true where it does not wait but tells its clock by `skip` how long the evaluation would
    have taken: budgets and the record then count those seconds.
    """

    objective: str  # the name of the metric that is maximised

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Mapping[str, float]:
        """The candidate's metrics."""
        ...


@dataclass(frozen=True)
class Outcome:
    """How an evaluation ended. `reason` is one line on failure; `cut`: by the budget, after `metrics` were reported.

    `seconds` is the wall time on the worker; `first_seconds` the time to its first report (or to its end); `found` what a
    phase came to.
    """

    state: Literal["complete", "fail"]
    metrics: Metrics = field(default_factory=dict)
    reason: str | None = None
    seconds: float = 0.0
    cut: bool = False
    first_seconds: float | None = None
    found: tuple[Mapping[str, Any], ...] = ()


def run(evaluator: Evaluator, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Outcome:
    """Evaluate and never raise (but for Ctrl-C): every exception, NaN and cut becomes an outcome with its reason."""
    try:
        metrics = evaluator.evaluate(architecture, fidelity, evaluation)
        return _complete(metrics, evaluator.objective, evaluation)
    except CutOff as cut:
        return cut_off(evaluator.objective, evaluation, cut.limit)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's evaluator may even exit
        return _fail(_reason(error), evaluation)


def clock_of(evaluator: Evaluator, seconds: float, timeout: float) -> Clock:
    """The clock that one evaluation is run by; see `Clock`."""
    return Clock.simulated(seconds, timeout=timeout) if is_simulated(evaluator) else Clock(seconds, timeout=timeout)


def is_simulated(evaluator: Evaluator) -> bool:
    """Whether the seconds of its evaluations are told, not waited for."""
    return bool(getattr(evaluator, "simulated", False))


def cut_off(objective: str, evaluation: Evaluation, limit: str) -> Outcome:
    """The outcome of a candidate whose time is over: complete if the budget ended it after a valid report."""
    elapsed = evaluation.clock.elapsed()
    valid = [_clean(metrics) for _, metrics in evaluation.reports]
    valid = [metrics for metrics in valid if objective in metrics]
    if limit != "budget" or not valid:
        return _fail(limit if limit == "budget" else f"timeout after {elapsed:.1f}s", evaluation)
    best = max(valid, key=lambda metrics: metrics[objective])
    return Outcome("complete", best, None, elapsed, cut=True, first_seconds=evaluation.reports[0][0])


def _complete(metrics: Any, objective: str, evaluation: Evaluation) -> Outcome:
    if not isinstance(metrics, Mapping):
        return _fail(f"the evaluator returned {type(metrics).__name__}, not a mapping of metrics", evaluation)
    clean = _clean(metrics)
    if objective in clean:
        elapsed = evaluation.clock.elapsed()
        first = evaluation.reports[0][0] if evaluation.reports else elapsed
        return Outcome("complete", clean, None, elapsed, first_seconds=first, found=tuple(evaluation.found))
    if objective in metrics:
        return _fail(f"{objective} is {_line(metrics[objective])}", evaluation)
    names = ", ".join(map(str, metrics)) or "nothing"
    return _fail(f"the evaluator returned no metric {objective!r} but {names}", evaluation)


def _fail(reason: str, evaluation: Evaluation) -> Outcome:
    return Outcome("fail", {}, reason, evaluation.clock.elapsed())


def _clean(metrics: Mapping[Any, Any]) -> Metrics:
    """The metrics that are finite numbers; a diverged side metric must not spoil the record."""
    numbers: Metrics = {}
    for name, value in metrics.items():
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):  # torch raises RuntimeError on many elements
            continue
        if math.isfinite(number):
            numbers[str(name)] = number
    return numbers


def _reason(error: BaseException) -> str:
    text = _line(error)
    low = text.lower()
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"OutOfMemoryError", "MemoryError"} or any(mark in low for mark in _MEMORY_MARKS):
        return f"out of memory: {text}" if text else "out of memory"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_MEMORY_MARKS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def _line(value: object) -> str:
    try:
        text = " ".join(str(value).split())
    except Exception:  # an exception whose __str__ raises is still a failed trial
        text = "(no message)"
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 3] + "..."


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


class FunctionEvaluator:
    """A user's plain function `evaluate(architecture, fidelity) -> {metric: number} | number`."""

    grace_seconds = 1.0  # it cannot ask a clock, so it is stopped soon after its deadline

    def __init__(self, function: Callable[..., Any], objective: str = "accuracy") -> None:
        self.function, self.objective = function, objective

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Mapping[str, float]:
        """Call the function; a bare number is the objective."""
        result = self.function(architecture, fidelity)
        return result if isinstance(result, Mapping) else {self.objective: float(result)}


def wrap(evaluator: Any, objective: str | None = None) -> Evaluator:
    """An evaluator from an evaluator (as it is) or from a plain function. Raises `NasError` on anything else."""
    if hasattr(evaluator, "evaluate") and hasattr(evaluator, "objective"):
        wrapped: Evaluator = evaluator
        return wrapped
    if callable(evaluator):
        return FunctionEvaluator(evaluator, objective or "accuracy")
    raise NasError(
        f"evaluator={_line(repr(evaluator))} cannot evaluate; allowed: the name of an evaluator, an object with "
        "`objective` and `evaluate`, or a function evaluate(architecture, fidelity) -> metrics"
    )
