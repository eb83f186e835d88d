"""`folder:PATH`: images in one folder a class, as `PATH/cat/*.jpg` or `PATH/train/cat/*.jpg` and `PATH/test/cat/*.jpg`.

All are resized to one size: the median height and width of the training images, or `folder:PATH?size=64` and
`?size=48x64` (height x width); the aspect ratio is not kept. They are RGB, or grey when all of them are. Only `test/`
is ever used as test data: a `val/` beside `train/` is left alone, because the search cuts its own validation part.
"""

from __future__ import annotations

import os
import re
import statistics
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.data.base import LIMIT_BYTES, Dataset, Images, Labels
from nas.data.source import KINDS, Source, user_path
from nas.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
GREY_MODES = frozenset(("1", "L", "LA", "I;16", "I;16B", "I;16L"))
COLOUR_MODES = frozenset(("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"))
LARGEST_SIZE = 4096

Item = tuple[Path, int]  # an image and its label
Size = tuple[int, int]  # height, width


@KINDS.register("folder")
def folder(where: str) -> Source:
    """Your own images: one folder a class, or train/ and test/ with one folder a class each."""
    root, _ = _cut(where)
    return Source(read=lambda: read_folder(where), present=os.path.isdir(root))


def read_folder(where: str) -> Dataset:
    """The data set under `PATH` or `PATH?size=...`. Raises `DataError` that names the folder or the image at fault."""
    root, size = parse(where)
    train_root, test_root = _parts(root)
    names = _class_folders(train_root)
    if len(names) < 2:
        raise DataError(f"{train_root} has {len(names)} class folder(s); allowed: 2 or more, with images in each")
    train = _items(train_root, names)
    test = _items(test_root, names) if test_root else []
    with _strict_images(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        sizes, grey = zip(*pool.map(_look, [path for path, _ in train + test]), strict=True)
        size = size or _median(sizes[: len(train)])
        channels = 1 if all(grey) else 3
        _check_memory(root, len(train) + len(test), size, channels)
        x_train, y_train = _decode(pool, train, size, channels)
        x_test, y_test = _decode(pool, test, size, channels) if test else (None, None)
    return Dataset(f"folder:{where}", x_train, y_train, x_test, y_test, len(names), names, flip=channels == 3)


def parse(where: str) -> tuple[Path, Size | None]:
    """`PATH`, `PATH?size=64` or `PATH?size=48x64` (height x width) as a folder that exists, and a size or None."""
    root, option = _cut(where)
    if not os.path.isdir(root):
        raise DataError(f"there is no folder {root}; allowed after folder: a folder with one folder of images a class")
    if option is None:
        return root, None
    found = re.fullmatch(r"size=(\d{1,5})(?:x(\d{1,5}))?", option, flags=re.ASCII)
    size = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not all(1 <= side <= LARGEST_SIZE for side in size):
        raise DataError(f"folder option {option!r}; allowed: size=N or size=HxW, from 1 to {LARGEST_SIZE}")
    return root, size


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
        found = sorted(
            path
            for path in (root / name).rglob("*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        if not found and (root / name).is_dir():
            raise DataError(f"{root / name} holds no image; allowed: {' '.join(sorted(SUFFIXES))}")
        items += [(path, label) for path in found]
    return items


@contextmanager
def _strict_images() -> Iterator[None]:
    """Pillow only warns of a picture of more than 89 megapixels; here that is an error, in all threads of the pool."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image at `path`. Pillow's decoders raise nearly anything on damaged data, hence the wide net."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            yield image
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path} has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels, too many for an image") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is no image that can be read") from None
    except Exception as error:
        raise DataError(
            f"{path} is damaged: {(str(error).splitlines() or [''])[0][:200] or type(error).__name__}"
        ) from None


def _look(path: Path) -> tuple[Size, bool]:
    """Height and width, and whether the image is grey, from its header alone."""
    with _opened(path) as image:
        if image.mode not in GREY_MODES | COLOUR_MODES:
            raise DataError(f"{path} has pixels of mode {image.mode}; allowed: 8 bits a channel, or 16 bits grey")
        return (image.height, image.width), image.mode in GREY_MODES


def _median(sizes: tuple[Size, ...]) -> Size:
    height, width = (statistics.median_low(side) for side in zip(*sizes, strict=True))
    return min(height, LARGEST_SIZE), min(width, LARGEST_SIZE)


def _check_memory(root: Path, count: int, size: Size, channels: int) -> None:
    total = count * size[0] * size[1] * channels
    if total > LIMIT_BYTES:
        raise DataError(
            f"{root}: {count:,} images of {size[0]} x {size[1]} take {total / 1e9:.1f} GB; "
            f"allowed: {LIMIT_BYTES / 1e9:g} GB, as they are kept in memory; choose a size: folder:PATH?size=64"
        )


def _decode(pool: ThreadPoolExecutor, items: list[Item], size: Size, channels: int) -> tuple[Images, Labels]:
    """Images (N, H, W, C) uint8 and labels (N,)."""
    images = np.empty((len(items), *size, channels), np.uint8)

    def fill(index: int) -> None:
        images[index] = _pixels(items[index][0], size, channels)

    for _ in pool.map(fill, range(len(items))):
        pass  # waits for each, and raises what it raised
    return images, np.array([label for _, label in items], np.int64)


def _pixels(path: Path, size: Size, channels: int) -> NDArray[Any]:
    """One image as (H, W, C) uint8, resized with an antialiased bilinear filter."""
    from PIL import Image

    with _opened(path) as image:
        if image.mode.startswith("I;16"):  # Pillow would clip 16 bits at 255 where the upper byte is meant
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("P", "PA"):
            image = image.convert("RGBA")  # palettes with transparency need the step between
        image = image.convert("L" if channels == 1 else "RGB")
        if (image.height, image.width) != size:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image, np.uint8).reshape(*size, channels)
