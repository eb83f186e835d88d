"""MNIST and Fashion-MNIST from the official IDX files, as .gz or unpacked.

IDX: big-endian; two zero bytes, the element type (8: unsigned byte), the number of dimensions, each dimension as 32
bits, then the elements (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
import os
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.archive import reading
from nas.data.base import LIMIT_BYTES, Dataset
from nas.data.source import NAMED, Form, Remote, Source
from nas.errors import DataError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class Layout:
    """Where the four files of a set lie, their MD5s (of the .gz, in the order of `FILES`) and how to tell the set.

    opening: the first ten training labels. The two sets have the same file names, so only the content tells them apart.
    """

    name: str
    urls: tuple[str, ...]
    md5: tuple[str, ...]
    folders: tuple[str, ...]
    class_names: tuple[str, ...]
    flip: bool
    opening: tuple[int, ...]


FORM = Form((1, 28, 28), 10)
MNIST = Layout(
    name="mnist",
    urls=("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"),
    md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    folders=("mnist", "MNIST/raw", ""),
    class_names=tuple("0123456789"),
    flip=False,
    opening=(5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
)
FASHION = Layout(
    name="fashion-mnist",
    urls=("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",),
    md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    folders=("fashion-mnist", "FashionMNIST/raw", ""),
    class_names=(
        "t-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    flip=True,
    opening=(9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
)


@NAMED.register("mnist")
def mnist(data_dir: Path) -> Source:
    """MNIST (LeCun, Cortes and Burges): 1 x 28 x 28, 10 classes, 60,000 + 10,000 images; 11 MB to download."""
    return _source(MNIST, data_dir)


@NAMED.register("fashion-mnist")
def fashion_mnist(data_dir: Path) -> Source:
    """Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 1 x 28 x 28, 10 classes, 60,000 + 10,000 images; 31 MB."""
    return _source(FASHION, data_dir)


def _source(layout: Layout, data_dir: Path) -> Source:
    """The first folder that holds all four files; otherwise, what the set's own folder lacks."""
    for folder in layout.folders:
        paths = [path for name in FILES if (path := _find(data_dir / folder, name))]
        if len(paths) == len(FILES):
            return Source(read=partial(_read, layout, paths), form=FORM)
    home = data_dir / layout.folders[0]
    missing = tuple(
        Remote(home / f"{name}.gz", tuple(f"{url}/{name}.gz" for url in layout.urls), md5)
        for name, md5 in zip(FILES, layout.md5, strict=True)
        if _find(home, name) is None
    )
    return Source(read=partial(_read, layout, []), missing=missing, form=FORM)


def _find(folder: Path, name: str) -> Path | None:
    """The file under one of its names; some unpackers write `train-images.idx3-ubyte`."""
    forms = (folder / form for form in (name, f"{name}.gz", name.replace("-idx", ".idx")))
    return next((path for path in forms if os.path.isfile(path)), None)


def _read(layout: Layout, paths: list[Path]) -> Dataset:
    x_train, y_train, x_test, y_test = (read_idx(path) for path in paths)
    for path, images, labels in ((paths[0], x_train, y_train), (paths[2], x_test, y_test)):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise DataError(
                f"{path}: images of shape {images.shape} for labels of shape {labels.shape}; allowed: N x H x W for N"
            )
    for other in (MNIST, FASHION):
        if other is not layout and tuple(y_train[:10]) == other.opening:
            raise DataError(f"{paths[1]} belongs to {other.name}, not to {layout.name}; both have the same file names")
    return Dataset(
        name=layout.name,
        x_train=x_train[..., np.newaxis],
        y_train=y_train.astype(np.int64),
        x_test=x_test[..., np.newaxis],
        y_test=y_test.astype(np.int64),
        classes=10,
        class_names=layout.class_names,
        flip=layout.flip,
    )


def read_idx(path: Path) -> NDArray[Any]:
    """The array of unsigned bytes in an IDX file, gzipped or not. Raises `DataError` for any other content."""
    with reading(path, "IDX file"), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        start = stream.read(4)
        if len(start) < 4 or start[:3] != b"\x00\x00\x08" or not 1 <= start[3] <= 4:
            raise DataError(f"{path} is no IDX file of bytes: it starts with {start.hex(' ') or 'nothing'}")
        shape = struct.unpack(f">{start[3]}I", stream.read(4 * start[3]).ljust(4 * start[3], b"\0"))
        size = math.prod(shape)
        if size > LIMIT_BYTES:
            raise DataError(f"{path} states {' x '.join(map(str, shape))} bytes; allowed: {LIMIT_BYTES / 1e9:g} GB")
        content = stream.read(size + 1)  # one more than stated, to notice what should not be there
    if len(content) != size:
        held = "more" if len(content) > size else f"{len(content):,}"
        raise DataError(f"{path} holds {held} bytes of {size:,} stated; allowed: exactly as many (is it cut off?)")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()
