"""The evaluator that does not train: a candidate's zero-cost score is its objective."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import data as datasets
from nas import measures
from nas.errors import ArchitectureError, NasError
from nas.evaluators.base import Evaluation, Metrics
from nas.evaluators.fidelity import Fidelity
from nas.measures import Probe

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.data import Dataset
    from nas.spaces import Space


class ZeroCostEvaluator:
    """Scores candidates by one of `nas.measures.proxies()`, untrained, within seconds.

    dataset, data_dir: as in `nas.data.load`: candidates have its input and classes, and see its images; without one they
    have the space's, and see noise. Raises `NasError` for an unknown proxy. Test images are never read.
    """

    def __init__(self, proxy: str = "naswot", *, dataset: str | None = None, data_dir: str | Path | None = None) -> None:
        names = measures.find_proxies(proxy, where="zero-cost")
        if len(names) > 1:
            raise NasError(f"zero-cost:{proxy} names {len(names)} proxies; allowed: one, such as zero-cost:{names[0]}")
        self.objective = names[0]
        self.dataset = None if dataset is None else datasets.absolute(dataset)
        self.data_dir = None if data_dir is None else os.path.abspath(os.path.expanduser(data_dir))
        self._shown: tuple[Probe, tuple[int, int, int], int] | None = None

    def settings(self) -> dict[str, Any]:
        """Plain data for the record; `ZeroCostEvaluator(**settings)` is the same evaluator."""
        return {"proxy": self.objective, "dataset": self.dataset, "data_dir": self.data_dir}

    def task(self) -> tuple[tuple[int, int, int], int] | None:
        """Input shape (channels, rows, columns) and number of classes of the data set; None without one."""
        shown = self._data()
        return None if shown is None else shown[1:]

    def check(self, space: Space) -> None:
        """Raise `NasError` where candidates differ in resolution, for images of one data set have one."""
        if space.scales and self.dataset is not None:
            raise NasError(f"space {space.name!r} scales its candidates' resolution; allowed: zero-cost without a data set, on noise")

    def evaluate(self, architecture: Architecture, fidelity: Fidelity, evaluation: Evaluation) -> Metrics:
        """The score, with `params` and `macs`. The fidelity does not matter, nor the trial: the seed is 0 for all.

        Raises `ArchitectureError` for a candidate that cannot be scored, `CutOff`.
        """
        evaluation.clock.check()
        shown = self._data()
        candidate = architecture if shown is None else architecture.with_input(*shown[1:])
        cost = candidate.cost(aux=False)
        score = measures.measure(candidate, self.objective, Probe() if shown is None else shown[0])
        return {self.objective: score, "params": float(cost.params), "macs": float(cost.macs)}

    def seconds_of(
        self, candidates: Sequence[Architecture], fidelity: Fidelity, seed: int, device: str, allowed: float
    ) -> list[float]:
        """Seconds that scoring took of as many of them as there was time for in `allowed` seconds; the first is not counted."""
        taken: list[float] = []
        end = time.monotonic() + allowed
        for candidate in candidates:
            begun = time.monotonic()
            with contextlib.suppress(ArchitectureError, RuntimeError, ValueError):  # a failed trial later on
                self.evaluate(candidate, fidelity, Evaluation(seed, device))
                taken.append(time.monotonic() - begun)
            if time.monotonic() > end and len(taken) > 1:
                break
        return taken[1:]

    def _data(self) -> tuple[Probe, tuple[int, int, int], int] | None:
        """What candidates are shown, their input and classes; read once a process."""
        if self._shown is None and self.dataset is not None:
            found = datasets.load(self.dataset, data_dir=None if self.data_dir is None else Path(self.data_dir))
            self._shown = (probe(found, 0), found.input, found.classes)
        return self._shown

    def __getstate__(self) -> Mapping[str, Any]:
        """Settings only: no data travel to a worker."""
        return {**self.__dict__, "_shown": None}


def probe(dataset: Dataset, seed: int) -> Probe:
    """A batch of training images, drawn by `seed`, every channel with mean 0 and deviation 1 over the batch, and the labels.

    Fewer images the larger they are, as many as there would be of noise.
    """
    import numpy as np

    from nas.data.pictures import Pictures
    from nas.measures.network import batch_size

    count = min(batch_size(dataset.input), len(dataset.x_train))
    rows = np.sort(np.random.default_rng(seed).choice(len(dataset.x_train), count, replace=False))
    given = dataset.x_train
    shown = given.read(rows.tolist()) if isinstance(given, Pictures) else given[rows]
    images = shown.astype(np.float32).transpose(0, 3, 1, 2)
    mean, deviation = images.mean((0, 2, 3), keepdims=True), images.std((0, 2, 3), keepdims=True)
    deviation[deviation < 1e-6] = 1.0
    return Probe(seed, np.ascontiguousarray((images - mean) / deviation), dataset.y_train[rows])
