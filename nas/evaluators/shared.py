"""The evaluator whose candidates share their weights: a bank that phases train, on which candidates are judged untrained.

ENAS (Pham et al., arXiv 1802.03268) where phases and candidates alternate and the networks trained are drawn from a
controller; single-path one-shot (Guo et al., arXiv 1904.00420) where all phases come first and are uniform or fair.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas.bank import Bank, recalibrate
from nas.errors import NasError
from nas.evaluators.banks import Banks, Kept
from nas.evaluators.base import Evaluation, Metrics
from nas.evaluators.clock import CutOff
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.fit import meeting, sample, sizes
from nas.evaluators.proxy import SIZES, Size
from nas.evaluators.shares import Costs, Task, Wanted, plan
from nas.evaluators.training import FIT_SHARE, WORKER_SECONDS, TrainingEvaluator, _memory, _threads
from nas.strategies.phased import PHASE, SAMPLINGS, Schedule, rounds
from nas.training.inputs import plain, size_of
from nas.training.loop import judge
from nas.training.run import precision_of
from nas.training.shared import SharedTraining, SharedWeights, falling, restarting

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.spaces import Space
    from nas.training.dataset import TrainingData
    from nas.training.recipe import Recipe

SEARCH, CORRELATE = "search", "correlate"  # roles of runs in which shared weights are read
SAVE_SECONDS = 30.0  # from one writing of the bank to the next, within a phase
PROBED = 4  # networks of a phase that are judged at its end, to say how far the weights are
MOST_OF = 0.8  # of what is left of the budget for all phases before the first candidate, where training is slower than was measured
UPDATES = 6  # that are measured at a size
LONGEST = 10.0  # seconds that measuring may take
METRICS = ("accuracy", "params", "macs", "judged_images")


class SharedEvaluator(TrainingEvaluator):
    """Judges the candidates of a search on weights that they share; whatever else is evaluated is trained, as by its parent.

    So the trainings of a confirmation and of a control, and every evaluation outside of a search, stand alone.

    sampling: whom phases train: `uniform`, `fair` or `policy` (the strategy's own; then phases and candidates alternate).
    epochs: of the shared weights, over all phases before the first candidate, or of each phase where these alternate;
    steps: candidates from one phase to the next, with which phases alternate under any sampling; batches: of validation
    images that judge a candidate (default: one where phases alternate, and then one candidate in ten is judged by all;
    otherwise all); recalibrate: batches of training images that batch norm's statistics are taken from, anew for every
    candidate; share: of the budget, for the shared weights. schedule: what was fitted before; see `nas.strategies.phased`.
    Further options are those of `TrainingEvaluator`. Raises `NasError` on a bad setting.
    """

    inherits = False  # all candidates have the same weights
    phases = (PHASE,)

    def __init__(
        self, dataset: str = "digits", *, sampling: str = "uniform", epochs: float | None = None, steps: int | None = None,
        batches: int | None = None, recalibrate: int = 4, share: float = 0.5, schedule: Mapping[str, Any] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        if sampling not in SAMPLINGS:
            raise NasError(f"sampling={sampling!r}; allowed: {', '.join(SAMPLINGS)}")
        for name, value in (("steps", steps), ("batches", batches), ("recalibrate", recalibrate)):
            if value is not None and (type(value) is not int or value < 1):
                raise NasError(f"{name}={value!r}; allowed: a whole number from 1")
        for name, number, most in (("epochs", epochs, 1e6), ("share", share, 0.95)):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= most):
                raise NasError(f"{name}={number!r}; allowed: a number above 0, {most:g} at most")
        self.sampling, self.epochs, self.steps, self.batches = sampling, epochs, steps, batches
        self.recalibrate, self.share = recalibrate, float(share)
        self._schedule = None if schedule is None else Schedule.from_dict(schedule)
        super().__init__(dataset, **options)
        self.plan: Any = None

    def settings(self) -> dict[str, Any]:
        """Plain data for the record; `SharedEvaluator(**settings)` is the same evaluator."""
        own = ("sampling", "epochs", "steps", "batches", "recalibrate", "share", "schedule")
        return {**super().settings(), **{name: getattr(self, name) for name in own}}

    @property
    def schedule(self) -> dict[str, Any] | None:
        """The phases of a search, as `nas.strategies.phased.Schedule` reads them; None before they are fitted."""
        return None if self._schedule is None else dataclasses.asdict(self._schedule)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics that it reports of a candidate."""
        return METRICS

    def evaluate(self, architecture: Any, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """In a search a phase, or a candidate judged on the shared weights; else a training.

        `accuracy` of a candidate is that on the fraction `fidelity.samples` of the validation images. Beside a training that
        is to be correlated, `shared_accuracy` is that on the weights of the search, by all validation images.
        Raises `NasError` where no weights are there yet, else as a training does.
        """
        task = evaluation.task
        if task.role == SEARCH and task.store is not None:
            return self._phase(fidelity, evaluation) if task.phase is not None else self._candidate(architecture, fidelity, evaluation)
        metrics = super().evaluate(architecture, fidelity, evaluation)
        if task.role == CORRELATE and task.store is not None:
            judged = self._candidate(architecture, Fidelity(), evaluation)
            metrics["shared_accuracy"] = judged["accuracy"]
        return metrics

    # ---- before a search -------------------------------------------------------------------------------------------

    def prepare(
        self, space: Space, seconds_per_worker: float, seed: int, candidates_each: float = math.inf, trials: float = math.inf,
        fidelity: Fidelity | None = None,
    ) -> Fidelity:  # fmt: skip
        """The size of the networks that share weights and the schedule that the budget affords, from a few measured steps.

        fidelity: its width and depth are taken as they are, and its epochs where the option `epochs` is not given.
        """
        start = time.monotonic()
        data = self._part(self._device("cuda" if torch.cuda.is_available() else "cpu"), 1.0)
        reading = time.monotonic() - start
        recipe = self._stated(data)
        batch = min(recipe.batch, len(data.train))
        wanted = Wanted(self.sampling, self.epochs or (fidelity.epochs if fidelity else None), self.steps, self.batches, self.share)
        size = None if fidelity is None else (fidelity.width, fidelity.depth)
        with _threads(data, self._execution(data).threads), _memory(data):
            costs = self._measured(space, data, recipe, seed, size, min(LONGEST, FIT_SHARE * seconds_per_worker))
        task = Task(len(data.train) // batch, batch, len(data.validation), rounds(space))
        made = plan(costs, wanted, task, seconds_per_worker - WORKER_SECONDS - reading, trials)
        self.plan, self._schedule = dataclasses.replace(made, spent=time.monotonic() - start), made.schedule
        return made.fidelity

    def alone(self, space: Space, seconds_per_worker: float, seed: int) -> Fidelity:
        """The proxy of a search by trainings that stand alone under the same budget, as for a control."""
        kept = self.plan
        try:
            return super().prepare(space, seconds_per_worker, seed)
        finally:
            self.plan = kept

    def _measured(
        self, space: Space, data: TrainingData, recipe: Recipe, seed: int, given: Size | None, allowed: float
    ) -> dict[Size, Costs]:
        """What networks of the space cost, from the smallest size on for about `allowed` seconds; of the `given` size alone."""
        found = sample(space, data, random.Random(seed), self.resample)
        if not found:
            raise NasError(f"no network of space {space.name!r} among those tried fits the images of {self.dataset}")
        tried: list[Size] = [given] if given else [SIZES[-1]] if self.resample else sizes(found) or [SIZES[-1]]
        end, costs = time.monotonic() + allowed, dict[Size, Costs]()
        self._cost(found, tried[0], data, recipe, seed)  # libraries and devices that wake up
        for index, size in enumerate(tried):
            began = time.monotonic()
            try:
                costs[size] = self._cost(found, size, data, recipe, seed)
            except (RuntimeError, ValueError) as error:  # out of memory, or maps too small to normalise
                if index == 0:
                    raise NasError(f"networks of space {space.name!r} cannot be trained: {error}") from None
                break
            if time.monotonic() + 3 * (time.monotonic() - began) > end:
                break
        return costs

    def _cost(self, found: list[Architecture], size: Size, data: TrainingData, recipe: Recipe, seed: int) -> Costs:
        weights = SharedWeights(Bank(seed, data.images.device))
        _, shown = meeting(found[0], data, self.resample)
        training = self._training(weights, [[each] for each in found], size, data, recipe, lambda step: 0.0, seed, lambda: None, shown)
        times = sorted(_seconds(data, training.update) for _ in range(UPDATES))
        full, brief = (
            min(_seconds(data, lambda: self._judged(weights, found[0], size, data, recipe, rows, lambda: None)) for _ in range(2))  # noqa: B023
            for rows in (data.validation, data.validation[: recipe.batch])
        )
        typical = sum(times[: UPDATES // 2]) / (UPDATES // 2)  # the first ones also build what later ones find, and others may be at work
        return Costs(typical, max(full, brief), brief)

    # ---- a phase ---------------------------------------------------------------------------------------------------

    def _phase(self, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """Train the bank by what the schedule says, from where an earlier attempt left it; how far it is then."""
        task, schedule, clock = evaluation.task, self._schedule, evaluation.clock
        if schedule is None or task.store is None:
            raise NasError("shared weights have no schedule; allowed: a search, whose budget it is fitted to")
        data = self._part(self._device(evaluation.device), 1.0)
        recipe = self._stated(data)
        size = (fidelity.width, fidelity.depth)
        with _threads(data, self._execution(data).threads), _memory(data):
            kept = self._banks.begun(task.store, task.number, size, data.images.device, evaluation.seed)
            groups = [task.children[i : i + schedule.group] for i in range(0, len(task.children), schedule.group)]
            _, shown = meeting(task.children[0], data, self.resample)
            rate = self._rate(schedule, data, recipe)
            training = self._training(kept.weights, groups, size, data, recipe, rate, evaluation.seed, clock.check, shown)
            training.index = kept.index
            loss = self._trained(kept, training, schedule, task.number, evaluation)
            drawn = list[float]()
            with contextlib.suppress(CutOff):  # the phase itself is done
                for child in task.children[:PROBED]:
                    drawn.append(self._judged(kept.weights, child, size, data, recipe, data.validation, clock.check))
        metrics = {"drawn_accuracy": sum(drawn) / len(drawn)} if drawn else {}
        metrics |= {"epochs": kept.weights.step / training.per_epoch} | ({"train_loss": loss} if math.isfinite(loss) else {})
        return {self.objective: metrics.get("drawn_accuracy", 0.0), **metrics}

    def _trained(
        self, kept: Kept, training: SharedTraining, schedule: Schedule, number: int, evaluation: Evaluation
    ) -> float:  # fmt: skip
        """Update the weights to the end of the phase, or of its time; written at intervals and at the end. The mean loss.

        Raises `CutOff` where the search itself has ended; what was trained is written then, too.
        """
        clock, store = evaluation.clock, evaluation.task.store
        assert store is not None
        left = clock.left()
        phases = max(1, schedule.begin - number)
        if math.isfinite(left):
            clock.keep(left - MOST_OF * left / phases)
        losses, saved = [], time.monotonic()
        try:
            while training.index < schedule.updates and not kept.done:
                training.update()
                if time.monotonic() >= saved + SAVE_SECONDS:
                    losses.append(training.loss())  # raises rather than keep what is not finite
                    self._banks.write(store, kept, training.index, done=False)
                    saved = time.monotonic()
        except CutOff:
            clock.keep(0.0)
            losses.append(training.loss())
            if clock.left() <= 0:
                self._banks.write(store, kept, training.index, done=False)
                raise
        except BaseException:
            self._banks.forget()  # they may hold what must not be used
            raise
        finally:
            clock.keep(0.0)
        losses.append(training.loss())
        if not kept.done:
            kept.weights.step += schedule.updates - training.index  # a phase that was short of time does not hold the rate up
            self._banks.write(store, kept, schedule.updates, done=True)
        known = [each for each in losses if math.isfinite(each)]
        return sum(known) / len(known) if known else math.nan

    def _rate(self, schedule: Schedule, data: TrainingData, recipe: Recipe) -> Any:
        batch = min(recipe.batch, len(data.train))
        if schedule.period:
            return restarting(recipe, schedule.period, batch)
        return falling(recipe, schedule.begin * schedule.updates, len(data.train) // batch, batch)

    def _training(
        self, weights: SharedWeights, groups: Any, size: Size, data: TrainingData, recipe: Recipe, rate: Any, seed: int, check: Any,
        shown: tuple[int, int] | None,
    ) -> SharedTraining:  # fmt: skip
        build = lambda child: self._shell(weights, child, size, data, recipe)  # noqa: E731
        return SharedTraining(weights, groups, build, data, recipe, rate, seed, check, shown)

    # ---- a candidate -----------------------------------------------------------------------------------------------

    def _candidate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        evaluation.clock.check()
        store = evaluation.task.store
        assert store is not None
        data = self._part(self._device(evaluation.device), 1.0)
        recipe = self._stated(data)
        shape, _ = meeting(architecture, data, self.resample)
        cost = architecture.with_input(shape, data.classes).cost(aux=False)
        rows = data.validation
        if fidelity.samples < 1:
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(evaluation.seed))
            rows = rows[order[: max(1, round(fidelity.samples * len(rows)))].to(rows.device)]
        with _threads(data, self._execution(data).threads), _memory(data):
            kept = self._banks.latest(store, data.images.device)
            if kept is None:
                raise NasError("no weights are shared yet: the phase that was to train them failed")
            accuracy = self._judged(kept.weights, architecture, kept.size, data, recipe, rows, evaluation.clock.check)
        return {"accuracy": accuracy, "params": float(cost.params), "macs": float(cost.macs), "judged_images": float(len(rows))}

    def _judged(
        self, weights: SharedWeights, architecture: Architecture, size: Size, data: TrainingData, recipe: Recipe, rows: Tensor, check: Any
    ) -> float:
        """Accuracy on the validation `rows` of the network as the bank has it, batch norm's statistics taken anew."""
        _, shown = meeting(architecture, data, self.resample)
        module = self._shell(weights, architecture, size, data, recipe)
        precision = precision_of(recipe.precision, data.images.device)
        with torch.autocast(data.images.device.type, precision, enabled=precision is not torch.float32):
            recalibrate(module, self._calibration(module, data, recipe, shown, check))
        return judge(module, dataclasses.replace(data, validation=rows), recipe, check=check, size=shown)

    def _calibration(
        self, module: nn.Module, data: TrainingData, recipe: Recipe, shown: tuple[int, int] | None, check: Any
    ) -> Iterator[Tensor]:
        """Batches of training images, the same for every candidate; none for a network without batch norm."""
        if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
            return
        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(self.split_seed)).to(data.train.device)
        for rows in torch.split(data.train[order[: self.recalibrate * recipe.batch]], recipe.batch):
            check()
            yield plain(data, rows, size_of(data, recipe, shown))

    def _shell(self, weights: SharedWeights, architecture: Architecture, size: Size, data: TrainingData, recipe: Recipe) -> nn.Module:
        """The network of the candidate at `size`, with the bank's parameters."""
        shape, _ = meeting(architecture, data, self.resample)
        proxy = architecture.with_input(shape, data.classes).resized(width=size[0], depth=size[1])
        with self._lock:  # lanes may be threads of one process
            module: nn.Module = weights.bank.build(proxy, recipe.drop_path)
        return module.to(data.images.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _forget(self) -> None:
        super()._forget()
        self._banks = Banks()

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: no weights travel to a worker."""
        return {name: value for name, value in super().__getstate__().items() if name != "_banks"}


def _seconds(data: TrainingData, action: Any) -> float:
    """Seconds until `action` is done on the device."""
    start = time.perf_counter()
    action()
    if data.images.device.type == "cuda":
        torch.cuda.synchronize(data.images.device)
    return time.perf_counter() - start
