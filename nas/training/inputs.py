"""From rows of a data set to what the network reads: augmented in training, as they are in validation."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.training.augment import Augmentation, cut_out, gather, to_input
from nas.training.dataset import TrainingData
from nas.training.mix import mix
from nas.training.recipe import Recipe


class Inputs:
    """The images of `data` as a recipe wants them, at `size` (rows, columns), or at their own. Draws from `generator`.

    Everything but the mixing is done at the data set's own size, where it is cheapest.
    """

    def __init__(
        self, data: TrainingData, recipe: Recipe, size: tuple[int, int] | None, generator: torch.Generator
    ) -> None:
        self.data, self.recipe, self.size, self.generator = data, recipe, input_size(recipe, size), generator
        _, height, width = data.shape
        self.augmentation = Augmentation.of(recipe.flip and data.flip, recipe.translate, recipe.cutout, height, width)

    def drawn(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images (B, C, H, W) of `rows` (B,), and their labels (B,), or shares (B, classes) if mixed."""
        images = self.data.normalisation(gather(self.data.images, rows, self.augmentation, self.generator))
        images = cut_out(images, self.augmentation.square, self.generator)
        inputs, labels = self._sized(to_input(images)), self.data.labels[rows]
        if self.recipe.mixup == 0 and self.recipe.cutmix == 0:
            return inputs, labels
        return mix(inputs, labels, self.data.classes, self.recipe.mixup, self.recipe.cutmix, self.generator)

    def plain(self, rows: Tensor) -> Tensor:
        """The images (B, C, H, W) of `rows` (B,) as they are."""
        return plain(self.data, rows, self.size)

    def _sized(self, images: Tensor) -> Tensor:
        return resized(images, self.size)


def input_size(recipe: Recipe, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Rows and columns that images are brought to: `size`, else the recipe's, else None, as they are."""
    return size if size is not None or recipe.image is None else (recipe.image, recipe.image)


def plain(data: TrainingData, rows: Tensor, size: tuple[int, int] | None) -> Tensor:
    """The normalised images (B, C, H, W) of `rows` (B,) at `size` (rows, columns), or their own."""
    return resized(to_input(data.normalisation(data.images[rows])), size)


def resized(images: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Images (B, C, H, W) at another size; the same ones where it is None or their own."""
    if size is None:
        return images
    from nas.build import resample

    return resample(images, size)
