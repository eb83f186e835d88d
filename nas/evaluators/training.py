"""The evaluator that trains: a candidate's proxy network, on the training data, judged on a part held out of it."""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nas import data as datasets
from nas.errors import ArchitectureError, NasError
from nas.evaluators.base import Evaluation, Fidelity, Metrics
from nas.evaluators.proxy import SIZES, Plan, Seconds, Size, plan
from nas.scale import resize
from nas.training.dataset import TrainingData
from nas.training.loop import train
from nas.training.measure import measure
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.spaces import Space

DEVICES = ("auto", "cpu", "cuda")
CANDIDATES = 6  # measured for a fit, at most, at each size
COSTED = 32  # of which only the MACs are counted, for the tail
FIT_SHARE, FIT_SECONDS = 0.05, 10.0  # of a worker's budget, and at most, that a fit may measure
WORKER_SECONDS = 3.0  # before a fresh worker can begin: torch is imported in every process


class TrainingEvaluator:
    """Trains candidates on a data set. Holds plain settings only, so it can be sent to any worker.

    dataset, data_dir: as in `nas.data.load`; read once a process, when first needed. recipe: a `Recipe`, its plain
    dict, or nothing for the default at that many images. validation: the fraction of the training images that judges;
    split_seed: which ones, the same for all candidates. device: `auto` is the evaluation's own.
    Raises `NasError` on a bad setting. The test images are never read.
    """

    objective = "accuracy"

    def __init__(
        self,
        dataset: str = "digits",
        *,
        data_dir: str | Path | None = None,
        recipe: Recipe | Mapping[str, object] | None = None,
        validation: float = 0.2,
        split_seed: int = 0,
        device: str = "auto",
    ) -> None:
        if not isinstance(validation, int | float) or not 0 < validation < 1:
            raise NasError(f"validation={validation!r}; allowed: a fraction between 0 and 1, both excluded")
        if device not in DEVICES:
            raise NasError(f"device={device!r}; allowed: {', '.join(DEVICES)}")
        self.dataset, self.data_dir = str(dataset), None if data_dir is None else str(data_dir)
        self.recipe = recipe if recipe is None or isinstance(recipe, Recipe) else Recipe.from_dict(recipe)
        self.validation, self.split_seed, self.device = float(validation), int(split_seed), device
        self.plan: Plan | None = None  # what `prepare` found
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
        }

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """Train the candidate's proxy and return the metrics of `nas.training.loop.train`.

        With them `params` and `macs` of the candidate itself at this data set's input, auxiliary heads left out.
        Raises `ArchitectureError` if it does not fit the input, `TrainingFailure` if the loss is not finite, `CutOff`.
        """
        evaluation.clock.check()
        data = self._part(self._device(evaluation.device), fidelity.samples)
        candidate = architecture.with_input(data.shape, data.classes)
        cost = candidate.cost(aux=False)
        facts = {"params": float(cost.params), "macs": float(cost.macs)}
        recipe = self._recipe(data)
        with _threads(data), _memory(data):
            evaluation.clock.check()
            module = self._build(candidate, (fidelity.width, fidelity.depth), recipe, evaluation.seed)
            metrics = train(
                module, data, recipe, fidelity.epochs, seed=evaluation.seed, check=evaluation.clock.check,
                report=lambda reached: evaluation.report({**reached, **facts}),
            )  # fmt: skip
        return {**metrics, **facts}

    def prepare(self, space: Space, seconds_per_worker: float, seed: int) -> Fidelity:
        """The proxy that the budget affords, from the measured steps of a few candidates of `space`; see `self.plan`.

        Measures for at most 5% of the budget and ten seconds, apart from reading the data and the first candidate.
        """
        start = time.monotonic()
        data = self._part(self._device("cuda" if torch.cuda.is_available() else "cpu"), 1.0)
        allowed = min(FIT_SECONDS, FIT_SHARE * seconds_per_worker)
        with _threads(data), _memory(data):
            fit = _Fit(self, space, data, seed)
            measured = fit.run(allowed)
        reading = min(fit.started - start, 0.5 * seconds_per_worker)
        left = seconds_per_worker - WORKER_SECONDS - reading
        found = plan(measured, len(data.train), len(data.validation), left)
        spent = time.monotonic() - start
        self.plan = Plan(found.fidelity, found.candidate_seconds, found.candidates, found.fits, fit.count, spent)
        return found.fidelity

    def _recipe(self, data: TrainingData) -> Recipe:
        return self.recipe or Recipe.default(len(data.train), min(data.shape[1:]))

    def _device(self, offered: str) -> torch.device:
        return torch.device(offered if self.device == "auto" else self.device)

    def _build(self, candidate: Architecture, size: Size, recipe: Recipe, seed: int) -> nn.Module:
        """The module at `size`, with parameters drawn from `seed`: torch draws them from its one global generator."""
        proxy = resize(candidate, width=size[0], depth=size[1])
        with self._lock, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module: nn.Module = proxy.build(drop_path=recipe.drop_path)
        return module

    def _part(self, device: torch.device, samples: float) -> TrainingData:
        """The data on `device`, with a fraction `samples` of what is trained on; each is made once."""
        with self._lock:
            whole = self._parts.get((str(device), 1.0))
            if whole is None:
                folder = None if self.data_dir is None else Path(self.data_dir)
                loaded = datasets.load(self.dataset, data_dir=folder)
                whole = TrainingData.of(loaded, self.validation, self.split_seed, device)
                self._parts[str(device), 1.0] = whole
            return self._parts.setdefault((str(device), samples), whole.part(samples, self.split_seed))

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._parts: dict[tuple[str, float], TrainingData] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: neither data nor locks travel to a worker."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_parts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


