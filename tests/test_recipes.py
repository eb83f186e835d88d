"""Recipes: their files, optimisers, schedules, averages; and runs that are broken off and gone on with."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.errors import NasError, UnknownNameError
from nas.training import recipes
from nas.training.ema import Average
from nas.training.loop import Metrics, Run, train
from nas.training.optimisers import AdamW, RmsProp, Sgd, optimiser
from nas.training.recipe import Recipe
from nas.training.schedule import Plateau, Rate
from tests.test_training import convnet, dropping, timeless, toy, training_data


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# a run that is broken off ------------------------------------------------------------------------------------------


class Killed(Exception):
    """Stands for the end of the process."""


def noisy() -> nn.Sequential:
    """A network with every source of noise."""
    module = convnet(classes=3, width=4)
    module.insert(3, dropping(0.2))
    module.insert(4, nn.Dropout(0.2))
    return module


def bits(run: Run) -> list[Tensor]:
    """Everything that a run has learnt."""
    buffers = [tensor for own in run.optimiser.state() for tensor in own.values()]
    return [tensor.clone() for tensor in (*run.module.state_dict().values(), *run.judged.state_dict().values(), *buffers)]


def straight(recipe: Recipe, epochs: int) -> tuple[list[Tensor], list[Metrics], int]:
    """Bits and metrics of an undisturbed run, and how often it was asked whether it may go on."""
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1

    run = Run(noisy(), training_data(toy()), recipe, epochs, 5, check)
    metrics = [timeless(run.epoch()) for _ in range(epochs)]
    return bits(run), metrics, asked


def broken(recipe: Recipe, epochs: int, every: int) -> tuple[list[Tensor], list[Metrics]]:
    """The same of a run that is killed again and again, at each `every`-th question, and goes on from its file."""
    saved: bytes | None = None
    metrics: list[Metrics] = []
    while True:
        asked = 0

        def check() -> None:
            nonlocal asked, saved
            asked += 1
            if asked == every:
                file = io.BytesIO()
                torch.save(run.state(), file)
                saved = file.getvalue()
                raise Killed

        torch.rand(3)  # whatever else happens in the process
        run = Run(noisy(), training_data(toy()), recipe, epochs, 5, check)
        if saved is not None:
            run.restore(torch.load(io.BytesIO(saved), weights_only=True))
        try:
            while run.epochs < epochs:
                metrics.append(timeless(run.epoch()))
        except Killed:
            continue
        return bits(run), metrics


RICH: dict[str, dict[str, Any]] = {
    "default": {},
    "sgd": {"optimizer": "sgd", "schedule": "plateau", "patience": 1, "ema": 0.9, "dropout": 0.3},
    "rmsprop": {"optimizer": "rmsprop", "lr": 0.001, "schedule": "exponential", "ema": 0.99, "random_augment": 2, "crop": 0.3},
    "adamw": {"optimizer": "adamw", "lr": 0.001, "schedule": "steps", "mixup": 0.4, "cutmix": 1.0, "cutout": 0.3},
    "half": {"precision": "float16", "mixup": 0.2},
}


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("every", [3, 7])
def test_a_run_broken_off_at_any_step_ends_with_the_same_bits(name: str, every: int) -> None:
    """4 training steps and 1 validation batch an epoch: it is broken at every place of an epoch, validation too."""
    recipe = Recipe(batch=16, translate=0.2, drop_path=0.2, **RICH[name])
    expected, metrics, asked = straight(recipe, 3)
    assert asked == 15
    found, again = broken(recipe, 3, every)
    assert again == metrics
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_run_goes_on_only_as_what_it_was() -> None:
    run = Run(noisy(), training_data(toy()), Recipe(batch=16), 2, 5, lambda: None)
    run.epoch()
    state = run.state()
    for other, what in (
        (Run(noisy(), training_data(toy()), Recipe(batch=16, lr=0.2), 2, 5, lambda: None), "lr=0.1"),
        (Run(noisy(), training_data(toy()), Recipe(batch=16), 3, 5, lambda: None), "steps=8"),
        (Run(noisy(), training_data(toy()), Recipe(batch=16), 2, 6, lambda: None), "seed=5"),
    ):
        with pytest.raises(NasError, match=rf"{what}; allowed: the run's own"):
            other.restore(state)
