"""Normalisation."""

from __future__ import annotations

from nas.ops.base import Leaf, Saved, expect, leaf, require_range
from nas.ops.code import Call, call
from nas.ops.shapes import Map, Shape, Tokens, Vector


@leaf("batch_norm")
class BatchNorm(Leaf):
    """Batch normalisation over channels, with scale and shift (Ioffe & Szegedy, arXiv 1502.03167)."""

    eps: float = 1e-5
    momentum: float = 0.1
    unsigned = ("eps", "momentum")

    def check(self) -> None:
        require_range(self.eps, "eps", 0.0, 1.0)
        require_range(self.momentum, "momentum", 0.0, 1.0)

    def shape(self, x: Shape) -> Shape:
        expect(x, (Map, Vector), "batch_norm")
        return x

    def params(self, x: Shape) -> int:
        return 2 * x.width

    def code(self, x: Shape) -> Call:
        kind = "nn.BatchNorm2d" if isinstance(x, Map) else "nn.BatchNorm1d"
        return call(kind, num_features=x.width, eps=self.eps, momentum=self.momentum)

    def describe(self) -> str:
        return "batch norm"


@leaf("layer_norm")
class LayerNorm(Leaf):
    """Layer normalisation over the features of each token or vector, or each pixel's channels (arXiv 1607.06450)."""

    eps: float = 1e-6
    unsigned = ("eps",)

    def check(self) -> None:
        require_range(self.eps, "eps", 0.0, 1.0)

    def shape(self, x: Shape) -> Shape:
        expect(x, (Map, Tokens, Vector), "layer_norm")
        return x

    def params(self, x: Shape) -> int:
        return 2 * x.width

    def saved(self, x: Shape) -> Saved:
        # Mean and deviation of each pixel or token.
        return Saved(extra=2 * (x.elements // x.width))

    def code(self, x: Shape) -> Call:
        return call("MapLayerNorm" if isinstance(x, Map) else "nn.LayerNorm", normalized_shape=x.width, eps=self.eps)

    def describe(self) -> str:
        return "layer norm"


@leaf("local_response_norm")
class LocalResponseNorm(Leaf):
    """Each value divided by (k + alpha * S)^beta, S the sum of squares over the `size` channels around its own.

    Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks (2012), section 3.3, with the
    constants given there. At the first and last channels the sum has fewer terms.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def check(self) -> None:
        require_range(self.size, "size", 1, 4096)
        require_range(self.alpha, "alpha", 0.0, 1e3)
        require_range(self.beta, "beta", 0.0, 1e3)
        require_range(self.k, "k", 1e-6, 1e6)

    def shape(self, x: Shape) -> Shape:
        expect(x, Map, "local_response_norm")
        return x

    def saved(self, x: Map) -> Saved:
        # The squares with a margin of channels, the sums, and their powers.
        return Saved(extra=2 * x.elements + (x.width + self.size - 1) * x.rows * x.columns)

    def code(self, x: Shape) -> Call:
        # torch takes the mean of the squares where the paper has their sum.
        return call("nn.LocalResponseNorm", size=self.size, alpha=self.alpha * self.size, beta=self.beta, k=self.k)

    def describe(self) -> str:
        return "local response norm"
