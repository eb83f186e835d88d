"""The path of a training step never waits for the device, and draws the same distribution by whichever way it goes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas.data.base import Dataset
from nas.training import randaugment, recipes
from nas.training.augment import Augmentation, cut_out, gather
from nas.training.dataset import TrainingData
from nas.training.inputs import Inputs
from nas.training.recipe import Recipe
from nas.training.run import Run

CPU = torch.device("cpu")
WAITS = (  # for a number that the device holds, or for a shape that depends on one
    "_local_scalar_dense", "item", "nonzero", "masked_select", "_unique", "unique_consecutive", "bincount", "is_nonzero",
    "_to_copy", "equal", "repeat_interleave.Tensor",
)  # fmt: skip
EVERYTHING = Recipe(batch=16, cutout=0.5, crop=0.3, random_augment=2, mixup=0.4, cutmix=1.0, ema=0.9, clip=1.0, drop_path=0.1)


class NeverWaits(TorchDispatchMode):
    """Fails on whatever would wait for a GPU, were the tensors there; a copy that stays on its device is none."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func).removeprefix("aten.")
        moves = name.startswith("_to_copy") and kwargs.get("device") in (None, args[0].device)
        if name.startswith(WAITS) and not moves:
            raise AssertionError(f"{func} waits for the device")
        if "index" in name and any(isinstance(each, Tensor) and each.dtype is torch.bool for each in args[1] or ()):
            raise AssertionError(f"{func} with booleans waits for the device")
        return func(*args, **kwargs)


def data(count: int = 64, side: int = 12, channels: int = 3, dtype: type = np.uint8) -> TrainingData:
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % 4
    images = rng.integers(0, 256, (count, side, side, channels)).astype(dtype)
    return TrainingData.of(Dataset("made", images, labels, None, None, 4, tuple("abcd"), True), 0.25, 0, CPU)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(8, 4),
    )  # fmt: skip


ALL = {"default": Recipe(), "everything": EVERYTHING, **{name: recipes.load(name) for name in recipes.names()}}


@pytest.mark.parametrize("name", ALL)
def test_no_step_of_any_recipe_waits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would run on a GPU: there RandAugment works on all images together."""
    monkeypatch.setattr(randaugment, "_apart", randaugment._together)
    given = data()
    run = Run(network(), given, dataclasses.replace(ALL[name], batch=16, image=None), 1, 0, lambda: None)
    run.module.train()
    rows = given.train[:16]
    run.train_step(rows)  # constants are sent to the device once
    with NeverWaits():
        run.train_step(rows)
        run.train_step(given.train[16:32])
    run.module.eval()
    with NeverWaits():
        run.validation_step(given.validation)


def test_the_guard_sees_what_waits() -> None:
    numbers = torch.arange(4.0)
    for waits in (
        lambda: float(numbers[0]), lambda: numbers[numbers > 1], lambda: numbers.nonzero(), lambda: bool(numbers.any()),
        lambda: torch.unique(numbers), lambda: torch.masked_select(numbers, numbers > 1),
    ):  # fmt: skip
        with pytest.raises(AssertionError, match="waits"), NeverWaits():
            waits()


@pytest.mark.parametrize("channels", [1, 3])
def test_together_and_apart_are_the_same(channels: int) -> None:
    images = torch.rand(70, channels, 13, 18, generator=torch.Generator().manual_seed(0))
    drawn = torch.arange(70) % len(randaugment.OPERATIONS)
    levels = torch.linspace(-1, 1, 70)
    fill = torch.full((channels,), 0.4)
    first, second = (apply(images, drawn, levels, fill) for apply in (randaugment._apart, randaugment._together))
    assert torch.allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("recipe", [Recipe(), EVERYTHING], ids=["default", "everything"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_seed_alone_decides(recipe: Recipe, dtype: type) -> None:
    """Not torch's own generator, nor what was drawn before; of both number types the same."""
    given = data(dtype=dtype)

    def drawn(seed: int, noise: int) -> Tensor:
        torch.manual_seed(noise)
        return Inputs(given, recipe, None, torch.Generator().manual_seed(seed)).drawn(given.train[:16])[0]

    assert torch.equal(drawn(1, 2), drawn(1, 3))
    assert not torch.equal(drawn(1, 2), drawn(2, 2))
    other = Inputs(data(dtype=np.uint8), recipe, None, torch.Generator().manual_seed(1)).drawn(given.train[:16])[0]
    assert torch.allclose(drawn(1, 2), other, atol=1e-5)


def within(count: Tensor, tries: int, share: float) -> bool:
    """Counts of a binomial, each less than six deviations from what is expected: odds of a false alarm below 2e-9 a count."""
    return bool(((count - tries * share).abs() < 6 * math.sqrt(tries * share * (1 - share))).all())


def test_shifts_and_flips_are_drawn_evenly() -> None:
    """On an image whose pixels are numbered each result says how it was made: 9 x 9 shifts, half of them mirrored."""
    side, shift, tries = 16, 4, 60_000
    image = torch.arange(side * side).view(1, side, side, 1).float()
    made = gather(image, torch.zeros(tries, dtype=torch.int64), Augmentation(True, (shift, shift)), torch.Generator().manual_seed(0))
    middle, beside = made[:, 8, 8, 0].long(), made[:, 8, 9, 0].long()
    mirrored = beside < middle
    down, right = middle // side - 8 + shift, middle % side
    right = torch.where(mirrored, side - 1 - right, right) - 8 + shift  # of 0 to 8 each
    counts = torch.bincount((mirrored.long() * 9 + down) * 9 + right, minlength=162)
    assert len(counts) == 162
    assert within(counts, tries, 1 / 162)


def test_blanked_squares_lie_anywhere_with_the_same_odds() -> None:
    """A square of 4 around a pixel of 8 x 8: a pixel in the middle is blanked for 16 of 64 places, a corner for 3 x 3 or 2 x 2."""
    tries = 40_000
    blank = (cut_out(torch.ones(tries, 8, 8, 1), (4, 4), torch.Generator().manual_seed(0)) == 0)[..., 0].sum(0)
    reach = [min(8, place + 3) - max(0, place - 1) for place in range(8)]  # it begins two before its place, and so has one after
    for row in range(8):
        for column in range(8):
            assert within(blank[row, column], tries, reach[row] * reach[column] / 64)


def test_operations_are_drawn_evenly_and_with_either_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 30_000
    seen: list[tuple[Tensor, Tensor]] = []

    def look(images: Tensor, drawn: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
        seen.append((drawn, levels))
        return images

    monkeypatch.setattr(randaugment, "_apart", look)
    randaugment.random_augment(torch.zeros(tries, 1, 2, 2), 2, 9.0, torch.zeros(1), torch.Generator().manual_seed(0))
    for drawn, levels in seen:
        assert torch.allclose(levels.abs(), torch.tensor(0.9))
        counts = torch.bincount(drawn * 2 + (levels > 0), minlength=28)
        assert within(counts, tries, 1 / 28)
    pairs = torch.bincount(seen[0][0] * 14 + seen[1][0], minlength=196)
    assert within(pairs, tries, 1 / 196), "the second does not depend on the first"