class _Fit:
    """Measures candidates of a space at each size while there is time."""

    def __init__(self, evaluator: TrainingEvaluator, space: Space, data: TrainingData, seed: int) -> None:
        self.evaluator, self.data, self.seed = evaluator, data, seed
        self.recipe = evaluator._recipe(data)
        self.candidates = _sample(space, data, COSTED, random.Random(seed))
        self.count, self.started = 0, time.monotonic()

    def run(self, allowed: float) -> dict[Size, list[Seconds]]:
        """Seconds of the measured candidates by size, corrected for the tail of those that were not measured.

        A size that there was no time for counts as slower by its MACs, which is never too little.
        """
        if not self.candidates:
            return {}
        self._measure(0, SIZES[0])  # warms up libraries and devices; only its once is a worker's own
        self.started = time.monotonic()
        found: dict[Size, list[Seconds]] = {}
        for index, size in enumerate(SIZES):
            end = self.started + allowed * (index + 1) / len(SIZES)
            found[size] = self._at(size, end) or self._scaled(found[SIZES[index - 1]], SIZES[index - 1], size)
        return {size: self._with_tail(costs) for size, costs in found.items()}

    def _at(self, size: Size, end: float) -> list[Seconds]:
        costs: list[Seconds] = []
        for index in range(min(CANDIDATES, len(self.candidates))):
            if time.monotonic() > end and not (size == SIZES[0] and not costs):
                break
            costs.append(self._measure(index, size))
        return costs

    def _measure(self, index: int, size: Size) -> Seconds:
        self.count += 1
        candidate = self.candidates[index]
        build = lambda: self.evaluator._build(candidate, size, self.recipe, self.seed)  # noqa: E731
        return Seconds(*measure(build, self.data, self.recipe, self.seed))

    def _scaled(self, costs: list[Seconds], before: Size, size: Size) -> list[Seconds]:
        first = self.candidates[0]
        small, large = (resize(first, width=w, depth=d).cost(aux=False).macs for w, d in (before, size))
        return [cost.times(max(1.0, large / max(small, 1))) for cost in costs]

    def _with_tail(self, costs: list[Seconds]) -> list[Seconds]:
        """If the few measured are lighter than the many costed, make up for it."""
        macs = [candidate.cost(aux=False).macs for candidate in self.candidates]
        factor = max(1.0, _mean(macs) / max(_mean(macs[: len(costs)]), 1.0))
        return [cost.times(factor) for cost in costs]


def _sample(space: Space, data: TrainingData, count: int, rng: random.Random) -> list[Architecture]:
    """Candidates of the space that fit the data set's input."""
    found = []
    for _ in range(count):
        with contextlib.suppress(ArchitectureError):  # it would be a failed trial of no length
            found.append(space.decode(space.sample(rng)).with_input(data.shape, data.classes))
    return found


def _mean(values: list[int]) -> float:
    return math.fsum(values) / max(len(values), 1)


@contextlib.contextmanager
def _threads(data: TrainingData) -> Iterator[None]:
    """One thread on a CPU: the same bits in every engine, and workers that do not slow each other down."""
    before = torch.get_num_threads()
    if data.images.device.type != "cpu" or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _memory(data: TrainingData) -> Iterator[None]:
    """Give a GPU's memory back after each candidate, which others on that GPU may need."""
    try:
        yield
    finally:
        if data.images.device.type == "cuda":
            torch.cuda.empty_cache()
