"""The data set: images and labels, checked once, wherever they came from."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.pictures import Pictures
from nas.errors import DataError
from nas.units import parse_bytes

Images = NDArray[Any]  # (N, H, W, C), uint8 or float32
Labels = NDArray[np.int64]  # (N,)

LIMIT_BYTES = 8 * 10**9  # what a data set may take in memory; checked before anything is allocated
LIMIT_NAME = "NAS_DATA_MEMORY"  # environment variable that states another limit


def limit_bytes() -> float:
    """What a data set may take in memory: 8 GB, or what the environment's `NAS_DATA_MEMORY` says (`500MB`, `64GB`).

    Raises `NasError` on a bad value.
    """
    stated = os.environ.get(LIMIT_NAME)
    return float(LIMIT_BYTES) if not stated else parse_bytes(stated, where=LIMIT_NAME)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled set of images; the constructor checks everything below and raises `DataError`.

    x_train: (N, H, W, C), uint8 in 0..255, or float32 as it was given (training normalises it by channel); `Pictures` are
    read from their files when they are wanted.
    y_train: (N,) int64 in 0..classes-1. x_test, y_test: the same form, or both None.
    flip: whether a mirrored image still shows the same class (not so for digits).
    """

    name: str
    x_train: Images | Pictures = field(repr=False)
    y_train: Labels = field(repr=False)
    x_test: Images | Pictures | None = field(repr=False)
    y_test: Labels | None = field(repr=False)
    classes: int
    class_names: tuple[str, ...] = field(repr=False)
    flip: bool

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise DataError(f"{self.name}: {self.classes} class(es); a classifier needs 2 or more")
        if len(self.class_names) != self.classes:
            raise DataError(f"{self.name}: {len(self.class_names)} class names for {self.classes} classes")
        self._check("train", self.x_train, self.y_train)
        if (self.x_test is None) != (self.y_test is None):
            raise DataError(f"{self.name}: x_test and y_test come together, or neither")
        if self.x_test is not None and self.y_test is not None:
            self._check("test", self.x_test, self.y_test)
            if self.x_test.shape[1:] != self.x_train.shape[1:]:
                raise DataError(
                    f"{self.name}: test images are {_form(self.x_test)}, training images {_form(self.x_train)}"
                )
            if self.x_test.dtype != self.x_train.dtype:
                raise DataError(
                    f"{self.name}: x_test is {self.x_test.dtype}, x_train {self.x_train.dtype}; allowed: equal"
                )

    def _check(self, part: str, x: Images | Pictures, y: Labels) -> None:
        where = f"{self.name}: x_{part}"
        if x.ndim != 4 or 0 in x.shape:
            raise DataError(f"{where} has shape {x.shape}; allowed: N x H x W x C, none of them 0")
        if x.dtype not in (np.uint8, np.float32):
            raise DataError(f"{where} is {x.dtype}; allowed: uint8, float32")
        if y.shape != x.shape[:1] or y.dtype != np.int64:
            raise DataError(
                f"{self.name}: y_{part} is {y.dtype} of shape {y.shape}; allowed: int64 of shape ({len(x)},)"
            )
        if not isinstance(x, Pictures) and x.dtype == np.float32 and (bad := _first_not_finite(x)) is not None:
            raise DataError(f"{where}[{bad}] holds NaN or infinity")
        outside = np.flatnonzero((y < 0) | (y >= self.classes))
        if len(outside):
            at = int(outside[0])
            raise DataError(f"{self.name}: y_{part}[{at}] is {y[at]}; allowed: 0..{self.classes - 1}")

    @property
    def input(self) -> tuple[int, int, int]:
        """Shape of one image as a network reads it: (channels, height, width)."""
        _, height, width, channels = self.x_train.shape
        return channels, height, width

    def split(self, validation: float, seed: int) -> tuple[Labels, Labels]:
        """Cut the *training* images in two: indices (train, validation), each sorted, int64, together 0..N-1.

        `validation` is the fraction in (0, 1) that goes to the second; every class gives in proportion, and keeps at
        least one image for training. The same arguments give the same split everywhere.
        Raises `DataError` when a side would be empty.
        """
        if not 0 < validation < 1:
            raise DataError(f"{self.name}: validation fraction {validation!r}; allowed: between 0 and 1, both excluded")
        rng = np.random.default_rng(seed)
        members = [rng.permutation(np.flatnonzero(self.y_train == label)) for label in range(self.classes)]
        quotas = _quotas([len(indices) for indices in members], validation)
        chosen = np.sort(np.concatenate([indices[:quota] for indices, quota in zip(members, quotas, strict=True)]))
        rest = np.setdiff1d(np.arange(len(self.y_train)), chosen, assume_unique=True)
        if not len(chosen):
            raise DataError(
                f"{self.name}: a fraction {validation:g} of {len(rest)} training images leaves none to validate on"
            )
        return rest.astype(np.int64), chosen.astype(np.int64)


def _quotas(counts: list[int], fraction: float) -> list[int]:
    """How many of each class go to validation: largest remainders, so that the total is right; never a whole class."""
    exact = [count * fraction for count in counts]
    quotas = [int(value) for value in exact]
    missing = round(sum(exact)) - sum(quotas)
    by_remainder = sorted(range(len(counts)), key=lambda label: (quotas[label] - exact[label], label))
    for label in by_remainder[: max(missing, 0)]:
        quotas[label] += 1
    return [min(quota, max(count - 1, 0)) for quota, count in zip(quotas, counts, strict=True)]


def _first_not_finite(x: Images) -> int | None:
    """Index of the first image with NaN or infinity; image by image, so that no mask as large as `x` is made."""
    return next((index for index, image in enumerate(x) if not np.isfinite(image).all()), None)


def _form(x: Images | Pictures) -> str:
    return " x ".join(str(size) for size in x.shape[1:])
