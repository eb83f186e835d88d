"""The training part of a data set as tensors on one device, cut into what is trained on and what judges a candidate."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nas.data.pictures import Pictures
from nas.training.augment import Normalisation
from nas.training.stream import Stream, streams

if TYPE_CHECKING:
    from nas.data import Dataset
    from nas.data.base import Images, Labels

SAMPLE = 1024  # images of a stream that it is normalised by, evenly spaced among those trained on


@dataclass(frozen=True)
class TrainingData:
    """Images and labels on the device, and the rows of the two parts. Test images are not in here.

    Images that do not fit there are a `Stream`; all else is the same.
    """

    images: Tensor | Stream  # (N, H, W, C) uint8 or float32
    labels: Tensor  # (N,) int64
    train: Tensor  # rows to train on, (T,) int64
    validation: Tensor  # rows to judge by, (V,) int64
    normalisation: Normalisation  # over the images trained on
    classes: int
    flip: bool  # a mirrored image keeps its class
    size: tuple[int, int] | None = None  # rows and columns that images are brought to, last of all; None: as they are

    @staticmethod
    def of(dataset: Dataset, validation: float, seed: int, device: torch.device) -> TrainingData:
        """Cut a `validation` fraction from the training images of `dataset`, by `seed`, and move all to `device`.

        Raises `DataError` where the data set cannot be split so.
        """
        return TrainingData._of(dataset, *dataset.split(validation, seed), device)

    @staticmethod
    def whole(dataset: Dataset, device: torch.device) -> TrainingData:
        """All training images of `dataset` to train on, and none to judge by."""
        rows = np.arange(len(dataset.y_train))
        return TrainingData._of(dataset, rows, rows[:0], device)

    @staticmethod
    def _of(dataset: Dataset, trained: Labels, judging: Labels, device: torch.device) -> TrainingData:
        train, held_out, labels = (torch.from_numpy(each) for each in (trained, judging, dataset.y_train))
        images = _images(dataset.x_train, device)
        normalisation = _normalisation(images, train).to(device)
        labels, train, held_out = (each.to(device) for each in (labels, train, held_out))
        return TrainingData(images.to(device), labels, train, held_out, normalisation, dataset.classes, dataset.flip)

    def tested_on(self, dataset: Dataset) -> TrainingData | None:
        """The same with the test images of `dataset` in place of the others, all of them to judge by; None without any.

        They are normalised by what was trained on.
        """
        if dataset.x_test is None or dataset.y_test is None:
            return None
        device = self.images.device
        images = _images(dataset.x_test, device).to(device)
        labels = torch.from_numpy(dataset.y_test).to(device)
        rows = torch.arange(len(labels), device=device)
        return dataclasses.replace(self, images=images, labels=labels, train=rows[:0], validation=rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image as a network reads it."""
        _, height, width, channels = self.images.shape
        return (channels, height, width) if self.size is None else (channels, *self.size)

    def part(self, fraction: float, seed: int) -> TrainingData:
        """The same with a `fraction` of the rows to train on, every class alike, two rows or more of each.

        The same rows for every candidate, so that candidates differ by their architecture alone.
        """
        if fraction >= 1.0:
            return self
        rows = self.train.cpu()
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
        kept = [own[: max(2, round(fraction * len(own)))] for own in _by_class(rows, self.labels.cpu())]
        return dataclasses.replace(self, train=torch.cat(kept).to(self.train.device))


def _images(images: Images | Pictures, device: torch.device) -> Tensor | Stream:
    """The images in the host's memory, or a stream of them onto `device` where they do not fit there."""
    if isinstance(images, Pictures) or streams(images, device):
        return Stream(images, device)
    return torch.from_numpy(np.ascontiguousarray(images))


def _normalisation(images: Tensor | Stream, rows: Tensor) -> Normalisation:
    """By the images `rows`, or some of them where they are streamed."""
    if isinstance(images, Tensor):
        return Normalisation.of(images, rows)
    if len(rows) > SAMPLE:
        rows = rows[torch.linspace(0, len(rows) - 1, SAMPLE, dtype=torch.float64).long()]
    shown = images.host(rows)
    return Normalisation.of(shown, torch.arange(len(shown)))


def _by_class(rows: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """`rows` apart by their label, the order within a class kept."""
    own = labels[rows]
    counts = torch.bincount(own)
    return torch.split(rows[torch.argsort(own, stable=True)], counts.tolist())
