"""Mixing each image of a batch with another one, and its label in the same proportion."""

from __future__ import annotations

import torch
from torch import Tensor


def mix(
    images: Tensor, labels: Tensor, classes: int, mixup: float, cutmix: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and labels (B,) as mixed images and the shares (B, classes) of their labels.

    By mixup (Zhang et al., arXiv 1710.09412), lambda * image + (1 - lambda) * other, or by CutMix (Yun et al., arXiv
    1905.04899), a box of the other image with the area 1 - lambda; lambda from Beta(alpha, alpha) for each image.
    `mixup` and `cutmix` are their alphas; where both are above 0, each batch is mixed by one or the other, evenly. Which one
    is decided on the device, which is never waited for.
    """
    count, device = len(images), generator.device
    others = torch.randperm(count, generator=generator, device=device)
    boxed = torch.full((), cutmix > 0, device=device)
    if mixup > 0 and cutmix > 0:
        boxed = torch.rand((), generator=generator, device=device) < 0.5
    alphas = torch.where(boxed, cutmix, mixup).expand(count, 2)
    share = torch._sample_dirichlet(alphas, generator)[:, 0].clamp(0, 1)  # a pair of Dirichlet shares is a Beta
    weights = share[:, None, None]
    if cutmix > 0:
        left = 1 - _boxes(share, images.shape[2], images.shape[3], generator).float()  # what the cut boxes leave
        weights, share = torch.where(boxed, left, weights), torch.where(boxed, left.flatten(1).mean(1), share)
    own = (labels[:, None] == torch.arange(classes, device=device)).float()
    return torch.lerp(images[others], images, weights[:, None]), torch.lerp(own[others], own, share[:, None])


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
