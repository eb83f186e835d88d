"""Latency, measured."""

from __future__ import annotations

import statistics
import time

import torch

from nas.arch import Architecture
from nas.measures.base import Probe
from nas.measures.network import network, noise
from nas.repeatable import one_thread

WARM_UP = 3
PASSES = 9


def latency_ms(architecture: Architecture, probe: Probe) -> float:
    """Milliseconds that one image takes on this machine's CPU, one thread, in evaluation: the median of nine passes."""
    module, image = network(architecture, probe), noise(architecture, 1, probe.seed)
    taken = []
    with one_thread(), torch.inference_mode():
        for _ in range(WARM_UP + PASSES):
            start = time.perf_counter()
            module(image)
            taken.append(time.perf_counter() - start)
    return 1000.0 * statistics.median(taken[WARM_UP:])
