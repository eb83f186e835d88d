"""`npz:PATH`: a NumPy archive with x_train, y_train and, if wanted, x_test, y_test, classes or class_names, flip.

x: N x H x W (grey) or N x H x W x C, uint8 or float. y: integers 0..K-1 of any integer type, (N,) or (N, 1).
classes: K names, or the number K. flip: whether mirroring keeps the class; where absent, colour images are mirrored in
training and grey ones are not, since grey ones are mostly writing, sound and measurements.
Images beyond the memory limit are read from the file whenever they are wanted, where it holds them uncompressed.
"""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nas.data.archive import reading
from nas.data.base import Dataset, Images, Labels, limit_bytes
from nas.data.source import KINDS, Source, user_path
from nas.errors import DataError

KEYS = ("x_train", "y_train", "x_test", "y_test", "classes", "class_names", "flip")

Array = NDArray[Any]


@KINDS.register("npz")
def npz(where: str) -> Source:
    """Your own arrays: x_train, y_train[, x_test, y_test, classes] in a NumPy archive."""
    path = user_path(where)
    return Source(read=lambda: read_npz(path, name=f"npz:{where}"), present=os.path.isfile(path))


def read_npz(path: Path, *, name: str, flip: bool | None = None) -> Dataset:
    """The data set in the archive at `path`; `flip` overrides the archive's. Raises `DataError`; never unpickles."""
    arrays = _arrays(path)
    for key in ("x_train", "y_train"):
        if key not in arrays:
            raise DataError(f"{path} has no {key}; it has {', '.join(arrays) or 'none of ' + ', '.join(KEYS)}")
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise DataError(f"{path} has {'x_test without y_test' if 'x_test' in arrays else 'y_test without x_test'}")
    y_train = _labels(path, "y_train", arrays["y_train"])
    names = _class_names(path, arrays, y_train)
    x_train = _images(path, "x_train", arrays.pop("x_train"))
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_test=_images(path, "x_test", arrays.pop("x_test")) if "x_test" in arrays else None,
        y_test=_labels(path, "y_test", arrays["y_test"]) if "y_test" in arrays else None,
        classes=len(names),
        class_names=names,
        flip=_flip(path, arrays, x_train) if flip is None else flip,
    )


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of the archive that `KEYS` names."""
    if not os.path.isfile(path):
        raise DataError(f"there is no file {path}; allowed after npz: a NumPy archive with x_train and y_train")
    return read_arrays(path, KEYS)


def read_arrays(path: Path, keys: Iterable[str] | None = None) -> dict[str, Array]:
    """The arrays of an archive, or those of `keys` that it has; all sizes are checked before any is read.

    Raises `DataError` for anything else, and for more than the limit of memory.
    """
    with reading(path, "NumPy archive (.npz)"), zipfile.ZipFile(path) as archive:
        present = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        members = {key: archive.getinfo(present[key]) for key in (present if keys is None else keys) if key in present}
        mapped = _left_in_file(path, members)
        arrays = {}
        for key, member in members.items():
            with archive.open(member) as stream:
                _check_header(f"{path}: {key}", stream, member.file_size)
            with archive.open(member) as stream:
                if key in mapped:
                    arrays[key] = _mapped(path, key, member, stream)
                else:
                    arrays[key] = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    return arrays


def _left_in_file(path: Path, members: Mapping[str, zipfile.ZipInfo]) -> set[str]:
    """The images, where all together are too many for memory and they lie there as they are; `DataError` where they do not."""
    if sum(member.file_size for member in members.values()) <= limit_bytes():
        return set()
    images = {key for key in ("x_train", "x_test") if key in members and members[key].compress_type == zipfile.ZIP_STORED}
    total = sum(member.file_size for key, member in members.items() if key not in images)
    if total > limit_bytes():
        raise DataError(
            f"{path} unpacks to {total / 1e9:.1f} GB; allowed: {limit_bytes() / 1e9:g} GB in memory (NAS_DATA_MEMORY), or any size in "
            "an archive of np.savez, which does not compress, as uint8 or float32"
        )
    return images


def _mapped(path: Path, key: str, member: zipfile.ZipInfo, stream: IO[bytes]) -> Array:
    """The array of an uncompressed member as a window on the file. `stream` is at its beginning."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if fortran or dtype not in (np.uint8, np.float32):
        order = " in Fortran's order" if fortran else ""
        raise DataError(f"{path}: {key} is {dtype}{order}; allowed of images too many for memory: uint8, float32, in C's order")
    with open(path, "rb") as file:
        file.seek(member.header_offset + 26)  # in a zip file's local header: lengths of the name and of what follows it
        name, extra = struct.unpack("<HH", file.read(4))
    return np.memmap(path, dtype, "r", member.header_offset + 30 + name + extra + stream.tell(), shape)


