"""Grey images for networks that read colour. Imports no torch."""

from __future__ import annotations

import dataclasses

from nas.data import Dataset
from nas.errors import NasError


def with_channels(dataset: Dataset, channels: int) -> Dataset:
    """The data set as a network of so many input channels reads it: grey images as colour ones, all channels alike.

    Raises `NasError` for anything else.
    """
    own = dataset.input[0]
    if own == channels:
        return dataset
    if own != 1:
        raise NasError(f"input has {channels} channels, images of {dataset.name} {own}; allowed: {own}, or any number for grey images")
    test = None if dataset.x_test is None else dataset.x_test.repeat(channels, axis=3)
    return dataclasses.replace(dataset, x_train=dataset.x_train.repeat(channels, axis=3), x_test=test)
