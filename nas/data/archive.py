"""Reading compressed files that may be damaged or hostile: bounded, and with one kind of error."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.data.base import LIMIT_BYTES
from nas.errors import DataError


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes the standard library raise into a `DataError` that names it."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} is damaged or no {what} ({_short(error)}); replace it") from None
    except (ValueError, NotImplementedError, RuntimeError) as error:  # a bad header; an unknown or encrypted member
        raise DataError(f"{path} is no readable {what}: {_short(error)}") from None
    except MemoryError:
        raise DataError(f"{path} does not fit into this machine's memory") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or _short(error)}") from None


def read_tar(path: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Contents of the regular files in a .tar.gz whose last name is in `wanted`; nothing is unpacked onto the disk.

    Raises `DataError` for a damaged archive, and for one that unpacks to more than the limit.
    """
    found: dict[str, bytes] = {}
    total = 0
    with reading(path, "tar.gz archive"), tarfile.open(path, mode="r:gz") as archive:
        for member in archive:
            total += member.size
            if total > LIMIT_BYTES:
                raise DataError(f"{path} unpacks to more than {LIMIT_BYTES / 1e9:g} GB, which no official archive does")
            name = member.name.rpartition("/")[2]
            stream = archive.extractfile(member) if member.isreg() and name in wanted else None
            if stream is not None:
                found[name] = stream.read()
            if len(found) == len(wanted):
                break
    return found


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
