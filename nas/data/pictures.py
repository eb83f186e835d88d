"""Images that stay in their files until they are wanted, all brought to one size."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

GREY_MODES = frozenset(("1", "L", "LA", "I;16", "I;16B", "I;16L"))
COLOUR_MODES = frozenset(("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"))
THREADS = 8

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images (N, H, W, C) uint8, one a file: what an array says of itself, and `pictures[row]`, which reads one.

    names: paths below `root`, (N,) bytes in one block, so that a million of them are cheap to hold and to send.
    """

    root: str
    names: NDArray[np.bytes_]
    size: tuple[int, int]  # height, width
    channels: int  # 1 or 3; grey images are the same in all three

    dtype = np.dtype(np.uint8)
    ndim = 4

    @staticmethod
    def of(root: str, paths: Sequence[str], size: tuple[int, int], channels: int) -> Pictures:
        """Of `paths` below `root`."""
        return Pictures(root, np.array([os.fsencode(path) for path in paths], np.bytes_), size, channels)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)."""
        return (len(self.names), *self.size, self.channels)

    @property
    def nbytes(self) -> int:
        """What all of them would take in memory."""
        return len(self.names) * self.size[0] * self.size[1] * self.channels

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int) -> str:
        """The file of one image."""
        return os.path.join(self.root, os.fsdecode(bytes(self.names[row])))

    def __getitem__(self, row: int) -> NDArray[Any]:
        """One image (H, W, C). Raises `DataError` that names its file."""
        return pixels(self.path(row), self.size, self.channels)

    def read(self, rows: Sequence[int] | None = None) -> NDArray[Any]:
        """The images `rows`, or all, in memory: (B, H, W, C). Raises `DataError`."""
        rows = range(len(self)) if rows is None else rows
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)

        def fill(place: int) -> None:
            images[place] = self[rows[place]]

        each(fill, range(len(rows)))
        return images

    def with_channels(self, channels: int) -> Pictures:
        """Grey ones in so many channels, all the same."""
        return dataclasses.replace(self, channels=channels)


def each(action: Callable[[Given], Made], items: Sequence[Given]) -> list[Made]:
    """What `action` makes of each item, in some threads: Pillow decodes beside Python. Raises what the first raised."""
    with strict_images(), ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(action, items))


@contextmanager
def strict_images() -> Iterator[None]:
    """Pillow only warns of a picture of more than 89 megapixels; here that is an error, in all threads of the process."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def opened(path: str) -> Iterator[Image.Image]:
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
        line = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise DataError(f"{path} is damaged: {line}") from None


def look(path: str) -> tuple[tuple[int, int], bool]:
    """Height and width, and whether the image is grey, from its header alone."""
    with opened(path) as image:
        if image.mode not in GREY_MODES | COLOUR_MODES:
            raise DataError(f"{path} has pixels of mode {image.mode}; allowed: 8 bits a channel, or 16 bits grey")
        return (image.height, image.width), image.mode in GREY_MODES


def pixels(path: str, size: tuple[int, int], channels: int) -> NDArray[Any]:
    """One image as (H, W, C) uint8, resized with an antialiased bilinear filter; grey ones alike in all `channels`."""
    from PIL import Image

    with opened(path) as image:
        if image.mode not in GREY_MODES | COLOUR_MODES:
            raise DataError(f"{path} has pixels of mode {image.mode}; allowed: 8 bits a channel, or 16 bits grey")
        # A JPEG is decoded at a half, quarter or eighth where that is still twice the size wanted: several times faster.
        image.draft(None, (2 * size[1], 2 * size[0]))
        if image.mode.startswith("I;16"):  # Pillow would clip 16 bits at 255 where the upper byte is meant
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode in ("P", "PA"):
            image = image.convert("RGBA")  # palettes with transparency need the step between
        image = image.convert("RGB" if channels == 3 else "L")
        if (image.height, image.width) != size:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        made = np.asarray(image, np.uint8).reshape(*size, -1)
        return made if made.shape[-1] == channels else made.repeat(channels, axis=2)
