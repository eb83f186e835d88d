"""Activation functions and regularisation: elementwise, free of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.ops.base import NOTHING, Leaf, Saved, leaf, require, require_range
from nas.ops.code import Call, Expression, call, expression
from nas.ops.shapes import Shape

if TYPE_CHECKING:
    from torch import nn

# Name to torch class, whether that class takes `inplace`, and the function.
ACTIVATIONS: dict[str, tuple[str, bool, str]] = {
    "relu": ("ReLU", True, "F.relu"),
    "relu6": ("ReLU6", True, "F.relu6"),
    "silu": ("SiLU", True, "F.silu"),
    "hardswish": ("Hardswish", True, "F.hardswish"),
    "hardsigmoid": ("Hardsigmoid", True, "F.hardsigmoid"),
    "gelu": ("GELU", False, "F.gelu"),
    "sigmoid": ("Sigmoid", False, "torch.sigmoid"),
    "tanh": ("Tanh", False, "torch.tanh"),
    "softplus": ("Softplus", False, "F.softplus"),
}
# Those whose derivative is worked out from what they wrote; the others keep what they read.
FROM_OUTPUT = ("relu", "sigmoid", "tanh")


@leaf("activation")
class Activation(Leaf):
    """One of the usual activation functions by name; `swish` is `silu`."""

    kind: str = "relu"
    overwrites = True

    def check(self) -> None:
        require(self.kind in ACTIVATIONS, f"activation={self.kind!r}", ", ".join(ACTIVATIONS))

    def code(self, x: object) -> Call:
        return call(f"nn.{ACTIVATIONS[self.kind][0]}")

    def expression(self, x: object) -> Expression:
        _, takes, written = ACTIVATIONS[self.kind]
        return expression(f"{written}({{0}})", f"{written}({{0}}, inplace=True)" if takes else None)

    def saved(self, x: object) -> Saved:
        return Saved((), output=True) if self.kind in FROM_OUTPUT else Saved()

    def describe(self) -> str:
        return self.kind


@leaf("dropout")
class Dropout(Leaf):
    """Dropout of single features with probability `rate` in training."""

    rate: float = 0.5
    overwrites = True

    def check(self) -> None:
        require_range(self.rate, "rate", 0.0, 0.99)

    def code(self, x: object) -> Call:
        return call("nn.Dropout", p=self.rate)

    def module(self, x: object) -> nn.Module:
        from nas.ops.modules import DropoutModule

        return DropoutModule(self.rate)

    def saved(self, x: Shape) -> Saved:
        # The mask, a number of the input's kind each on a CPU.
        return Saved((), extra=x.elements if self.rate else 0)


@leaf("drop_path")
class DropPath(Leaf):
    """A place where training may drop a whole path, an example at a time (Larsson et al., arXiv 1605.07648).

    It has no rate: how much is dropped is the training recipe's decision, and without any the builder leaves it out.
    """

    overwrites = True

    def code(self, x: object) -> Call:
        return call("DropPathModule")

    def saved(self, x: object) -> Saved:
        return NOTHING

    def describe(self) -> str:
        return "drop path"
