"""Shifting, turning, shearing and cropping a whole batch, each image by a matrix of its own, in one look-up."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

ASPECT = (3 / 4, 4 / 3)  # width to height of a crop (Szegedy et al., arXiv 1409.4842, section 6)


def warp(images: Tensor, matrices: Tensor, fill: Tensor | None = None) -> Tensor:
    """Images (B, C, H, W), each pixel read where its matrix sends it, between pixels interpolated linearly.

    A matrix (2, 3) of `matrices` (B, 2, 3) sends a pixel (x, y, 1), counted from the middle of the image to the right and
    down, to where it comes from. What comes from outside is `fill` (C,), or without it the pixel at the border.
    """
    height, width = images.shape[2:]
    # from pixels to the unit of torch's grids, half a side
    matrices = matrices * constant(((1, height / width, 2 / width), (width / height, 1, 2 / height)), matrices)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    if fill is None:
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    colour = fill[:, None, None]
    return functional.grid_sample(images - colour, grid, align_corners=False) + colour


def constant(values: tuple[object, ...], like: Tensor) -> Tensor:
    """`values` as a tensor of the type and on the device of `like`: sent there once, for each time would wait for it."""
    return _constant(values, like.dtype, like.device)


@functools.lru_cache(64)
def _constant(values: tuple[object, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=dtype, device=device)


def matrices(count: int, like: Tensor) -> Tensor:
    """The matrices (count, 2, 3) that leave images as they are, of the type and on the device of `like`."""
    return torch.eye(2, 3, dtype=like.dtype, device=like.device).repeat(count, 1, 1)


def random_crop(images: Tensor, area: float, generator: torch.Generator) -> Tensor:
    """A random part of each of `images` (B, C, H, W), from `area` of it to all, blown up to its size.

    The area is even between the two, the logarithm of width to height even over `ASPECT` (Szegedy et al., arXiv
    1409.4842); where a part would be wider or higher than the image, it is as wide or high as that.
    """
    count, (height, width) = len(images), images.shape[2:]
    draw = torch.rand(4, count, generator=generator, device=generator.device)
    areas = area + (1 - area) * draw[0]
    low, high = map(math.log, ASPECT)
    aspect = torch.exp(low + (high - low) * draw[1])
    wide, tall = (areas * aspect).sqrt().clamp(max=1), (areas / aspect).sqrt().clamp(max=1)
    where = matrices(count, draw)
    where[:, 0, 0], where[:, 1, 1] = wide, tall
    where[:, 0, 2] = (draw[2] - 0.5) * (1 - wide) * width
    where[:, 1, 2] = (draw[3] - 0.5) * (1 - tall) * height
    return warp(images, where)
