"""What can be known of an architecture without training it, by name: its costs, its latency, its zero-cost scores.

    nas.measures.measure(architecture, "params")

Importing this imports no torch.
"""

from __future__ import annotations

from nas.measures.base import MEASURES, Measure, measure, names
from nas.measures.costs import macs, params

__all__ = ["MEASURES", "Measure", "macs", "measure", "names", "params"]
