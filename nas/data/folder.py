"""`folder:PATH`: images in one folder a class, as `PATH/cat/*.jpg` or `PATH/train/cat/*.jpg` and `PATH/test/cat/*.jpg`.

All are resized to one size: the median height and width of the training images, or `folder:PATH?size=64` and
`?size=48x64` (height x width); the aspect ratio is not kept. They are RGB, or grey when all of them are. Only `test/`
is ever used as test data: a `val/` beside `train/` is left alone, because the search cuts its own validation part.

What fits is read into memory. What does not, or with `?stream=1` (`?size=64&stream=1`), stays in its files: each image
is read whenever it is wanted.
"""

from __future__ import annotations

import math
import os
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas.data.base import Dataset, Images, Labels, limit_bytes
from nas.data.pictures import Pictures, each, look
from nas.data.source import KINDS, Source, user_path
from nas.errors import DataError

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
LARGEST_SIZE = 4096
LOOKED_AT = 20_000  # images whose headers are read for their size and colour; of more, so many evenly spaced ones

Item = tuple[str, int]  # the path of an image below its root, and its label
Size = tuple[int, int]  # height, width


@KINDS.register("folder")
def folder(where: str) -> Source:
    """Your own images: one folder a class, or train/ and test/ with one folder a class each."""
    root, _ = _cut(where)
    return Source(read=lambda: read_folder(where), present=os.path.isdir(root))


def read_folder(where: str) -> Dataset:
    """The data set under `PATH` or `PATH?OPTIONS`. Raises `DataError` that names the folder or the image at fault."""
    root, size, streamed = parse(where)
    train_root, test_root = _parts(root)
    names = _class_folders(train_root)
    if len(names) < 2:
        raise DataError(f"{train_root} has {len(names)} class folder(s); allowed: 2 or more, with images in each")
    train = _items(train_root, names)
    test = _items(test_root, names) if test_root else []
    size, channels = _form([_paths(train_root, train), _paths(test_root or root, test)], size)
    x_train, x_test = _pictures(train_root, train, size, channels), _pictures(test_root or root, test, size, channels)
    streamed = streamed or x_train.nbytes + x_test.nbytes > limit_bytes()
    return Dataset(
        name=f"folder:{where}",
        x_train=_held(x_train, streamed),
        y_train=_labels(train),
        x_test=_held(x_test, streamed) if test else None,
        y_test=_labels(test) if test else None,
        classes=len(names),
        class_names=names,
        flip=channels == 3,
    )


def parse(where: str) -> tuple[Path, Size | None, bool]:
    """`PATH?size=64`, `PATH?size=48x64` (height x width), `PATH?stream=1`, both with `&`, or `PATH`.

    A folder that exists, a size or None, and whether the images are to stay in their files.
    """
    root, options = _cut(where)
    if not os.path.isdir(root):
        raise DataError(f"there is no folder {root}; allowed after folder: a folder with one folder of images a class")
    given = [] if options is None else options.split("&")
    sizes = [_size(option) for option in given if option != "stream=1"]
    if len(sizes) > 1 or len(given) > len(sizes) + 1 or None in sizes:
        raise DataError(
            f"folder option {options!r}; allowed: size=N or size=HxW, from 1 to {LARGEST_SIZE}, and stream=1, with & between"
        )
    return root, sizes[0] if sizes else None, len(given) > len(sizes)


def _size(option: str) -> Size | None:
    """`size=N` or `size=HxW`; None where it is something else."""
    found = re.fullmatch(r"size=(\d{1,5})(?:x(\d{1,5}))?", option, flags=re.ASCII)
    size = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    return size if all(1 <= side <= LARGEST_SIZE for side in size) else None


def _cut(where: str) -> tuple[Path, str | None]:
    """The path and what follows its last question mark; a folder's name may hold a question mark of its own."""
    path, question, option = where.rpartition("?")
    whole = user_path(where)
    return (whole, None) if not question or os.path.isdir(whole) else (user_path(path), option)


def _parts(root: Path) -> tuple[Path, Path | None]:
    """Folders of training and test classes. A class called "train" holds images, not folders, and so isn't a part."""
    train, test = root / "train", root / "test"
    if not (os.path.isdir(train) and _class_folders(train)):
        return root, None
    return train, test if os.path.isdir(test) and _class_folders(test) else None


def _class_folders(root: Path) -> tuple[str, ...]:
    try:
        return tuple(
            sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        )
    except OSError as error:
        raise DataError(f"{root} cannot be read: {error.strerror}") from None


def _items(root: Path, names: tuple[str, ...]) -> list[Item]:
    """All images under the class folders of `root`, in the order of their paths."""
    unknown = sorted(set(_class_folders(root)) - set(names))
    if unknown:
        raise DataError(f"{root / unknown[0]} is no class of the training images; allowed: {', '.join(names[:20])}")
    items = []
    for label, name in enumerate(names):
        found = sorted(_images(str(root), name), key=lambda path: path.split(os.sep))
        if not found and (root / name).is_dir():
            raise DataError(f"{root / name} holds no image; allowed: {' '.join(sorted(SUFFIXES))}")
        items += [(path, label) for path in found]
    return items


def _images(root: str, name: str) -> Iterator[str]:
    """Paths below `root` of all that is called an image under its folder `name`; a folder so called is found out later."""
    for folder, folders, files in os.walk(os.path.join(root, name)):
        for file in (*files, *folders):
            if os.path.splitext(file)[1].lower() in SUFFIXES and not file.startswith("."):
                yield os.path.relpath(folder, root) + os.sep + file


def _paths(root: Path, items: list[Item]) -> list[str]:
    return [os.path.join(root, path) for path, _ in items[:: math.ceil(len(items) / LOOKED_AT) or 1]]


def _form(parts: list[list[str]], size: Size | None) -> tuple[Size, int]:
    """The size that all images are brought to, `size` or the median of the first part, and the number of channels."""
    sizes, grey = zip(*each(look, [path for part in parts for path in part]), strict=True)
    return size or _median(sizes[: len(parts[0])]), 1 if all(grey) else 3


def _median(sizes: tuple[Size, ...]) -> Size:
    height, width = (statistics.median_low(side) for side in zip(*sizes, strict=True))
    return min(height, LARGEST_SIZE), min(width, LARGEST_SIZE)


def _pictures(root: Path, items: list[Item], size: Size, channels: int) -> Pictures:
    return Pictures.of(str(root), [path for path, _ in items], size, channels)


def _held(pictures: Pictures, streamed: bool) -> Images | Pictures:
    """In their files, or in memory."""
    return pictures if streamed else pictures.read()


def _labels(items: list[Item]) -> Labels:
    return np.array([label for _, label in items], np.int64)
