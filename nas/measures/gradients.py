"""Scores from one backward pass of an untrained network (Abdelfattah et al., arXiv 2101.08134, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.arch import Architecture
from nas.measures.base import Probe
from nas.measures.network import images, labels, network, train_mode
from nas.repeatable import one_thread

JITTER = 1e-5  # k of the Jacobian score


def grad_norm(architecture: Architecture, probe: Probe) -> float:
    """Sum over the weights of the Euclidean norms of their gradients of the loss, a convolution or linear map each."""
    return sum(float(gradient.norm()) for _, gradient in _gradients(architecture, probe))


def snip(architecture: Architecture, probe: Probe) -> float:
    """Sum of |weight * gradient of the loss| over the weights of convolutions and linear maps (Lee et al., arXiv 1810.02340)."""
    return sum(float((weight * gradient).abs().sum(dtype=torch.float64)) for weight, gradient in _gradients(architecture, probe))


def jacov(architecture: Architecture, probe: Probe) -> float:
    """-sum(log(v + k) + 1 / (v + k)), v the eigenvalues of the correlations between the images' Jacobians, k = 1e-5.

    An image's Jacobian is the gradient of the summed logits by its pixels (Mellor et al., arXiv 2006.04647v1, equation 3).
    Images that nothing depends on count as alike.
    """
    module, shown = network(architecture, probe), images(architecture, probe).clone().requires_grad_()
    train_mode(module)
    with one_thread():
        (jacobian,) = torch.autograd.grad(module(shown).sum(), shown)
        values = torch.linalg.eigvalsh(correlations(jacobian)).clamp(min=0.0) + JITTER
    return float(-(values.log() + 1.0 / values).sum())


def correlations(rows: Tensor) -> Tensor:
    """(N, ...) to (N, N) in 64-bit floats: correlation coefficients of the rows, those of constant ones 1."""
    flat = rows.detach().double().flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    lengths = centred.norm(dim=1)
    flatness = lengths <= 1e-12 * flat.norm(dim=1).clamp(min=1e-300)
    unit = centred / lengths.clamp(min=1e-300)[:, None]
    made: Tensor = unit @ unit.T
    made[flatness[:, None] | flatness[None]] = 1.0
    return made


def _gradients(architecture: Architecture, probe: Probe) -> list[tuple[Tensor, Tensor]]:
    """Weights of convolutions and linear maps with their gradients of the mean cross-entropy of the batch."""
    module, shown = network(architecture, probe), images(architecture, probe)
    wanted = labels(architecture, probe, len(shown))
    train_mode(module)
    weights = [part.weight for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    with one_thread():
        loss = functional.cross_entropy(module(shown), wanted)
        made = torch.autograd.grad(loss, weights, allow_unused=True)
    return [(weight.detach(), gradient) for weight, gradient in zip(weights, made, strict=True) if gradient is not None]