def _check_header(where: str, stream: IO[bytes], file_size: int) -> None:
    """Refuse objects, and a header that states another size than the member has, before NumPy allocates for it."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{where} is a .npy of version {version}; allowed: 1.0, 2.0")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(stream)
    except (SyntaxError, TokenError, TypeError, RecursionError) as error:  # NumPy reads it as a Python expression
        raise DataError(f"{where} has a damaged header ({type(error).__name__})") from None
    if dtype.hasobject:
        raise DataError(f"{where} holds Python objects (pickle), which are never read; allowed: plain numbers or text")
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != file_size - stream.tell():
        raise DataError(f"{where} states shape {shape} of {dtype}, but holds {file_size - stream.tell():,} bytes")


def _images(path: Path, key: str, x: Array) -> Images:
    """Images (N, H, W, C), uint8 or float32."""
    if x.ndim not in (3, 4) or 0 in x.shape:
        raise DataError(f"{path}: {key} has shape {x.shape}; allowed: N x H x W or N x H x W x C, none of them 0")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[2] == x.shape[3] > 4:
        raise DataError(
            f"{path}: {key} has shape {x.shape}, channels first; allowed: N x H x W x C (transpose it by 0, 2, 3, 1)"
        )
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(f"{path}: {key} is {x.dtype}; allowed: uint8, or float of any precision")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
        plain = np.ascontiguousarray(x, dtype=np.uint8 if x.dtype == np.uint8 else np.float32)
    return plain if plain.ndim == 4 else plain[..., np.newaxis]


def _labels(path: Path, key: str, y: Array) -> Labels:
    """Labels (N,) int64; whether they are in range is the data set's own check."""
    if y.ndim != 1 and y.shape != (len(y) if y.ndim else 0, 1):
        raise DataError(f"{path}: {key} has shape {y.shape}; allowed: (N,) or (N, 1)")
    if y.dtype.kind not in "iu":
        raise DataError(f"{path}: {key} is {y.dtype}; allowed: integers")
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < 2**31:
        value = y.min() if int(y.min()) < 0 else y.max()
        raise DataError(f"{path}: {key} holds label {value}; allowed: 0..K-1 for K classes")
    return y.reshape(-1).astype(np.int64)


def _class_names(path: Path, arrays: Mapping[str, Array], y_train: Labels) -> tuple[str, ...]:
    """The names given; numbers where only their count is given, or nothing (then no label may be left out)."""
    key = next((key for key in ("class_names", "classes") if key in arrays and arrays[key].ndim == 1), "classes")
    given = arrays.get(key)
    if given is None:
        return _counted(path, y_train)
    if given.ndim == 1 and given.dtype.kind in "US":
        return tuple(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in given)
    if given.ndim == 0 and given.dtype.kind in "iu" and 2 <= int(given) <= 10**6:
        return tuple(str(label) for label in range(int(given)))
    raise DataError(
        f"{path}: {key} is {given.dtype} of shape {given.shape}; allowed: K names as text, or the number K, from 2"
    )


def _counted(path: Path, y_train: Labels) -> tuple[str, ...]:
    present = np.unique(y_train)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        raise DataError(
            f"{path}: y_train holds label {present[gaps[0]]} but none is {gaps[0]}; "
            "allowed: 0..K-1 with none left out, or state K or the names in `classes`"
        )
    return tuple(str(label) for label in present)


def _flip(path: Path, arrays: Mapping[str, Array], x_train: Images) -> bool:
    given = arrays.get("flip")
    if given is None:
        return bool(x_train.shape[-1] >= 3)
    if given.ndim or given.dtype.kind != "b":
        raise DataError(f"{path}: flip is {given.dtype} of shape {given.shape}; allowed: one boolean")
    return bool(given.item())
