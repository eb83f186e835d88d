"""A worker that trains one candidate after another keeps nothing of them; `scripts/bench/memory.py` is the long form."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest
import torch

from nas.evaluators import Clock, Evaluation, Fidelity
from nas.evaluators.training import TrainingEvaluator
from nas.spaces import load


def resident() -> float:
    """MB of this process."""
    return float(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")).split()[1]) / 1e3


def alive() -> tuple[int, int]:
    """Tensors and modules that anything still refers to."""
    gc.collect()
    objects = [type(each) for each in gc.get_objects()]
    return sum(issubclass(each, torch.Tensor) for each in objects), sum(issubclass(each, torch.nn.Module) for each in objects)


@pytest.mark.parametrize(("space", "count", "most"), [("tiny", 40, 60.0), ("nas-bench-201", 6, 120.0)])
def test_nothing_is_left_of_candidates(space: str, count: int, most: float) -> None:
    """Once all fractions were seen and constants made, as many tensors as before; memory within what an allocator keeps."""
    torch.set_num_threads(1)
    evaluator = TrainingEvaluator("digits", recipe={"batch": 32, "random_augment": 1, "crop": 0.5}, validation=0.02)
    searched, rng = load(space), random.Random(0)

    def candidates(number: int) -> None:
        for seed in range(number):
            fidelity = Fidelity(epochs=1, width=0.25, depth=0.34, samples=(0.05, 0.1)[seed % 2], test=seed < 2)
            evaluator.evaluate(searched.decode(searched.sample(rng)), fidelity, Evaluation(seed, "cpu", Clock(600.0)))

    candidates(4)
    before, memory = alive(), resident()
    candidates(count)
    assert alive() == before
    assert resident() - memory < most
