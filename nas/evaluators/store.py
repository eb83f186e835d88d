"""Where evaluations leave weights for later ones: files in the run's folder, each there whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nas.errors import NasError
from nas.files import write_durably

FOLDER = "weights"  # of a run's folder


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
        """Keep `data` under `name`, in place of what was there. Raises `StoreError`; then what was there still is."""
        path = self.path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_durably(path, data, path.with_name(f".{path.name}.{os.getpid()}.part"))
        except OSError as error:
            raise StoreError(f"{path}: weights cannot be kept ({error.strerror or error})") from None


def of_trial(number: int) -> str:
    """The name under which a trial keeps what it was trained to."""
    return f"trial-{number}"
