"""The loss of a network with any number of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional


def losses(output: Any, labels: Tensor, smoothing: float, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the main head, and the same plus that of every other output times its weight.

    `output` is logits (B, classes), or has them as `.main` and, for each auxiliary head or member, in `.aux`. `labels`
    are classes (B,), or the shares of all classes (B, classes) where images are mixed.
    """
    heads = (output,) if isinstance(output, Tensor) else (output.main, *output.aux)
    main, *others = (functional.cross_entropy(head.float(), labels, label_smoothing=smoothing) for head in heads)
    total = main
    for weight, other in zip(weights, others, strict=True):
        total = total + weight * other
    return main, total
