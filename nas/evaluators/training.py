"""The evaluator that trains: a candidate's proxy network, on the training data, judged on a part held out of it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas import data as datasets
from nas.errors import NasError
from nas.evaluators import differentiable
from nas.evaluators.base import Evaluation, Metrics
from nas.evaluators.expected import expected_seconds
from nas.evaluators.fidelity import Fidelity
from nas.evaluators.fit import Fit, coarser, meeting, sample
from nas.evaluators.handover import Handover, same
from nas.evaluators.memory import CONTEXT, Peak, is_half, training_bytes
from nas.evaluators.proxy import Plan, Size
from nas.repeatable import parameters_from, threads
from nas.training import recipes
from nas.training.dataset import TrainingData
from nas.training.execution import Execution, fixed_of, usual
from nas.training.inputs import size_of
from nas.training.loop import judge, train
from nas.training.recipe import Recipe
from nas.training.tuning import Choice

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.ensembles import Ensemble
    from nas.spaces import Space

DEVICES = ("auto", "cpu", "cuda")
METRICS = (
    "accuracy", "val_loss", "train_loss", "epochs", "train_seconds", "images_per_second", "first_validation_seconds", "once_seconds",
    "params", "macs",
)  # fmt: skip
FIT_SHARE = 0.05  # of a worker's budget that fitting the proxy may measure
TUNE_SHARE, TUNE_SECONDS = 0.02, 5.0  # of that budget, and at most, for the choice of how steps are run
FULL_EPOCHS = 30  # of a network that is to be confirmed; one of `tiny` on digits gained nothing from 90 (3 seeds)
WORKER_SECONDS = 5.0  # before a fresh worker can begin: every process starts, and imports torch


class TrainingEvaluator:
    """Trains candidates on a data set. Holds plain settings only, so it can be sent to any worker.

    dataset, data_dir: as in `nas.data.load`; read once a process, when first needed. recipe: a `Recipe`, its plain
    dict, a name or file as in `nas.training.recipes`, or nothing for the default at that many images; its epochs are
    left to the fidelity, but for the early stop. validation: the fraction of the training images that judges;
    split_seed: which ones, the same for all candidates. device: `auto` is the evaluation's own. resample: whether images
    are brought to a candidate's own rows and columns, as candidates of different resolution need; otherwise the candidate
    is brought to theirs. execution: how steps are run, in full or in part, as text or table (see `nas.training.execution`);
    what is left out `prepare` chooses, and is as usual without it.
    Raises `NasError` on a bad setting. The test images are read only where a fidelity asks for `test`, and judge nothing.
    """

    objective = "accuracy"
    inherits = True
    full_epochs = FULL_EPOCHS
    phases = (differentiable.PHASE,)

    def __init__(
        self,
        dataset: str = "digits",
        *,
        data_dir: str | Path | None = None,
        recipe: Recipe | Mapping[str, object] | str | Path | None = None,
        validation: float = 0.2,
        split_seed: int = 0,
        device: str = "auto",
        resample: bool = False,
        execution: str | Mapping[str, Any] | Execution | None = None,
    ) -> None:
        if not isinstance(validation, int | float) or not 0 < validation < 1:
            raise NasError(f"validation={validation!r}; allowed: a fraction between 0 and 1, both excluded")
        if device not in DEVICES:
            raise NasError(f"device={device!r}; allowed: {', '.join(DEVICES)}")
        self.dataset = datasets.absolute(str(dataset))
        self.data_dir = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
        self.recipe = _recipe(recipe)
        if not isinstance(split_seed, int) or split_seed < 0:
            raise NasError(f"split_seed={split_seed!r}; allowed: a whole number from 0")
        if not isinstance(resample, bool):
            raise NasError(f"resample={resample!r}; allowed: true or false")
        self.validation, self.split_seed, self.device, self.resample = float(validation), split_seed, device, resample
        self.execution = fixed_of(execution)
        stated = "auto" if self.recipe is None else self.recipe.precision
        if stated != "auto" and self.execution.get("precision", stated) != stated:
            raise NasError(f"execution precision={self.execution['precision']!r}; allowed with recipe.precision={stated!r}: that")
        self.plan: Plan | None = None  # what `prepare` found
        self.choice: Choice | None = None
        self._forget()

    def settings(self) -> dict[str, Any]:
        """Plain data for the record; `TrainingEvaluator(**settings)` is the same evaluator."""
        return {
            "dataset": self.dataset,
            "data_dir": self.data_dir,
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "validation": self.validation,
            "split_seed": self.split_seed,
            "device": self.device,
            "resample": self.resample,
            "execution": dict(self.execution) or None,
        }

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics that it reports on this machine."""
        cuda = self.device != "cpu" and torch.cuda.is_available()
        return (*METRICS, "peak_memory_bytes") if cuda else METRICS

    def task(self) -> tuple[tuple[int, int, int], int]:
        """Input shape (channels, rows, columns) and number of classes of the data set."""
        data = self._part(torch.device("cpu"), 1.0)
        return (data.shape[0], data.shape[1], data.shape[2]), data.classes

    def evaluate(self, architecture: Architecture | Ensemble, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """Train the candidate's proxy and return the metrics of `nas.training.loop.train`.

        With them `params` and `macs` of the candidate itself at its input in full, auxiliary heads left out, and
        `test_accuracy` where the fidelity asks for it and the data set has test images; of a promotion `continued`, 1 where
        it went on with the training that it was promoted for, and 0 where it started over; of a child that inherits
        `inherited`, the fraction of its parameters that came from its parent.
        Raises `ArchitectureError` if it does not fit the input, `TrainingFailure` if the loss is not finite, `CutOff`.
        """
        evaluation.clock.check()
        if evaluation.task.phase == differentiable.PHASE:
            return self._differentiable(fidelity, evaluation)
        data = self._part(self._device(evaluation.device), fidelity.samples)
        shape, size = meeting(architecture, data, self.resample)
        candidate = architecture.with_input(shape, data.classes)
        cost = candidate.cost(aux=False)
        facts = {"params": float(cost.params), "macs": float(cost.macs)}
        candidate, size = coarser(candidate, size, fidelity.resolution)
        handover = Handover(evaluation, same(fidelity, candidate.digest, size))
        recipe = self._recipe(data)
        execution = self._execution(data)
        with _threads(data, execution.threads), _memory(data):
            evaluation.clock.check()
            peak, begun = Peak(data.images.device, evaluation.crowded), time.monotonic()
            module = self._build(candidate, (fidelity.width, fidelity.depth), recipe, evaluation.seed)
            handover.inherit(module)
            metrics = train(
                module, data, recipe, fidelity.epochs, seed=evaluation.seed, check=evaluation.clock.check,
                report=lambda reached: evaluation.report(peak.of({**reached, **facts, **handover.facts})), size=size,
                begin=handover.begin, end=handover.end, execution=execution, built=time.monotonic() - begun,
            )  # fmt: skip
            metrics = peak.of(metrics)
            if fidelity.test and (unseen := self._test(data)) is not None:
                metrics["test_accuracy"] = judge(
                    module, unseen, recipe, check=evaluation.clock.check, size=size, execution=execution
                )
        return {**metrics, **facts, **handover.facts}

    def memory(self, architecture: Architecture, fidelity: Fidelity, device: str) -> float:
        """Bytes of a `cpu` or `cuda` that training the candidate's proxy takes at most; see `training_bytes`.

        Raises `ArchitectureError` if it does not fit the input.
        """
        data = self._part(torch.device("cpu"), fidelity.samples)
        shape, size = meeting(architecture, data, self.resample)
        candidate, _ = coarser(architecture.with_input(shape, data.classes), size, fidelity.resolution)
        recipe = self._recipe(data)
        proxy: Any = candidate.resized(width=fidelity.width, depth=fidelity.depth)
        return training_bytes(proxy, recipe, len(data.train), is_half(self.execution.get("precision") or recipe.precision, device))

    def seconds_of(
        self, candidates: Sequence[Architecture], fidelity: Fidelity, seed: int, device: str, allowed: float
    ) -> list[float]:
        """Seconds that training each of them alone would take, from steps measured here for about `allowed` seconds."""
        data = self._part(self._device(device), 1.0)
        recipe, execution = self._recipe(data), self._execution(data)
        size = (fidelity.width, fidelity.depth)
        with _threads(data, execution.threads), _memory(data):
            made = expected_seconds(
                lambda candidate: self._build(candidate, size, recipe, seed), candidates, fidelity, data, recipe, execution, seed,
                allowed, resample=self.resample,
            )  # fmt: skip
        self._leave_gpu()
        return made

    def standing_bytes(self, device: str) -> float:
        """Bytes that a worker holds of a `cpu` or `cuda` whatever it trains: what torch needs, and the data set if it lies there."""
        images = self._part(torch.device("cpu"), 1.0).images
        return CONTEXT[device] + (float(images.nbytes) if isinstance(images, torch.Tensor) else 0.0)

    def check(self, space: Space) -> None:
        """Raise `NasError` where candidates differ in a resolution that training would not let them have."""
        if space.scales and not self.resample:
            raise NasError(f"space {space.name!r} scales its candidates' resolution; allowed: the evaluator option resample=True")

    def check_phase(self, phase: str, space: Space, fidelity: Fidelity | None) -> str:
        """A line on what differentiable search is to train; see `differentiable.check`."""
        data = self._part(self._device("cuda" if torch.cuda.is_available() else "cpu"), 1.0)
        return differentiable.check(space, self._stated(data), data.shape, data.classes, data.images.device, fidelity)

    def _differentiable(self, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """A phase of differentiable search, on all images, at the width and depth of candidates."""
        data = self._part(self._device(evaluation.device), 1.0)
        with _threads(data, self._execution(data).threads), _memory(data):
            return differentiable.Program(
                data, self._stated(data), lambda network: network.resized(width=fidelity.width, depth=fidelity.depth).build(), evaluation
            ).run()

    def prepare(
        self, space: Space, seconds_per_worker: float, seed: int, candidates_each: float = math.inf, cores_each: int = 1
    ) -> Fidelity:
        """The proxy that the budget affords, from the measured steps of a few candidates of `space`; see `self.plan`.

        candidates_each: how many a worker needs to finish at most; where they are few each is trained for longer.
        cores_each: cores that there are for a worker. At the size that fits, how steps are run is chosen; see `self.choice`.
        Measures for at most 7% of the budget and 15 seconds, apart from reading the data and the first candidates.
        """
        start = time.monotonic()
        data = self._part(self._device("cuda" if torch.cuda.is_available() else "cpu"), 1.0)
        reading = time.monotonic() - start  # every worker reads the data for itself
        recipe = self._recipe(data)
        with _threads(data, 1), _memory(data):
            build = functools.partial(self._build, recipe=recipe, seed=seed)
            candidates = sample(space, data, random.Random(seed), self.resample)
            fit = Fit(build, candidates, data, recipe, seed, self.resample, self._execution(data))
            seconds = seconds_per_worker - WORKER_SECONDS - reading
            found = fit.run(seconds, FIT_SHARE * seconds_per_worker, candidates_each)
            allowed = min(TUNE_SHARE * seconds_per_worker, TUNE_SECONDS)
            self.choice = fit.tune(found.fidelity, allowed, self.execution, cores_each)
            self.execution = self.choice.execution.to_dict()
            self.plan = fit.again(found, self.choice.faster, seconds, candidates_each)
        self.plan = dataclasses.replace(self.plan, spent=time.monotonic() - start)
        self._leave_gpu()
        return self.plan.fidelity

    def _leave_gpu(self) -> None:
        """What was measured on a GPU is trained by workers, which need its memory."""
        with self._lock:
            for key in [key for key in self._parts if key[0].startswith("cuda")]:
                del self._parts[key]
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _recipe(self, data: TrainingData) -> Recipe:
        return self.recipe or Recipe.default(len(data.train), min(data.shape[1:]))

    def _stated(self, data: TrainingData) -> Recipe:
        """The recipe with the precision of `_execution`, for trainings that have steps of their own."""
        return dataclasses.replace(self._recipe(data), precision=self._execution(data).precision)

    def _execution(self, data: TrainingData) -> Execution:
        """How steps are run on the device of `data`."""
        return usual(data.images.device, self._recipe(data).precision, self.execution)

    def _device(self, offered: str) -> torch.device:
        return torch.device(offered if self.device == "auto" else self.device)

    def _build(self, candidate: Architecture | Ensemble, size: Size, recipe: Recipe, seed: int) -> nn.Module:
        """The module at `size`, with parameters drawn from `seed`."""
        proxy = candidate.resized(width=size[0], depth=size[1])
        with parameters_from(seed):
            module: nn.Module = proxy.build(drop_path=recipe.drop_path)
        return module

    def _part(self, device: torch.device, samples: float) -> TrainingData:
        """The data on `device`, with a fraction `samples` of what is trained on. All fractions share one copy of the images."""
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())  # not a second copy under another name
        with self._lock:
            key = (str(device), samples)
            if key not in self._parts:
                whole = self._read(device) if samples == 1.0 else self._part(device, 1.0)
                self._parts[key] = whole.part(samples, self.split_seed)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)  # other threads read it on streams of their own
            return self._parts[key]

    def _test(self, data: TrainingData) -> TrainingData | None:
        """The test images beside `data`, as the rows to judge by; None where the data set has none. One copy a device."""
        device = str(data.images.device)
        with self._lock:
            if device not in self._tests:
                self._tests[device] = data.tested_on(datasets.load(self.dataset, data_dir=self._folder()))
            return self._tests[device]

    def _read(self, device: torch.device) -> TrainingData:
        data = TrainingData.of(datasets.load(self.dataset, data_dir=self._folder()), self.validation, self.split_seed, device)
        return data if self.recipe is None else dataclasses.replace(data, size=size_of(data, self.recipe))

    def _folder(self) -> Path | None:
        return None if self.data_dir is None else Path(self.data_dir)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._parts: dict[tuple[str, float], TrainingData] = {}
        self._tests: dict[str, TrainingData | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: neither data nor locks travel to a worker."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_parts", "_tests")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def _recipe(given: Recipe | Mapping[str, object] | str | Path | None) -> Recipe | None:
    if given is None or isinstance(given, Recipe):
        return given
    return recipes.load(given) if isinstance(given, str | Path) else Recipe.from_dict(given)


def _threads(data: TrainingData, count: int) -> contextlib.AbstractContextManager[None]:
    """So many threads where the data lie on a CPU."""
    return threads(count) if data.images.device.type == "cpu" else contextlib.nullcontext()


@contextlib.contextmanager
def _memory(data: TrainingData) -> Iterator[None]:
    """Give a GPU's memory back after each candidate, which others on that GPU may need."""
    try:
        yield
    finally:
        if data.images.device.type == "cuda":
            torch.cuda.empty_cache()
