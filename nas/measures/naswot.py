"""NASWOT: how differently a network's units switch for different images (Mellor et al., arXiv 2006.04647)."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from nas.arch import Architecture
from nas.measures.base import Probe
from nas.measures.network import images, network, train_mode
from nas.ops.activation import ACTIVATIONS
from nas.repeatable import one_thread

FLOOR = 1e-6  # of the mean eigenvalue: images with equal patterns would make the determinant zero


def naswot(architecture: Architecture, probe: Probe) -> float:
    """log |det K|, K[i, j] the number of units that are on for both of images i and j or off for both (equation 2 there).

    A unit of a ReLU is on where its input is above zero. The same holds here for every other activation function, all of
    which bend at zero: a GELU, SiLU, tanh or sigmoid is on where what it is given is above zero. Batch normalisation sees
    the batch. Eigenvalues of K count as a millionth of their mean at least, for equal images have equal patterns.
    """
    module, shown = network(architecture, probe), images(architecture, probe)
    train_mode(module)
    kernel = torch.zeros(len(shown), len(shown), dtype=torch.float64)

    def add(part: nn.Module, inputs: tuple[Any, ...]) -> None:
        kernel.add_(agreements(inputs[0] > 0))

    for part in module.modules():
        if isinstance(part, activations()):
            part.register_forward_pre_hook(add)
    with one_thread(), torch.no_grad():
        module(shown)
        values = torch.linalg.eigvalsh(kernel)
    return float(values.clamp(min=FLOOR * max(float(values.mean()), 1.0)).log().sum())


def agreements(on: Tensor) -> Tensor:
    """(N, ...) of which units are on to (N, N): how many units two images agree in."""
    bits = on.flatten(1).float()
    both, each = (bits @ bits.T).double(), bits.sum(1, dtype=torch.float64)
    return 2.0 * both - each[:, None] - each[None] + bits.shape[1]  # both on, and all less those that either has on


@cache
def activations() -> tuple[type[nn.Module], ...]:
    """Module classes of all activation functions."""
    return tuple(getattr(nn, name) for name, *_ in ACTIVATIONS.values())
