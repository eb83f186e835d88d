"""Files of tensors from anywhere, read without trust: no code in them is run, and nothing in them is unpacked."""

from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

# A pickle of names and sizes: a network of 10,000 tensors has some 3 MB. What is larger was made to fill the memory.
MAX_PICKLE_BYTES = 64 * 2**20


def read_tensors(source: str | Path | bytes | bytearray | memoryview, device: Any = "cpu", *, sums: bool = False) -> Any:
    """What `torch.save` wrote: tensors, on `device`, and plain values. `sums`: whether the archive's checksums must agree.

    torch stores tensors as they are, so an archive with a compressed member, or with members that state more bytes than
    the file has, is none of its, but a bomb: it is refused before anything is read. torch reads on over flipped bits.
    Raises `OSError` where the file cannot be read, `ValueError` for what is refused here, and whatever torch and pickle
    raise for bytes of another sort.
    """
    import torch

    if not isinstance(source, str | Path):
        return _read(io.BytesIO(source), len(source), device, sums, torch)
    with open(source, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, device, sums, torch)


def _read(file: Any, size: int, device: Any, sums: bool, torch: Any) -> Any:
    if file.read(4) == b"PK\x03\x04":
        file.seek(0)
        _check_archive(file, size, sums)
    elif sums:
        raise zipfile.BadZipFile("no archive of torch.save")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd versions of pickle: what it makes of them is checked
            return torch.load(file, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" not in str(error):
            raise
        raise pickle.UnpicklingError("it is damaged, or holds Python objects, which are never read") from None
    except OSError:
        raise
    except Exception as error:  # its unpickler runs into anything on bytes that were changed
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None


def _check_archive(file: Any, size: int, sums: bool) -> None:
    with zipfile.ZipFile(file) as archive:
        total = 0
        for member in archive.infolist():
            total += member.file_size
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its member {member.filename[:60]!r} is compressed, as torch.save writes none")
            if member.filename.endswith(".pkl") and member.file_size > MAX_PICKLE_BYTES:
                raise ValueError(f"its index has {member.file_size:,} bytes; allowed: {MAX_PICKLE_BYTES:,}")
        if total > size:
            raise ValueError(f"its members state {total:,} bytes, the file has {size:,}")
        if sums and archive.testzip() is not None:
            raise zipfile.BadZipFile("its sums do not agree")
