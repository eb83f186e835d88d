"""Where evaluations leave weights for later ones: files in the run's folder or its results, each there whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from nas.errors import NasError
from nas.places import Folder, Place, reason_of
from nas.units import format_bytes

FOLDER = "weights"  # of a run's folder
RESERVE = 50e6  # bytes of a disk
UNKEPT = "weights cannot be kept"  # in the error, of a disk
UNREACHED = "weights cannot be put there"  # in the error, of a place that does not answer
ELSEWHERE = "its weights are kept no more, or only on another machine"


class StoreError(NasError):
    """What was to be kept cannot be written, as on a full disk, or what is kept cannot be fetched."""


@dataclass(frozen=True)
class Store:
    """Plain bytes by name (`trial-7`, `bank`) in a place, which all workers should reach.

    shared: whether other searches of the same study may write there at the same time.
    """

    place: Place
    shared: bool = False

    @staticmethod
    def at(folder: Path) -> Store:
        """In a folder of this machine. Made when first written."""
        return Store(Folder(folder))

    def where(self, name: str) -> str:
        """What a person calls the file of that name."""
        return self.place.where(_file(name))

    def read(self, name: str) -> bytes | None:
        """What was written under `name`; None where nothing is, or no more. Raises `StoreError` where the place does not answer."""
        try:
            return self.place.read(_file(name))
        except Exception as error:  # fsspec's file systems raise what the libraries below them raise
            raise StoreError(f"{self.where(name)}: weights cannot be fetched ({reason_of(error)})") from None

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Keep `data` under `name`, in place of what was there. Raises `StoreError`; then what was there still is.

        The last `RESERVE` bytes of a disk are not for weights, which can be trained again, but for the record.
        """
        try:
            if isinstance(self.place, Folder):
                _check_room(self.place.path, len(data))
            self.place.write(_file(name), data)
        except OSError as error:
            what = UNKEPT if isinstance(self.place, Folder) else UNREACHED
            raise StoreError(f"{self.where(name)}: {what} ({reason_of(error)})") from None
        except Exception as error:  # as above
            raise StoreError(f"{self.where(name)}: {UNREACHED} ({reason_of(error)})") from None

    def version(self, name: str) -> str | None:
        """What tells one writing from another, without reading it; None where nothing is. Raises `StoreError` as `read` does."""
        try:
            return self.place.version(_file(name))
        except Exception as error:  # as above
            raise StoreError(f"{self.where(name)}: weights cannot be fetched ({reason_of(error)})") from None


def of_trial(number: int) -> str:
    """The name under which a trial keeps what it was trained to."""
    return f"trial-{number}"


def _file(name: str) -> str:
    return f"{name}.pt"


def _check_room(folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free - size < RESERVE:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, but {format_bytes(RESERVE)} for the record")
