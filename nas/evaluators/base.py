"""What turns a candidate into metrics: the protocol, its fidelity, and `run`, which turns whatever happens into an outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nas.errors import NasError
from nas.evaluators.clock import Clock, CutOff
from nas.evaluators.curve import Bar, Curve, Point, Stopped, point, thinned
from nas.evaluators.faults import MEMORY, out_of_memory
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.store import Store

if TYPE_CHECKING:
    from nas.arch import Architecture

Metrics = dict[str, float]
REASON_LENGTH = 200


@dataclass(frozen=True)
class Task:
    """What an evaluation is within its search: its trial, what it was made from, and where weights are kept.

    phase: a trial of a phase judges no candidate but trains what candidates share, in the way that this names, with
    `children` (empty where the evaluator draws them); its own architecture is only the first of these. parent, how: as
    in `Proposal`. keep: whether what it is trained to is to be written to the store, under `store.of_trial(number)`, for a
    later one to begin with: the whole training, or only the weights that were judged. inherit: the trial whose parts it
    begins with as far as they fit; go_on: the trial whose training it goes on with, the same network at a lower
    fidelity. Where that is kept no more, it begins anew.
    space, options: of a phase, the space of its search (YAML) and what its strategy was given.
    bar: what its curve is of, and may be stopped by; role: of its run, `search` or what follows one, such as `confirm`;
    empty outside of any.
    """

    number: int = 0
    parent: int | None = None
    how: str = ""
    phase: str | None = None
    children: tuple[Architecture, ...] = ()
    store: Store | None = None
    keep: bool = False
    whole: bool = True
    inherit: int | None = None
    go_on: int | None = None
    space: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    role: str = ""
    bar: Bar | None = None


@dataclass
class Evaluation:
    """One evaluation: its seed, its device (`cpu` or `cuda`), its clock, its task, and what it has reported so far.

    found: decisions of networks that a phase has come to, the best first; the strategy is told of them. curve: what was
    reached after each epoch, from the reports that say `epochs` and the objective; below: the epochs after which it was
    first below the bar and let go on; notes: lines for the person, such as that weights could not be kept. crowded:
    whether others may run in this process meanwhile, so that the memory it takes is not this one's alone.
    """

    seed: int = 0
    device: str = "cpu"
    clock: Clock = field(default_factory=Clock)
    reports: list[tuple[float, Metrics]] = field(default_factory=list)  # (seconds since the start, metrics)
    task: Task = field(default_factory=Task)
    found: list[Mapping[str, Any]] = field(default_factory=list)
    curve: list[Point] = field(default_factory=list)
    below: float | None = None
    notes: list[str] = field(default_factory=list)
    crowded: bool = False

    def report(self, metrics: Mapping[str, float]) -> None:
        """Validated once more: the best state so far counts if the budget cuts this candidate off.

        Raises `Stopped` where its curve is below the bar: let it through.
        """
        seconds = self.clock.elapsed()
        self.reports.append((seconds, dict(metrics)))
        bar = self.task.bar or Bar()
        if (reached := point(metrics, bar.objective, seconds)) is None:
            return
        self.curve.append(reached)
        if self.below is None and bar.fails(tuple(self.curve)):
            if not bar.spared:
                raise Stopped(reached[0])
            self.below = reached[0]


class Evaluator(Protocol):
    """Evaluates candidates. It may raise anything; `run` makes a failed trial of it.

    Optional: `task()` is the input shape and the number of classes that candidates are to have, or None;
    `prepare(space, seconds_per_worker, seed) -> Fidelity` fits the fidelity before a search is launched, and may take
    `candidates_each`, how many a worker needs to finish at most, and `cores_each`, how many cores there are for a worker;
    `grace_seconds` is how long after its deadline a candidate that does not ask its clock is stopped by force;
    `metrics` names all that it reports; `settings()` is plain data for the record; `full_epochs` is how long a network is
    trained that is to be confirmed (without it as long as in the search); `check(space)` raises `NasError` for a space that
    it cannot evaluate; `phases`, names of the phases that it knows (see `Task`), and `check_phase(phase, space, fidelity)`,
    which raises for a space that one cannot train, before anything is written, and returns a line on it; `inherits`, true
    where it heeds `Task.inherit`;
    `memory(architecture, fidelity, device)` is the bytes of its device, `cpu` or `cuda`, that an evaluation is expected to
    take at most, beyond `standing_bytes(device)`, which a worker holds there whatever it evaluates: then several share a
    device as far as they fit, and a metric `peak_memory_bytes` of the former corrects what is expected of others;
    `seconds_of(candidates, fidelity, seed, device, allowed)` is the seconds that evaluating each of them alone would take,
    found within about `allowed` seconds, for a plan of a search; those it cannot tell of are left out;
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
    phase came to. `stopped` is the epochs after which its curve was hopeless, and `metrics` are then the best reported;
    `below`, `curve` and `notes` are those of the evaluation.
    """

    state: Literal["complete", "fail"]
    metrics: Metrics = field(default_factory=dict)
    reason: str | None = None
    seconds: float = 0.0
    cut: bool = False
    first_seconds: float | None = None
    found: tuple[Mapping[str, Any], ...] = ()
    stopped: float | None = None
    below: float | None = None
    curve: Curve = ()
    notes: tuple[str, ...] = ()


def run(evaluator: Evaluator, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Outcome:
    """Evaluate and never raise (but for Ctrl-C): every exception, NaN and cut becomes an outcome with its reason."""
    return _with_curve(_run(evaluator, architecture, fidelity, evaluation), evaluation)


def _with_curve(outcome: Outcome, evaluation: Evaluation) -> Outcome:
    return replace(outcome, below=evaluation.below, curve=thinned(evaluation.curve), notes=tuple(evaluation.notes))


def _run(evaluator: Evaluator, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Outcome:
    try:
        metrics = evaluator.evaluate(architecture, fidelity, evaluation)
        return _complete(metrics, evaluator.objective, evaluation)
    except Stopped as stop:
        return _stopped(evaluator.objective, evaluation, stop.epoch)
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
    elapsed, reached = evaluation.clock.elapsed(), _reached(objective, evaluation)
    if limit != "budget" or reached is None:
        return _fail(limit if limit == "budget" else f"timeout after {elapsed:.1f}s", evaluation)
    outcome = Outcome("complete", reached, None, elapsed, cut=True, first_seconds=evaluation.reports[0][0])
    return _with_curve(outcome, evaluation)


def _stopped(objective: str, evaluation: Evaluation, epoch: float) -> Outcome:
    """The outcome of a candidate whose curve was below the bar: the best that it had reached."""
    if (reached := _reached(objective, evaluation)) is None:
        return _fail(f"stopped after {epoch:g} epochs without {objective}", evaluation)
    return Outcome("complete", reached, None, evaluation.clock.elapsed(), first_seconds=evaluation.reports[0][0], stopped=epoch)


def _reached(objective: str, evaluation: Evaluation) -> Metrics | None:
    """The best of the metrics that were reported, where the objective was."""
    valid = [_clean(metrics) for _, metrics in evaluation.reports]
    valid = [metrics for metrics in valid if objective in metrics]
    bar = evaluation.task.bar
    if bar is not None and all(bar.objective.name in metrics for metrics in valid):
        return max(valid, key=lambda metrics: bar.objective.oriented(metrics[bar.objective.name]), default=None)
    return max(valid, key=lambda metrics: metrics[objective], default=None)


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
    if out_of_memory(text, {kind.__name__ for kind in type(error).__mro__}):
        return f"{MEMORY}: {text}" if text else MEMORY
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(value: object) -> str:
    try:
        text = " ".join(str(value).split())
    except Exception:  # an exception whose __str__ raises is still a failed trial
        text = "(no message)"
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 3] + "..."


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
