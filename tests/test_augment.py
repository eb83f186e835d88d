"""RandAugment, crops and mixing: on whole batches what a slow program does image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from nas.training.mix import mix
from nas.training.randaugment import ENHANCE, OPERATIONS, ROTATE, SHEAR, TRANSLATE, random_augment
from nas.training.warp import matrices, random_crop, warp

GREY = torch.tensor([0.5])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(count: int = 4, channels: int = 3, height: int = 24, width: int = 20, seed: int = 0) -> Tensor:
    """Images of whole brightnesses from 0 to 255, smooth enough to have structure, as floats from 0 to 1."""
    coarse = torch.rand(count, channels, 5, 4, generator=generator(seed))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round() / 255


def pillow(image: Tensor) -> Image.Image:
    return Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy())


def back(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def by_pillow(name: str, image: Image.Image, level: float) -> Image.Image:
    """The operation as Pillow has it; Cubuk et al. used these."""
    enhancers = {
        "brightness": ImageEnhance.Brightness, "colour": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast, "sharpness": ImageEnhance.Sharpness,
    }  # fmt: skip
    if name in enhancers:
        return enhancers[name](image).enhance(1 + ENHANCE * level)
    if name == "posterize":
        return ImageOps.posterize(image, 8 - round(4 * abs(level)))
    if name == "solarize":
        return ImageOps.solarize(image, math.ceil(256 * (1 - abs(level))))
    return {"autocontrast": ImageOps.autocontrast, "equalize": ImageOps.equalize, "identity": lambda same: same}[name](image)


COLOURS = [name for name in OPERATIONS if not name.startswith(("shear", "translate", "rotate"))]
SHAPES = [name for name in OPERATIONS if name not in COLOURS]


@pytest.mark.parametrize("name", COLOURS)
@pytest.mark.parametrize("level", [-1.0, -0.4, 0.5, 1.0])
def test_operations_on_colours_are_pillows(name: str, level: float) -> None:
    """Each image of a batch by a level of its own; Pillow rounds to whole brightnesses, twice in an enhancement."""
    images = photos()
    levels = torch.tensor([level, -level, level / 2, level])
    made = OPERATIONS[name](images, levels, GREY)
    for image, one, out in zip(images, levels.tolist(), made, strict=True):
        expected = back(by_pillow(name, pillow(image), one))
        assert (out - expected).abs().max() <= 2.01 / 255


def slow_warp(image: Tensor, matrix: list[list[float]], fill: float) -> Tensor:
    """Every pixel looked up by itself, linearly between the four around its source; outside lies `fill`."""
    _, height, width = image.shape

    def at(y: int, x: int) -> Tensor:
        inside = 0 <= y < height and 0 <= x < width
        return image[:, y, x] if inside else torch.full_like(image[:, 0, 0], fill)

    out = torch.empty_like(image)
    for row in range(height):
        for column in range(width):
            x, y = column - (width - 1) / 2, row - (height - 1) / 2
            u = matrix[0][0] * x + matrix[0][1] * y + matrix[0][2] + (width - 1) / 2
            v = matrix[1][0] * x + matrix[1][1] * y + matrix[1][2] + (height - 1) / 2
            left, top = math.floor(u), math.floor(v)
            a, b = u - left, v - top
            upper = (1 - a) * at(top, left) + a * at(top, left + 1)
            lower = (1 - a) * at(top + 1, left) + a * at(top + 1, left + 1)
            out[:, row, column] = (1 - b) * upper + b * lower
    return out


def by_hand(name: str, level: float, height: int, width: int) -> list[list[float]]:
    angle = ROTATE * level
    return {
        "shear_x": [[1, SHEAR * level, 0], [0, 1, 0]],
        "shear_y": [[1, 0, 0], [SHEAR * level, 1, 0]],
        "translate_x": [[1, 0, TRANSLATE * level * width], [0, 1, 0]],
        "translate_y": [[1, 0, 0], [0, 1, TRANSLATE * level * height]],
        "rotate": [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0]],
    }[name]


@pytest.mark.parametrize("name", SHAPES)
def test_operations_on_shapes_are_a_look_up_of_every_pixel(name: str) -> None:
    images = photos(count=2, height=9, width=14)
    levels = torch.tensor([0.9, -0.5])
    made = OPERATIONS[name](images, levels, torch.full((3,), 0.5))
    for image, level, out in zip(images, levels.tolist(), made, strict=True):
        assert torch.allclose(out, slow_warp(image, by_hand(name, level, 9, 14), 0.5), atol=1e-4)


def test_a_turn_by_a_right_angle_and_a_whole_shift_are_exact() -> None:
    images = photos(height=12, width=12)
    quarter = torch.tensor([[0.0, 1, 0], [-1, 0, 0]]).repeat(4, 1, 1)
    assert torch.allclose(warp(images, quarter), images.rot90(-1, (2, 3)), atol=1e-5)
    shift = matrices(4, images)
    shift[:, 0, 2] = 3
    moved = warp(images, shift, torch.zeros(3))
    assert torch.allclose(moved[..., :-3], images[..., 3:], atol=1e-5)
    assert moved[..., -3:].abs().max() < 1e-5


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("autocontrast", "equalize")])
def test_magnitude_zero_changes_nothing(name: str) -> None:
    images = torch.rand(3, 3, 10, 8)  # not of whole brightnesses either
    assert torch.allclose(OPERATIONS[name](images, torch.zeros(3), GREY.expand(3)), images, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (64, 33), (1, 1), (2, 5)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_takes_any_image(name: str, channels: int, height: int, width: int) -> None:
    images = torch.rand(4, channels, height, width, generator=generator())
    for shown in (images, torch.zeros_like(images), torch.ones_like(images)):
        out = OPERATIONS[name](shown, torch.tensor([1.0, -1.0, 0.3, -0.7]), torch.full((channels,), 0.4))
        assert out.shape == images.shape
        assert torch.isfinite(out).all()
        assert out.min() >= -1e-5
        assert out.max() <= 1 + 1e-5


def test_each_image_draws_operations_of_its_own() -> None:
    """One image 1,400 times: each of 14 operations is drawn 100 times, give or take; odds below 1e-6 of more than 50."""
    one = photos(count=1, height=16, width=16)
    out = random_augment(one.expand(1400, -1, -1, -1), 1, 9.0, torch.full((3,), 0.5), generator())
    different = torch.unique(out.flatten(1), dim=0)
    assert abs(len(different) - (9 * 2 + 5)) <= 1  # nine operations have a direction, five are alike both ways
    same = (out - one).flatten(1).abs().amax(1) < 1e-6
    assert 50 < int(same.sum()) < 350  # identity, and what an image happens not to change by


def test_drawing_is_by_the_seed_and_the_count() -> None:
    images, fill = photos(count=32), torch.full((3,), 0.5)
    first, again, other = (random_augment(images, 2, 9.0, fill, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(random_augment(images, 0, 9.0, fill, generator()), images)


def test_crops_are_parts_of_the_image_blown_up() -> None:
    """On an image whose colours are its coordinates, a crop shows where it is from."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 40), torch.linspace(0, 1, 40), indexing="ij")
    images = torch.stack([y, x, torch.zeros_like(x)]).expand(500, -1, -1, -1)
    out = random_crop(images, 0.25, generator())
    tall = (out[:, 0, -1] - out[:, 0, 0]).mean(1) * 39 / 40 + 1 / 40  # from pixel's middle to pixel's middle
    wide = (out[:, 1, :, -1] - out[:, 1, :, 0]).mean(1) * 39 / 40 + 1 / 40
    area, aspect = tall * wide, wide / tall
    assert 0.22 < area.min() < 0.3
    assert area.max() <= 1.001
    assert abs(float(area.mean()) - 0.61) < 0.05  # evenly from 0.25 to 1, those too wide cut: a little less than 0.625
    assert 0.7 < aspect.min() < 0.8
    assert 1.25 < aspect.max() < 1.43
    assert (out[:, 0].diff(dim=1) > -1e-5).all()  # not turned, not mirrored
    assert torch.allclose(random_crop(images, 0.25, generator()), out)
    whole = random_crop(images, 1.0, generator())
    assert float((whole - images).abs().mean()) < 0.05


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_labels_are_mixed_as_images_are(mixup: float, cutmix: float) -> None:
    """Images that are their class everywhere: the mean of each must be the mean of its mixed label."""
    labels = torch.arange(6).repeat(20)
    images = labels[:, None, None, None].float().expand(-1, 3, 12, 16)
    for seed in range(6):
        mixed, shares = mix(images, labels, 6, mixup, cutmix, generator(seed))
        assert mixed.shape == images.shape
        assert shares.shape == (120, 6)
        assert torch.allclose(shares.sum(1), torch.ones(120))
        assert shares.min() >= 0
        assert torch.allclose(mixed.mean((1, 2, 3)), shares @ torch.arange(6.0), atol=1e-4)
        again = mix(images, labels, 6, mixup, cutmix, generator(seed))
        assert torch.equal(again[0], mixed)


def test_shares_of_mixup_are_drawn_from_a_beta() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)); 40,000 draws, bounds of seven deviations."""
    labels = torch.arange(2).repeat(20_000)
    images = labels[:, None, None, None].float()
    for alpha in (0.2, 1.0, 4.0):
        _, shares = mix(images, labels, 2, alpha, 0.0, generator())
        own = shares.gather(1, labels[:, None])[:, 0]
        own = own[own < 1]  # mixed with the other class
        spread = 1 / (4 * (2 * alpha + 1))
        assert abs(float(own.mean()) - 0.5) < 7 * math.sqrt(spread / len(own))
        assert abs(float(own.var()) / spread - 1) < 0.1


def test_both_kinds_of_mixing_take_turns() -> None:
    labels = torch.arange(8)
    images = labels[:, None, None, None].float().expand(-1, 1, 8, 8)
    boxed = 0
    for seed in range(200):
        mixed, _ = mix(images, labels, 8, 0.4, 1.0, generator(seed))
        boxed += bool((mixed == mixed.round()).all())
    assert 60 < boxed < 140  # 5.6 deviations
