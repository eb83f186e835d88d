"""The measures that need the network itself, untrained. Each is worked out in a file of its own, imported when first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import nas.measures.costs  # noqa: F401 - first in the order of names
from nas.measures.base import MEASURES, Measure, Probe

if TYPE_CHECKING:
    from nas.arch import Architecture


def _add(name: str, place: str, about: str, **facts: Any) -> None:
    def function(architecture: Architecture, probe: Probe) -> float:
        found: float = getattr(importlib.import_module(f"nas.measures.{place}"), name)(architecture, probe)
        return found

    MEASURES.add(name, Measure(function, about, **facts))


_add("latency_ms", "latency", "ms of a pass on this machine: one image, one CPU thread", larger=False, proxy=False, timed=True)
_add("naswot", "naswot", "log-determinant of the kernel of activation patterns (arXiv 2006.04647)", larger=True)
_add("synflow", "synflow", "log of the synaptic flow (arXiv 2006.05467, 2101.08134)", larger=True)
_add("jacov", "gradients", "covariance of the Jacobians of different images (arXiv 2006.04647v1, 2101.08134)", larger=True)
_add("grad_norm", "gradients", "norms of the gradients of the weights (arXiv 2101.08134)", larger=True)
_add("snip", "gradients", "what the loss depends on the weights (arXiv 1810.02340, 2101.08134)", larger=True)
_add("zen", "zen", "expressivity under Gaussian weights (Zen-score, arXiv 2102.01063)", larger=True)
