"""The training loop that most people would write first: kept as it is, for ours to be held against.

A map-style `Dataset` that augments one Pillow image after another (shift by up to an eighth of the side, mirrored border; flip),
a `DataLoader` with worker processes, float32, torch's own layout, torch.optim.SGD, and a look at the loss at every step.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images (N, H, W, C) and labels (N,), one at a time."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, train: bool, flip: bool = True) -> None:
        self.images, self.labels, self.train, self.flip = images, labels, train, flip
        self.shift = round(images.shape[1] / 8) if images.shape[1] >= 16 else 0
        pixels = images.reshape(-1, images.shape[-1]) / 255.0
        self.mean, self.std = torch.tensor(pixels.mean(0)).float(), torch.tensor(pixels.std(0)).float()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels, shift = self.images[index], self.shift
        if self.train and shift:
            side = pixels.shape[:2]
            pixels = np.pad(pixels, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
            left, top = random.randint(0, 2 * shift), random.randint(0, 2 * shift)
            picture = Image.fromarray(pixels.squeeze()).crop((left, top, left + side[1], top + side[0]))
            if self.flip and random.random() < 0.5:
                picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            pixels = np.asarray(picture).reshape(self.images.shape[1:])
        values = torch.from_numpy(pixels.copy()).float().div(255)
        return ((values - self.mean) / self.std).permute(2, 0, 1).contiguous(), int(self.labels[index])


class PlainLoop:
    """Trains `module` on `pictures`, on `device`."""

    def __init__(self, module: nn.Module, pictures: Pictures, device: torch.device, batch: int, loaders: int, lr: float = 0.1) -> None:
        self.module, self.device, self.batch = module.to(device).train(), device, batch
        self.loader: Any = DataLoader(
            pictures, batch, shuffle=True, drop_last=True, num_workers=loaders, persistent_workers=loaders > 0,
            pin_memory=device.type == "cuda",
        )  # fmt: skip
        self.optimiser = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)

    def steps(self) -> Iterator[float]:
        """The loss of every step of one epoch."""
        for images, labels in self.loader:
            output = self.module(images.to(self.device))
            main, *others = (output,) if isinstance(output, Tensor) else (output.main, *output.aux)
            loss = functional.cross_entropy(main, labels.to(self.device))
            for weight, other in zip(getattr(self.module, "aux_weights", ()), others, strict=False):
                loss = loss + weight * functional.cross_entropy(other, labels.to(self.device))
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            yield loss.item()

    @torch.no_grad()
    def accuracy(self, pictures: Pictures) -> float:
        """Of the module on `pictures`."""
        self.module.eval()
        right = 0
        for images, labels in DataLoader(pictures, 2 * self.batch):
            right += (self.module(images.to(self.device)).argmax(1).cpu() == labels).sum().item()
        self.module.train()
        return right / len(pictures)
