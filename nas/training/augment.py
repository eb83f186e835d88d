"""Augmentation and normalisation of a whole batch as a few tensor operations, on whatever device the images live."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """What training does to an image: mirrors half, shifts by up to `shift` pixels (y, x), blanks a `square`."""

    flip: bool = False
    shift: tuple[int, int] = (0, 0)
    square: tuple[int, int] = (0, 0)

    @staticmethod
    def of(flip: bool, translate: float, cutout: float, height: int, width: int) -> Augmentation:
        """From fractions of the side to pixels of an image of `height` x `width`.

        A reflected border can't be wider than the image less one pixel.
        """
        shift = tuple(min(round(translate * side), side - 1) for side in (height, width))
        square = tuple(round(cutout * side) for side in (height, width))
        return Augmentation(flip, (shift[0], shift[1]), (square[0], square[1]))


def gather(images: Tensor, rows: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """The images `rows` (B,) of `images` (N, H, W, C), shifted and mirrored: (B, H, W, C) of the same dtype.

    Selection, reflected border, crop and flip are two look-ups, of lines and then of columns, each output pixel where it
    comes from; nothing is padded first. The draws depend on the generator alone, one of each kind per image.
    """
    count, (_, height, width, channels) = len(rows), images.shape
    y = _reflect(_shifted(count, height, augmentation.shift[0], generator), height)
    x = _reflect(_shifted(count, width, augmentation.shift[1], generator), width)
    if augmentation.flip:
        mirrored = torch.rand(count, 1, generator=generator, device=generator.device) < 0.5
        x = torch.where(mirrored, width - 1 - x, x)
    if augmentation.shift[0] == 0:
        chosen = images.index_select(0, rows)
    else:
        chosen = images.reshape(-1, width * channels).index_select(0, (rows[:, None] * height + y).view(-1))
    if augmentation.shift[1] == 0 and not augmentation.flip:
        return chosen.view(count, height, width, channels)
    columns = (x[:, :, None] * channels + torch.arange(channels, device=x.device)).view(count, 1, -1)
    lines = chosen.view(count, height, -1)
    return lines.gather(2, columns.expand_as(lines)).view(count, height, width, channels)


def cut_out(images: Tensor, square: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Normalised `images` (B, H, W, C) with a square of zeros (the mean colour) around a random pixel of each.

    The square may stick out at the border (DeVries & Taylor, arXiv 1708.04552).
    """
    if 0 in square:
        return images
    count, height, width, _ = images.shape
    rows, columns = _band(count, height, square[0], generator), _band(count, width, square[1], generator)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[..., None], 0.0)


@dataclass(frozen=True)
class Normalisation:
    """Mean and inverse standard deviation of each channel, each (C,) float32, over the images trained on.

    low, high: the smallest and the largest value in them; one apart where they are the same.
    """

    mean: Tensor
    inverse: Tensor
    low: float
    high: float

    @staticmethod
    def of(images: Tensor, rows: Tensor) -> Normalisation:
        """From the images `rows` of `images` (N, H, W, C); a constant channel is left at its scale."""
        count, total, squares = 0, torch.zeros(1), torch.zeros(1)
        low, high = math.inf, -math.inf
        for part in torch.split(rows, 4096):  # float64 copies of a whole data set would not fit in memory
            pixels = images[part].reshape(-1, images.shape[-1]).double()
            count, total, squares = count + len(pixels), total + pixels.sum(0), squares + pixels.square().sum(0)
            low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(0).sqrt()
        inverse = torch.where(std > 1e-6 * mean.abs().clamp_min(1e-6), 1 / std, torch.ones_like(std))
        return Normalisation(mean.float(), inverse.float(), low, high if high > low else low + 1)

    def to(self, device: torch.device) -> Normalisation:
        """The same on another device."""
        return Normalisation(self.mean.to(device), self.inverse.to(device), self.low, self.high)

    def __call__(self, images: Tensor) -> Tensor:
        """(B, H, W, C) of any number type to float32 with mean 0 and deviation 1."""
        lines = images.reshape(*images.shape[:2], -1)  # whole lines at a time: a sum over three channels is slow on a CPU
        width = images.shape[2]
        made = lines.to(torch.float32, copy=True).sub_(self.mean.repeat(width)).mul_(self.inverse.repeat(width))
        return made.view(images.shape)


def to_input(images: Tensor) -> Tensor:
    """(B, H, W, C) as (B, C, H, W) in the channels-last layout, without a copy: what convolutions read fastest."""
    return images.permute(0, 3, 1, 2)


def _shifted(count: int, side: int, shift: int, generator: torch.Generator) -> Tensor:
    """Source positions (count, side) along one side, each row moved by a whole number in [-shift, shift]."""
    positions = torch.arange(side, device=generator.device).expand(count, side)
    if shift == 0:
        return positions
    return positions + torch.randint(-shift, shift + 1, (count, 1), generator=generator, device=generator.device)


def _reflect(positions: Tensor, side: int) -> Tensor:
    """Positions outside 0..side-1 mirrored at the border pixel, which isn't repeated."""
    last = side - 1
    return last - (last - positions.abs()).abs()


def _band(count: int, side: int, length: int, generator: torch.Generator) -> Tensor:
    """(count, side) booleans: true on `length` positions around a random one, cut at the ends."""
    start = torch.randint(0, side, (count, 1), generator=generator, device=generator.device) - length // 2
    positions = torch.arange(side, device=generator.device)
    return (positions >= start) & (positions < start + length)
