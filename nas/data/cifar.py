"""CIFAR-10 and CIFAR-100 from the official *binary* archives (https://www.cs.toronto.edu/~kriz/cifar.html).

A record is one label byte (CIFAR-100: coarse, then fine), then 3,072 pixel bytes: red, green, blue planes of 32 x 32.
The Python version of the archives is pickle, which runs code when it is read; it is never opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.data.archive import read_tar, reading
from nas.data.base import Dataset, Images, Labels
from nas.data.source import NAMED, Form, Remote, Source
from nas.errors import DataError

PIXELS = 3 * 32 * 32
HOST = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Layout:
    """What an official archive is called and holds; MD5 from the page above."""

    name: str
    archive: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    classes: int
    pickled: tuple[str, ...]


CIFAR10 = Layout(
    name="cifar10",
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    names="batches.meta.txt",
    label_bytes=1,
    classes=10,
    pickled=("cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1"),
)
CIFAR100 = Layout(
    name="cifar100",
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    names="fine_label_names.txt",
    label_bytes=2,
    classes=100,
    pickled=("cifar-100-python.tar.gz", "cifar-100-python", "meta"),
)


@NAMED.register("cifar10")
def cifar10(data_dir: Path) -> Source:
    """CIFAR-10 (Krizhevsky 2009): 3 x 32 x 32, 10 classes, 50,000 + 10,000 images; 170 MB to download."""
    return _source(CIFAR10, data_dir)


@NAMED.register("cifar100")
def cifar100(data_dir: Path) -> Source:
    """CIFAR-100 (Krizhevsky 2009): 3 x 32 x 32, 100 fine classes, 50,000 + 10,000 images; 169 MB to download."""
    return _source(CIFAR100, data_dir)


def _source(layout: Layout, data_dir: Path) -> Source:
    """Look for the unpacked folder, then for the archive, in `data_dir` and in its folder of the data set's name."""
    roots = (data_dir, data_dir / layout.name)
    folders = [place for root in roots for place in (root / layout.folder, root)]
    folder = next((place for place in folders if os.path.isfile(place / layout.train[0])), None)
    archive = next((root / layout.archive for root in roots if os.path.isfile(root / layout.archive)), None)
    form = Form((3, 32, 32), layout.classes)
    if folder:
        return Source(read=lambda: _decode(layout, folder, _read_folder(layout, folder)), form=form)
    if archive:
        return Source(read=lambda: _decode(layout, archive, read_tar(archive, _wanted(layout))), form=form)
    remote = Remote(data_dir / layout.archive, (f"{HOST}/{layout.archive}",), layout.md5)
    pickled = [root / name for root in roots for name in layout.pickled if os.path.exists(root / name)]
    remark = f"{pickled[0].name} is the python version (pickle); the binary version is wanted" if pickled else ""
    return Source(read=lambda: _decode(layout, data_dir, {}), missing=(remote,), remark=remark, form=form)


def _wanted(layout: Layout) -> tuple[str, ...]:
    return (*layout.train, layout.test, layout.names)


def _read_folder(layout: Layout, folder: Path) -> dict[str, bytes]:
    found = {}
    for name in _wanted(layout):
        if os.path.isfile(folder / name):
            with reading(folder / name, "CIFAR file"):
                found[name] = (folder / name).read_bytes()
    return found


def _decode(layout: Layout, place: Path, files: Mapping[str, bytes]) -> Dataset:
    """The data set from the contents of its files. Raises `DataError` that names `place` and the file."""
    for name in (*layout.train, layout.test):
        if name not in files:
            raise DataError(f"{place} lacks {name}, which the binary version of {layout.name} holds")
    train = [_records(layout, place, name, files[name]) for name in layout.train]
    x_test, y_test = _records(layout, place, layout.test, files[layout.test])
    return Dataset(
        name=layout.name,
        x_train=np.concatenate([images for images, _ in train]),
        y_train=np.concatenate([labels for _, labels in train]),
        x_test=x_test,
        y_test=y_test,
        classes=layout.classes,
        class_names=_class_names(layout, files.get(layout.names, b"")),
        flip=True,
    )


def _records(layout: Layout, place: Path, name: str, content: bytes) -> tuple[Images, Labels]:
    """Images (N, 32, 32, 3) uint8 and labels (N,) of one file."""
    size = layout.label_bytes + PIXELS
    if not content or len(content) % size:
        raise DataError(f"{place}: {name} has {len(content):,} bytes; allowed: a multiple of {size:,} (is it cut off?)")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    labels = records[:, layout.label_bytes - 1].astype(np.int64)
    if labels.max() >= layout.classes:
        raise DataError(f"{place}: {name} holds label {labels.max()}; allowed: 0..{layout.classes - 1}")
    planes = records[:, layout.label_bytes :].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _class_names(layout: Layout, content: bytes) -> tuple[str, ...]:
    """One name a line; numbers where the file of names is missing, as it is in many unpacked copies."""
    names = tuple(content.decode("utf-8", errors="replace").split())
    return names if len(names) == layout.classes else tuple(str(label) for label in range(layout.classes))
