"""What can be known of an architecture without training it, by name: its costs, its latency, its zero-cost scores.

    nas.measures.measure(architecture, "params")
    nas.score(architecture, ["naswot", "synflow"])

Importing this imports no torch.
"""

from __future__ import annotations

import nas.measures.zerocost  # noqa: F401 - registers, after the costs
from nas.measures.base import MEASURES, Measure, Probe, find, find_proxies, measure, names, proxies, score
from nas.measures.costs import macs, params

__all__ = ["MEASURES", "Measure", "Probe", "find", "find_proxies", "macs", "measure", "names", "params", "proxies", "score"]
