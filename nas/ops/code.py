"""A leaf as code: the call that makes its torch module, and what a person would write in a `forward` in its place."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import nn

OWN = "nas.ops.modules"


class Call(NamedTuple):
    """The call that makes a torch module: `kind(**args)`.

    `kind` is a class of torch such as `nn.Conv2d`, one of `nas.ops.modules`, or `package.module:Class`. The source of a
    class that is not torch's goes into exported files, so it needs nothing but `torch`, `nn`, `F`, `Tensor` and what stands
    beside it in its file.
    """

    kind: str
    args: dict[str, Any]

    def type(self) -> type[nn.Module]:
        """The class that is called."""
        if self.kind.startswith("nn."):
            from torch import nn

            return getattr(nn, self.kind.removeprefix("nn."))  # type: ignore[no-any-return]
        module, _, name = self.kind.rpartition(":")
        return getattr(importlib.import_module(module or OWN), name)  # type: ignore[no-any-return]

    def make(self) -> nn.Module:
        """A new module."""
        return self.type()(**self.args)


def call(kind: str, **args: Any) -> Call:
    """`Call` with its arguments by name."""
    return Call(kind, args)


class Expression(NamedTuple):
    """What does the same as a module without parameters, as a person writes it.

    `template` is a format string: `{0}`, `{1}` are the inputs, `{all}` all of them, other names are those of `values`.
    `in_place` is the template that writes over the first input, None where there is none; `+=` stands for a sum by `+=`.
    """

    template: str
    values: dict[str, Any]
    in_place: str | None = None

    def text(self, *operands: str) -> str:
        """The expression of these operands."""
        return self.template.format(*operands, all=", ".join(operands), **self.values)


def expression(template: str, in_place: str | None = None, **values: Any) -> Expression:
    """`Expression` with its values by name."""
    return Expression(template, values, in_place)
