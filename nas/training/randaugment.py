"""RandAugment (Cubuk et al., arXiv 1909.13719) on whole batches, each image with operations of its own.

The 14 operations are the paper's (section 4); at magnitude 10 each is as strong as AutoAugment allows (Cubuk et al.,
arXiv 1805.09501, table 6), in between in proportion. Images are (B, C, H, W) floats from 0 to 1, of any number of
channels; levels are (B,), from -1 to 1, their sign the direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from nas.training.warp import constant, matrices, warp

SHEAR, TRANSLATE, ROTATE = 0.3, 150 / 331, math.radians(30)  # of the side; of the side; radians
ENHANCE = 0.9  # colour, contrast, brightness and sharpness between 0.1 and 1.9 of the image's
BITS = 4  # of 8, that posterize takes away
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as in Pillow

Operation = Callable[[Tensor, Tensor, Tensor], Tensor]  # images, levels, colour (C,) of what comes from outside


def random_augment(
    images: Tensor, count: int, magnitude: float, fill: Tensor, generator: torch.Generator
) -> Tensor:
    """`images` after `count` operations each, drawn evenly and with a random sign, at `magnitude` from 0 to 10.

    Never waits for a device: there all images go through all operations, and each keeps the one that it drew.
    """
    apply = _apart if images.device.type == "cpu" else _together
    for _ in range(count):
        size, device = (len(images),), generator.device
        drawn = torch.randint(len(OPERATIONS), size, generator=generator, device=device)
        signs = 2.0 * torch.randint(2, size, generator=generator, device=device) - 1
        images = apply(images, drawn, magnitude / 10 * signs, fill)
    return images


def _apart(images: Tensor, drawn: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    """Each operation on the images that drew it: what is least work, and needs to know how many they are."""
    made = torch.empty_like(images)
    for number, operation in enumerate(OPERATIONS.values()):
        rows = (drawn == number).nonzero()[:, 0]
        if len(rows):
            made[rows] = operation(images[rows], levels[rows], fill)
    return made


def _together(images: Tensor, drawn: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    """The same values as `_apart`, in a number of kernels that nothing drawn changes; one look-up for all new shapes."""
    made, where = images, matrices(len(images), levels)
    moved = torch.zeros_like(drawn, dtype=torch.bool)
    for number, (name, operation) in enumerate(OPERATIONS.items()):
        own = drawn == number
        if name in SHAPES:
            where, moved = torch.where(own[:, None, None], SHAPES[name](images, levels), where), moved | own
        else:
            made = torch.where(own[:, None, None, None], operation(images, levels, fill), made)
    return torch.where(moved[:, None, None, None], warp(images, where, fill), made)


def _identity(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    return images


def _shear_x(images: Tensor, levels: Tensor) -> Tensor:
    where = matrices(len(images), levels)
    where[:, 0, 1] = SHEAR * levels
    return where


def _shear_y(images: Tensor, levels: Tensor) -> Tensor:
    where = matrices(len(images), levels)
    where[:, 1, 0] = SHEAR * levels
    return where


def _translate_x(images: Tensor, levels: Tensor) -> Tensor:
    where = matrices(len(images), levels)
    where[:, 0, 2] = TRANSLATE * levels * images.shape[3]
    return where


def _translate_y(images: Tensor, levels: Tensor) -> Tensor:
    where = matrices(len(images), levels)
    where[:, 1, 2] = TRANSLATE * levels * images.shape[2]
    return where


def _rotate(images: Tensor, levels: Tensor) -> Tensor:
    where = matrices(len(images), levels)
    cosine, sine = torch.cos(ROTATE * levels), torch.sin(ROTATE * levels)
    where[:, 0, 0], where[:, 0, 1], where[:, 1, 0], where[:, 1, 1] = cosine, sine, -sine, cosine
    return where


def _brightness(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    return _enhanced(torch.zeros_like(images), images, levels)


def _colour(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    return _enhanced(_grey(images), images, levels)


def _contrast(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    return _enhanced(_grey(images).mean((1, 2, 3), keepdim=True), images, levels)


def _sharpness(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    channels, height, width = images.shape[1:]
    if min(height, width) < 3:
        return images
    kernel = constant(((1, 1, 1), (1, 5, 1), (1, 1, 1)), images) / 13  # as Pillow's SMOOTH
    smooth = images.clone()  # which leaves the border as it is
    smooth[:, :, 1:-1, 1:-1] = functional.conv2d(images, kernel.expand(channels, 1, 3, 3), groups=channels)
    return _enhanced(smooth, images, levels)


def _enhanced(plain: Tensor, images: Tensor, levels: Tensor) -> Tensor:
    """Away from `plain`, or towards it where the level is below 0."""
    factor = 1 + ENHANCE * levels[:, None, None, None]
    return (plain + (images - plain) * factor).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    """Brightness (B, 1, H, W)."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return (images * constant(LUMA, images)[:, None, None]).sum(1, keepdim=True)


def _posterize(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    step = 2.0 ** torch.round(BITS * levels.abs())[:, None, None, None]
    return torch.where(step > 1, _bytes(images).div(step, rounding_mode="floor") * step / 255, images)


def _solarize(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    limit = 256 * (1 - levels.abs())[:, None, None, None]
    return torch.where(_bytes(images) >= limit, 1 - images, images)


def _autocontrast(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp_min(1e-6), images)


def _equalize(images: Tensor, levels: Tensor, fill: Tensor) -> Tensor:
    """Every brightness about as often as any other, by channel: Pillow's whole-number sums, so that below 256 pixels
    nothing changes."""
    count, channels, height, width = images.shape
    values = _bytes(images).long().reshape(count * channels, height * width)
    often = values.new_zeros(len(values), 256).scatter_add_(1, values, torch.ones_like(values))
    brightest = often.gather(1, values.amax(1, keepdim=True))
    step = (height * width - brightest) // 255
    below = often.cumsum(1) - often
    table = ((step // 2 + below) // step.clamp_min(1)).clamp(max=255)
    mapped = (table.gather(1, values).to(images.dtype) / 255).view_as(images)
    return torch.where((step > 0).view(count, channels, 1, 1), mapped, images)


def _bytes(images: Tensor) -> Tensor:
    """Whole numbers from 0 to 255, as floats."""
    return (images * 255).round()


def _warped(name: str) -> Operation:
    return lambda images, levels, fill: warp(images, SHAPES[name](images, levels), fill)


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # to the matrices (B, 2, 3) of `warp`
    "rotate": _rotate,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}

OPERATIONS: dict[str, Operation] = {
    "identity": _identity,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "rotate": _warped("rotate"),
    "solarize": _solarize,
    "colour": _colour,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _warped("shear_x"),
    "shear_y": _warped("shear_y"),
    "translate_x": _warped("translate_x"),
    "translate_y": _warped("translate_y"),
}
