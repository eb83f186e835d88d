"""Costs as measures: of the network that is used, without auxiliary heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.measures.base import MEASURES, Measure, Probe

if TYPE_CHECKING:
    from nas.arch import Architecture


def params(architecture: Architecture, probe: Probe | None = None) -> float:
    """Trainable parameters of the inference network."""
    return float(architecture.cost(aux=False).params)


def macs(architecture: Architecture, probe: Probe | None = None) -> float:
    """Multiply-adds of the inference network for one example."""
    return float(architecture.cost(aux=False).macs)


MEASURES.add("params", Measure(params, "parameters of the inference network", larger=False, cheap=True))
MEASURES.add("macs", Measure(macs, "multiply-adds of one example", larger=False, cheap=True))
