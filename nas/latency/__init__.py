"""Latency: how long a network takes, measured. Importing this imports no torch.

    from nas.latency import Setting, measure
    resnet, vit = measure([nas.load("resnet18"), nas.load("vit_ti16")], Setting(batch=8))
    resnet.median_ms, resnet.low_ms, resnet.high_ms
"""

from __future__ import annotations

from nas.latency.bench import BRIEF, FULL, Effort, Latency, measure
from nas.latency.setting import ONE_IMAGE, SEARCH, Setting
from nas.latency.turn import turn

__all__ = ["BRIEF", "FULL", "ONE_IMAGE", "SEARCH", "Effort", "Latency", "Setting", "measure", "turn"]
