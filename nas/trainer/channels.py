"""Grey images for networks that read colour. Imports no torch."""

from __future__ import annotations

import dataclasses

from nas.data import Dataset
from nas.data.base import Images
from nas.data.pictures import Pictures
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
    test = None if dataset.x_test is None else _alike(dataset.x_test, channels)
    return dataclasses.replace(dataset, x_train=_alike(dataset.x_train, channels), x_test=test)


def _alike(images: Images | Pictures, channels: int) -> Images | Pictures:
    """(N, H, W, 1) as (N, H, W, channels)."""
    return images.with_channels(channels) if isinstance(images, Pictures) else images.repeat(channels, axis=3)
