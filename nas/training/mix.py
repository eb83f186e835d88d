"""Mixing each image of a batch with another one, and its label in the same proportion."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def mix(
    images: Tensor, labels: Tensor, classes: int, mixup: float, cutmix: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and labels (B,) as mixed images and the shares (B, classes) of their labels.

    By mixup (Zhang et al., arXiv 1710.09412), lambda * image + (1 - lambda) * other, or by CutMix (Yun et al., arXiv
    1905.04899), a box of the other image with the area 1 - lambda; lambda from Beta(alpha, alpha) for each image.
    `mixup` and `cutmix` are their alphas; where both are above 0, each batch is mixed by one or the other, evenly.
    """
    device = generator.device
    others = torch.randperm(len(images), generator=generator, device=device)
    boxed = cutmix > 0 and (mixup == 0 or float(torch.rand((), generator=generator, device=device)) < 0.5)
    share = _beta(cutmix if boxed else mixup, len(images), generator)
    if boxed:
        box = _boxes(share, images.shape[2], images.shape[3], generator)
        images = torch.where(box[:, None], images[others], images)
        share = 1 - box.flatten(1).float().mean(1)  # what a cut box leaves
    else:
        images = torch.lerp(images[others], images, share[:, None, None, None])
    own = functional.one_hot(labels, classes).float()
    return images, torch.lerp(own[others], own, share[:, None])


def _beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draws (count,) from Beta(alpha, alpha)."""
    alphas = torch.full((count, 2), alpha, device=generator.device)
    shares: Tensor = torch._sample_dirichlet(alphas, generator)  # a pair of Dirichlet shares is a Beta
    return shares[:, 0].clamp(0, 1)


def _boxes(share: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Booleans (B, height, width), true in a box around a random pixel of area 1 - share, cut at the border."""
    side = (1 - share).sqrt()

    def band(length: int) -> Tensor:
        centre = torch.randint(0, length, (len(share), 1), generator=generator, device=generator.device)
        start = centre - torch.round(side * length).long()[:, None] // 2
        end = start + torch.round(side * length).long()[:, None]
        place = torch.arange(length, device=generator.device)
        return (place >= start) & (place < end)

    return band(height)[:, :, None] & band(width)[:, None, :]
