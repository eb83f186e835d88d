"""The checkpoint of a training: all that is needed to go on, in one file that is always whole."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from nas.errors import NasError
from nas.files import write_durably
from nas.tensors import read_tensors

FORMAT = 1


class CheckpointError(NasError):
    """A checkpoint that cannot be written, is damaged, of a newer version, or of another network."""


def save(path: Path, digest: str, content: dict[str, Any]) -> None:
    """Replace the checkpoint at `path`: `content`, tensors and plain values, of the network with that `digest`.

    The one before stays until the new one is whole. Raises `CheckpointError` that names the file.
    """
    buffer = io.BytesIO()  # torch's own writer ends the process where a disk is full
    torch.save({**content, "format": FORMAT, "digest": digest}, buffer)
    try:
        write_durably(path, buffer.getbuffer())
    except OSError as error:
        kept = "the one before it is kept; " if path.exists() else ""
        raise CheckpointError(f"checkpoint {path} cannot be written: {error.strerror or error}; {kept}`nas resume` goes on") from None


def load(path: Path, digest: str, device: torch.device) -> dict[str, Any]:
    """What `save` was given, with tensors on `device`. No code in the file is run.

    Raises `CheckpointError` that names the file and what is wrong with it.
    """
    try:
        data: Any = read_tensors(path, device, sums=True)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, NotImplementedError) as error:
        line = " ".join(str(error).split())[:100]
        raise CheckpointError(f"checkpoint {path} is damaged ({line}); without that file training begins anew") from None
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise CheckpointError(f"{path} is no checkpoint of `nas train`; allowed: a file that it wrote")
    if data["format"] > FORMAT:
        raise CheckpointError(f"checkpoint {path} has format {data['format']}, of a newer nas; allowed: up to {FORMAT}; update nas")
    if data.get("digest") != digest:
        raise CheckpointError(f"checkpoint {path} is of another network ({str(data.get('digest'))[:12]}); allowed: {digest[:12]}")
    return data
