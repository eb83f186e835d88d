"""The parameters that a training starts from: drawn, read from a file, or those of another package's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.arch import Architecture
from nas.baselines import find
from nas.baselines.reference import load_reference
from nas.build import build
from nas.errors import ArchitectureError
from nas.weights import WeightsError, load_weights, read_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def from_file(module: nn.Module, path: str) -> None:
    """Copy the weights of a file or of a training's folder into `module`, in place. Raises `WeightsError`; then nothing was copied."""
    load_weights(module, read_weights(path), path)


def from_reference(module: nn.Module, network: Architecture, path: str) -> list[str]:
    """Copy torchvision's or timm's weights of the network of the same name into `module`, in place.

    Where input or classes differ from those of the file, what has another shape there is left as it was drawn; its
    names are returned. Raises `WeightsError` that names the file; then nothing was copied.
    """
    baseline = find(network.name)
    if baseline is None or not baseline.references:
        raise WeightsError(f"{path}: no other package has network {network.name!r}; allowed: a baseline that torchvision or timm has")
    theirs = read_weights(path)
    original = baseline.make()
    original = original.with_input(original.input, _classes(theirs, original.classes))
    try:
        whole = build(original)
        load_reference(whole, theirs)
    except ArchitectureError as error:
        raise WeightsError(f"{path}: {error}") from None
    taken, own = whole.state_dict(), module.state_dict()
    fitting = {name: tensor for name, tensor in taken.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise WeightsError(f"{path} has nothing that fits {network.name!r} as it is here")
    module.load_state_dict(fitting, strict=False)
    return [name for name in own if name not in fitting]


def _classes(weights: dict[str, Tensor], default: int) -> int:
    """Classes of a classifier: the length of the last bias, which is that of its last layer; `default` where there is none."""
    biases = [tensor for name, tensor in weights.items() if name.endswith("bias") and tensor.ndim == 1]
    return len(biases[-1]) if biases else default
