"""Normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.ops.base import Leaf, expect, leaf, require_range
from nas.ops.shapes import Map, Shape, Tokens, Vector

if TYPE_CHECKING:
    from torch import nn


@leaf("batch_norm")
class BatchNorm(Leaf):
    """Batch normalisation over channels, with scale and shift (Ioffe & Szegedy, arXiv 1502.03167)."""

    eps: float = 1e-5
    momentum: float = 0.1

    def check(self) -> None:
        require_range(self.eps, "eps", 0.0, 1.0)
        require_range(self.momentum, "momentum", 0.0, 1.0)

    def shape(self, x: Shape) -> Shape:
        expect(x, (Map, Vector), "batch_norm")
        return x

    def params(self, x: Shape) -> int:
        return 2 * x.width

    def module(self, x: Shape) -> nn.Module:
        from torch import nn

        kind = nn.BatchNorm2d if isinstance(x, Map) else nn.BatchNorm1d
        return kind(x.width, eps=self.eps, momentum=self.momentum)

    def describe(self) -> str:
        return "batch norm"


@leaf("layer_norm")
class LayerNorm(Leaf):
    """Layer normalisation over the features of each token or vector (Ba et al., arXiv 1607.06450)."""

    eps: float = 1e-6

    def check(self) -> None:
        require_range(self.eps, "eps", 0.0, 1.0)

    def shape(self, x: Shape) -> Shape:
        expect(x, (Tokens, Vector), "layer_norm")
        return x

    def params(self, x: Shape) -> int:
        return 2 * x.width

    def module(self, x: Shape) -> nn.Module:
        from torch import nn

        return nn.LayerNorm(x.width, eps=self.eps)

    def describe(self) -> str:
        return "layer norm"
