"""Digits: 1,797 handwritten digits of 8x8 pixels, embedded, so that the first search needs no download.

The test part of the "Optical Recognition of Handwritten Digits" set (Alpaydin and Kaynak, 1998; UCI Machine Learning
Repository, CC BY 4.0), the one that scikit-learn ships. `digits.npz` holds it already cut, so that no
generator decides which images are the test images: 1,438 for training, 359 for testing, classes in proportion; with the
row that each image has there (`index_train`, `index_test`). Grey levels 0..16 are stored as 0..255.
"""

from __future__ import annotations

from pathlib import Path

from nas.data.base import Dataset
from nas.data.npz import read_npz
from nas.data.source import NAMED, Form, Source


@NAMED.register("digits")
def digits(data_dir: Path) -> Source:
    """Handwritten digits: 1 x 8 x 8, 10 classes, 1,438 + 359 images; embedded."""
    return Source(read=_read, form=Form((1, 8, 8), 10))


def _read() -> Dataset:
    return read_npz(Path(__file__).with_name("digits.npz"), name="digits", flip=False)
