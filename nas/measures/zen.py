"""Zen-score: how much a network's features change with its input (Lin et al., arXiv 2102.01063, algorithm 1)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from nas.arch import Architecture
from nas.build import Network
from nas.measures.base import Probe
from nas.measures.network import LOG_ZERO, batch_size, network, noise, train_mode
from nas.ops.modules import MapLayerNorm
from nas.repeatable import one_thread

ALPHA = 0.01  # of the noise that is added to the input
REPEATS = 2  # weights drawn; the paper takes 32


def zen(architecture: Architecture, probe: Probe) -> float:
    """log of the mean change of the last feature map (or tokens) under a small change of the input, all Gaussian.

    Weights of convolutions and linear maps are drawn from N(0, 1). What every norm layer divides by is multiplied back in,
    as the sum of the logarithms of its standard deviations; the paper has batch normalisation only, other norms count in
    the same way here. Images are Gaussian always, as in the paper: those of the probe are not looked at.
    """
    found = _score(architecture, probe, torch.float32)
    return found if math.isfinite(found) else _score(architecture, probe, torch.float64)  # without norms values grow large


def _score(architecture: Architecture, probe: Probe, kind: torch.dtype) -> float:
    module = network(architecture, probe).to(kind)
    train_mode(module)
    generator = torch.Generator().manual_seed(probe.seed)
    stretched: list[float] = []
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
            part.register_forward_pre_hook(lambda part, inputs: stretched.append(_log_deviation(part, inputs[0])))
    found = []
    with one_thread(), torch.no_grad():
        for _ in range(REPEATS):
            _draw(module, generator)
            stretched.clear()
            change = _change(architecture, module, generator, kind)
            found.append(math.log(change) + sum(stretched) if change != 0.0 else LOG_ZERO)
    return sum(found) / len(found)


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.weight.normal_(generator=generator)
            if part.bias is not None:
                part.bias.zero_()


def _change(architecture: Architecture, module: Network, generator: torch.Generator, kind: torch.dtype) -> float:
    """Mean over images of the Euclidean distance between features with and without the noise added."""
    count = max(2, batch_size(architecture.input) // 4)
    first, second = (noise(architecture, count, int(torch.randint(2**31, (), generator=generator))) for _ in range(2))
    features = first

    def each(values: list[Any], number: int) -> None:
        nonlocal features
        if values[number].ndim > 2:  # before they are pooled
            features = values[number]

    both = torch.cat([first, first + ALPHA * second]).to(kind)
    module.walk(both, each)
    plain, changed = features.double().chunk(2)
    return float((plain - changed).flatten(1).norm(dim=1).mean())


def _log_deviation(part: nn.Module, x: Tensor) -> float:
    """log of the standard deviation that the layer divides by, over the channels of a batch, or over the examples, on the mean."""
    if isinstance(part, nn.LayerNorm):
        axes = [1 if isinstance(part, MapLayerNorm) else -1]
    else:
        axes = [axis for axis in range(x.ndim) if axis != 1]
    found = float((x - x.mean(axes, keepdim=True)).square().mean())  # several times as fast as `Tensor.var`
    return 0.5 * math.log(found) if found != 0.0 else 0.0  # what is zero stays so whatever it is divided by
