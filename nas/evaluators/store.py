"""Where evaluations leave weights for later ones: files in the run's folder, each there whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from nas.errors import NasError
from nas.files import write_durably
from nas.units import format_bytes

FOLDER = "weights"  # of a run's folder
RESERVE = 50e6  # bytes of a disk
UNKEPT = "weights cannot be kept"  # in the error


class StoreError(NasError):
    """What was to be kept cannot be written, as on a full disk."""


@dataclass(frozen=True)
class Store:
    """Plain bytes by name (`trial-7`, `bank`) in `folder`, which all workers can reach. Made when first written."""

    folder: Path

    def path(self, name: str) -> Path:
        """The file of that name."""
        return self.folder / f"{name}.pt"

    def read(self, name: str) -> bytes | None:
        """What was written under `name`; None where nothing is, or no more."""
        try:
            return self.path(name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Keep `data` under `name`, in place of what was there. Raises `StoreError`; then what was there still is.

        The last `RESERVE` bytes of a disk are not for weights, which can be trained again, but for the record.
        """
        path = self.path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free - len(data) < RESERVE:
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, but {format_bytes(RESERVE)} for the record")
            write_durably(path, data, path.with_name(f".{path.name}.{os.getpid()}.part"))
        except OSError as error:
            raise StoreError(f"{path}: {UNKEPT} ({error.strerror or error})") from None


def of_trial(number: int) -> str:
    """The name under which a trial keeps what it was trained to."""
    return f"trial-{number}"
