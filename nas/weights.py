"""Weights of a network in a file: a state dict as `torch.save` writes it, or a folder that `nas train` made."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import NasError
from nas.files import write_durably
from nas.tensors import read_tensors

WEIGHTS_FILE = "weights.pt"  # of a folder that `nas train` made
# Counters of batch norm, which no output depends on; other packages leave them out.
_IGNORED = "num_batches_tracked"
_WRAPPERS = ("state_dict", "model", "module")  # keys under which checkpoints of other programs keep the weights


class WeightsError(NasError):
    """Weights that cannot be read, or that do not fit the network."""


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Names and tensors (on the CPU) of a file, or of a folder of `nas train`. No code in the file is run.

    Raises `WeightsError` that names the file.
    """
    file = Path(path) / WEIGHTS_FILE if os.path.isdir(path) else Path(path)
    try:
        data: Any = read_tensors(file)
    except OSError as error:
        raise WeightsError(f"cannot read weights {file}: {error.strerror or error}; allowed: a file of torch.save") from None
    except Exception as error:  # whatever reading bytes of another sort runs into
        line = " ".join(str(error).split())[:120]
        raise WeightsError(f"{file} holds no weights ({line}); allowed: a state dict of torch.save") from None
    for key in _WRAPPERS:
        if isinstance(data, Mapping) and isinstance(data.get(key), Mapping):
            data = data[key]
    if not isinstance(data, Mapping) or not data or not all(isinstance(item, Tensor) for item in data.values()):
        raise WeightsError(f"{file} holds no state dict; allowed: names and tensors, as module.state_dict() gives them")
    return {str(name).removeprefix("module."): tensor for name, tensor in data.items()}


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], where: str = "the weights") -> None:
    """Copy `weights` into `module`, in place. Raises `WeightsError` with the first that does not fit; then nothing was copied."""
    wanted = module.state_dict()
    if wanted and weights and not wanted.keys() & weights.keys():
        found = next(iter(weights))
        advice = "allowed: its own; those of torchvision or timm by --from-torchvision"
        raise WeightsError(f"{where} are of another program (such as {found}); {advice}")
    for name, tensor in wanted.items():
        if name.endswith(_IGNORED):
            continue
        if name not in weights:
            raise WeightsError(f"{where} do not fit: {name} {tuple(tensor.shape)} is missing")
        if tuple(weights[name].shape) != tuple(tensor.shape):
            raise WeightsError(f"{where} do not fit: {name} is {tuple(weights[name].shape)}; allowed: {tuple(tensor.shape)}")
    for name in weights:
        if name not in wanted:
            raise WeightsError(f"{where} do not fit: {name} {tuple(weights[name].shape)} has no place in the network")
    module.load_state_dict({name: weights.get(name, tensor) for name, tensor in wanted.items()})


def write_weights(path: Path, module: nn.Module) -> None:
    """Write the state dict whole or not at all: aside, then renamed. Raises `WeightsError`."""
    buffer = io.BytesIO()  # torch's own writer ends the process where a disk is full
    torch.save({name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}, buffer)
    try:
        write_durably(path, buffer.getbuffer())
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror or error}") from None
