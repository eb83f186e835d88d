"""What changes over a training run: the learning rate and the drop-path rates, both functions of the step alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """The rate of 0-based `step` of `steps`: a linear rise over the `warmup` fraction, then half a cosine towards 0.

    Cosine after Loshchilov & Hutter, arXiv 1608.03983, without restarts.
    """
    rise = round(warmup * steps)
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class DropPathSchedule:
    """Raises every drop-path rate linearly from 0 to its built value (ScheduledDropPath, arXiv 1707.07012)."""

    def __init__(self, module: nn.Module) -> None:
        from nas.ops.modules import DropPathModule

        paths = [path for path in module.modules() if isinstance(path, DropPathModule) and path.rate > 0]
        self._paths = [(path, path.rate) for path in paths]

    def set(self, progress: float) -> None:
        """Set the rates for `progress` in [0, 1] of the run."""
        for path, rate in self._paths:
            path.rate = rate * progress


class NormWarmUp:
    """Makes batch-norm statistics the plain mean of the batches seen, until that is slower than their own momentum.

    They start at mean 0 and variance 1, and at the usual momentum of 0.1 a third of that start is left after ten
    steps: a candidate that is judged after a part of an epoch would be judged by statistics that it never had.
    """

    def __init__(self, module: nn.Module) -> None:
        from torch.nn.modules.batchnorm import _BatchNorm

        norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.momentum]
        self._norms = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]

    def set(self, step: int) -> None:
        """Call before 0-based `step`."""
        for norm, momentum in self._norms:
            norm.momentum = max(momentum, 1 / (step + 1))
        self._norms = [(norm, momentum) for norm, momentum in self._norms if norm.momentum != momentum]
