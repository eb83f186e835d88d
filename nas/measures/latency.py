"""Latency, measured."""

from __future__ import annotations

from nas import latency
from nas.arch import Architecture
from nas.measures.base import Probe


def latency_ms(architecture: Architecture, probe: Probe) -> float:
    """Milliseconds that a pass takes under the probe's setting, in evaluation: the median of many, see `nas.latency`."""
    (found,) = latency.measure([architecture], probe.setting, effort=probe.effort, seed=probe.seed, check=probe.check)
    return found.median_ms
