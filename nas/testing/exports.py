"""What an exported file owes the network: the same logits, at any batch size, for weights under which every part counts.

    from nas.testing import exports
    exports.check(nas.load("my.yaml"), "onnx")
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from nas.arch import Architecture
from nas.ensembles import Ensemble
from nas.export import FORMATS, Exported, export
from nas.export.check import TOLERANCE
from nas.repeatable import parameters_from
from nas.weights import write_weights


def check(network: Architecture | Ensemble, format: str, batch: int | None = None) -> Exported:
    """Write it with lively weights in a format, run the file against the network, and let it go.

    Raises `ExportError` where it cannot be written or differs, `AssertionError` where it differs relative to small logits.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, path = Path(folder) / "given.pt", Path(folder) / f"network{FORMATS[format][0]}"
        with parameters_from(0):
            module = network.build()
            largest = enliven(module, network.input)
        write_weights(given, module)
        made = export(network, path, format, weights=given, batch=batch)
    assert made.checked is not None
    difference, rounding = made.checked
    assert rounding or difference <= TOLERANCE * min(1.0, largest), f"{difference} apart, where logits are at most {largest}"
    return made


def enliven(module: nn.Module, input: tuple[int, int, int]) -> float:
    """Draw weights anew, in place, so that every part counts; returns the largest logit of some random images.

    In a fresh network norms do nothing, and biases and scales are zero. Statistics of batch norms are then those of random
    images, so that values neither vanish nor explode on their way.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d)]
    images = torch.randn(4, *input)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("bias", "shift", "token")):
                parameter.uniform_(-0.3, 0.3)
            elif parameter.ndim == 1 or name.endswith(".scale"):
                parameter.uniform_(0.7, 1.3)
        module.eval()
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.train()
            norm.momentum = 1.0  # the statistics of these images alone
        module(images)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        return float(module.eval()(images).abs().max())
