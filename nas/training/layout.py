"""Keeps gradients in the layout of what they are gradients of.

The backward passes of concatenation, of slices and of means hand back views, or the other layout. On a CPU batch norm then takes
some ten times as long over them, and a sum of two layouts several times: a quarter of the time of a NASNet-like network.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

_KEEP = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.ReLU, nn.Linear, nn.modules.dropout._DropoutNd)


class Layout:
    """Within it (`with layout:`), gradients reach every leaf of `module` in the `layout` of an `Execution`; may be entered again."""

    def __init__(self, module: nn.Module, layout: str) -> None:
        self.format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        leaves = [part for part in module.modules() if not any(part.children())] if layout == "channels_last" else []
        self._leaves = [part for part in leaves if not isinstance(part, _KEEP)]
        self._hooks: list[Any] = []

    def put(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in the layout; the same ones where they have it."""
        return images.contiguous(memory_format=self.format)

    def __enter__(self) -> None:
        self._hooks = [part.register_forward_pre_hook(_watched) for part in self._leaves]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


def _watched(part: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The same inputs as views whose gradients are put right."""
    if not torch.is_grad_enabled():
        return None
    return tuple(_viewed(each) if isinstance(each, Tensor) and each.ndim == 4 and each.requires_grad else each for each in inputs)


def _viewed(x: Tensor) -> Tensor:
    view = x.view_as(x)
    view.register_hook(_channels_last)  # type: ignore[no-untyped-call]
    return view


def _channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
