"""What is measured: an untrained network with parameters from a seed, and the images that it is shown."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from nas.arch import Architecture
from nas.build import Network, build
from nas.errors import ArchitectureError, NasError
from nas.measures.base import Probe
from nas.repeatable import parameters_from

IMAGES = 64  # of a batch, as long as they are small
LEAST = 8
PIXELS = 800_000  # of a batch: 64 images of 110 x 110, 15 of 224 x 224, so that the activations fit into memory
LOG_ZERO = -708.0  # in place of the logarithm of nothing: about that of the smallest 64-bit float


def network(architecture: Architecture, probe: Probe) -> Network:
    """The network that is used (without auxiliary heads), its parameters drawn from the probe's seed; in evaluation mode."""
    with parameters_from(probe.seed):
        made = build(dataclasses.replace(architecture, aux=()))
    made.eval()
    return made


def train_mode(module: nn.Module) -> None:
    """Training mode for batch normalisation, which then sees the batch; what draws at random stays off."""
    module.train()
    for part in module.modules():
        if hasattr(part, "p") or hasattr(part, "rate"):  # dropout, drop path
            part.eval()


def batch_size(input: tuple[int, int, int]) -> int:
    """How many images a network of this input is shown: scores of batches of different sizes do not compare."""
    _, rows, columns = input
    return max(LEAST, min(IMAGES, PIXELS // (rows * columns)))


def noise(architecture: Architecture, count: int, seed: int) -> Tensor:
    """`count` images of standard Gaussian noise, (count, C, H, W)."""
    return torch.randn(count, *architecture.input, generator=torch.Generator().manual_seed(seed))


def images(architecture: Architecture, probe: Probe) -> Tensor:
    """The images of the probe, (N, C, H, W) in 32-bit floats; noise where it has none.

    Raises `ArchitectureError` where their shape is not the network's input, `NasError` where they are not finite numbers.
    """
    if probe.images is None:
        return noise(architecture, batch_size(architecture.input), probe.seed)
    given = _tensor(probe.images, "images").float()
    if given.ndim != 4 or not len(given) or tuple(given.shape[1:]) != tuple(architecture.input):
        shape, wanted = "x".join(map(str, given.shape)), "x".join(map(str, architecture.input))
        raise ArchitectureError(f"images are {shape}, and {architecture.name} reads {wanted}; allowed: Nx{wanted}")
    if not bool(torch.isfinite(given).all()):
        raise NasError("images hold NaN or infinity; allowed: finite numbers")
    return given


def labels(architecture: Architecture, probe: Probe, count: int) -> Tensor:
    """The labels of `count` images, (N,) int64; drawn uniformly where the probe has none. Raises `NasError`."""
    if probe.labels is None:
        return torch.randint(architecture.classes, (count,), generator=torch.Generator().manual_seed(probe.seed))
    given = _tensor(probe.labels, "labels")
    if given.is_floating_point() or tuple(given.shape) != (count,):
        raise NasError(f"labels are {given.dtype} of shape {tuple(given.shape)}; allowed: whole numbers of shape ({count},)")
    if bool(((given < 0) | (given >= architecture.classes)).any()):
        raise NasError(f"labels lie in {int(given.min())}..{int(given.max())}; allowed: 0..{architecture.classes - 1}")
    return given.long()


def _tensor(data: Any, what: str) -> Tensor:
    try:
        return torch.as_tensor(data).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise NasError(f"{what} is a {type(data).__name__}; allowed: an array or tensor of numbers") from None
