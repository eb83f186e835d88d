"""Synaptic flow of the network made linear (Tanaka et al., arXiv 2006.05467; as a score: Abdelfattah et al., arXiv 2101.08134)."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.arch import Architecture
from nas.measures.base import Probe
from nas.measures.naswot import activations
from nas.measures.network import LOG_ZERO, network
from nas.ops import modules as own
from nas.repeatable import one_thread

LARGE = 1e100  # beyond it values are scaled down, which the logarithm takes back
ADDED = ("bias", "shift", "token", "positions")  # parameters that are added: left out, so that the flow is linear in its input


def synflow(architecture: Architecture, probe: Probe) -> float:
    """log of the sum over all parameters of |theta * dR / d theta|, R the summed outputs for one image of ones.

    Parameters count with their absolute values, and the network is made linear, as batch normalisation and ReLU do not
    keep the flow of it: norms and activation functions are left out (as in the second paper; with ReLU, through which
    positive values pass, nothing else changes), attention is the mean over its tokens or window, a product the sum of its
    factors. No image is looked at. 64-bit floats, and scaled on the way, so no depth overflows.
    """
    module = network(architecture, probe).double()
    linearise(module)
    scale = 0.0

    def each(values: list[Any], number: int) -> None:
        nonlocal scale
        top = float(values[number].detach().max())
        if top > LARGE:  # the rest of the network is linear in these together, so that R becomes 1 / top of itself
            scale += math.log(top)
            values[:] = [None if value is None else value / top for value in values]

    with one_thread():
        flow = module.walk(torch.ones(1, *architecture.input, dtype=torch.float64), each).sum()
        if not flow.requires_grad:
            return LOG_ZERO
        parameters = list(module.parameters())
        made = torch.autograd.grad(flow, parameters, allow_unused=True)
        total = sum(float((p.detach() * g).abs().sum()) for p, g in zip(parameters, made, strict=True) if g is not None)
    return math.log(total) + scale if total > 0.0 else LOG_ZERO


@torch.no_grad()
def linearise(module: nn.Module) -> None:
    """Make `module` linear with positive parameters, in place."""
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] in ADDED:
            parameter.zero_()
        else:
            parameter.abs_()
    for part in module.modules():
        stand_in = next((made for kinds, made in _stand_ins() if isinstance(part, kinds)), None)
        if stand_in is not None:
            part.forward = types.MethodType(stand_in, part)


def _stand_ins() -> tuple[tuple[tuple[type, ...], Callable[..., Tensor]], ...]:
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.LocalResponseNorm)
    return (
        ((*norms, *activations()), _same),
        ((own.MultiplyModule,), _sum),
        ((own.AttentionModule,), _attention),
        ((own.WindowAttentionModule,), _window_attention),
        ((own.BlendModule,), _blend),
        ((own.SelectiveScanModule,), _scan),
    )


def _same(self: Any, x: Tensor) -> Tensor:
    return x.clone()  # what follows may write over it


def _sum(self: own.MultiplyModule, x: Tensor, scale: Tensor) -> Tensor:
    return x + (scale[:, None] if self.trailing == 1 else scale[(...,) + (None,) * self.trailing])


def _attention(self: own.AttentionModule, x: Tensor) -> Tensor:
    values = x[..., -(x.shape[2] // 3) :]
    return values.mean(1, keepdim=True).expand_as(values).clone()


def _window_attention(self: own.WindowAttentionModule, x: Tensor) -> Tensor:
    means = functional.avg_pool2d(x[:, -(x.shape[1] // 3) :], self.window)
    return means.repeat_interleave(self.window[0], 2).repeat_interleave(self.window[1], 3)


def _blend(self: own.BlendModule, *inputs: Tensor) -> Tensor:
    return torch.stack(inputs[:-1]).mean(0)


def _scan(self: own.SelectiveScanModule, x: Tensor, step: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return self.skip * x
