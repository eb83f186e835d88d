"""From rows of a data set to what the network reads: augmented in training, as they are in validation."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.training.augment import Augmentation, cut_out, gather, to_input
from nas.training.dataset import TrainingData
from nas.training.mix import mix
from nas.training.randaugment import random_augment
from nas.training.recipe import Recipe
from nas.training.warp import random_crop


class Inputs:
    """The images of `data` as a recipe wants them, at `size` (rows, columns); see `size_of`. Draws from `generator`.

    Everything but the mixing is done at the data set's own size.
    """

    def __init__(
        self, data: TrainingData, recipe: Recipe, size: tuple[int, int] | None, generator: torch.Generator
    ) -> None:
        self.data, self.recipe, self.size, self.generator = data, recipe, size_of(data, recipe, size), generator
        _, height, width, _ = data.images.shape
        self.augmentation = Augmentation.of(recipe.flip and data.flip, recipe.translate, recipe.cutout, height, width)
        self._range = _range(data) if recipe.crop > 0 or recipe.random_augment > 0 else None

    def drawn(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images (B, C, H, W) of `rows` (B,), and their labels (B,), or shares (B, classes) if mixed."""
        images = gather(self.data.images, rows, self.augmentation, self.generator)
        if self._range is not None:
            images = self._disturbed(images, *self._range)
        images = cut_out(self.data.normalisation(images), self.augmentation.square, self.generator)
        inputs, labels = resized(to_input(images), self.size), self.data.labels[rows]
        if self.recipe.mixup == 0 and self.recipe.cutmix == 0:
            return inputs, labels
        return mix(inputs, labels, self.data.classes, self.recipe.mixup, self.recipe.cutmix, self.generator)

    def plain(self, rows: Tensor) -> Tensor:
        """The images (B, C, H, W) of `rows` (B,) as they are."""
        return plain(self.data, rows, self.size)

    def _disturbed(self, images: Tensor, low: float, high: float) -> Tensor:
        """Cropped and randomly augmented `images` (B, H, W, C) of values from `low` to `high`, as floats."""
        recipe = self.recipe
        inner = ((images.float() - low) / (high - low)).permute(0, 3, 1, 2)
        if recipe.crop > 0:
            inner = random_crop(inner, recipe.crop, self.generator)
        if recipe.random_augment > 0:
            fill = (self.data.normalisation.mean - low) / (high - low)
            inner = random_augment(inner, recipe.random_augment, recipe.magnitude, fill, self.generator)
        return (inner * (high - low) + low).permute(0, 2, 3, 1).contiguous()


def size_of(data: TrainingData, recipe: Recipe, size: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """Rows and columns that images are brought to: `size`, else those of `data` or of the recipe; None: as they are."""
    return size or data.size or (None if recipe.image is None else (recipe.image, recipe.image))


def plain(data: TrainingData, rows: Tensor, size: tuple[int, int] | None) -> Tensor:
    """The normalised images (B, C, H, W) of `rows` (B,) at `size` (rows, columns), or their own."""
    return resized(to_input(data.normalisation(data.images[rows])), size)


def resized(images: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Images (B, C, H, W) at another size; the same ones where it is None or their own."""
    if size is None:
        return images
    from nas.build import resample

    return resample(images, size)


def _range(data: TrainingData) -> tuple[float, float]:
    """The smallest and the largest value of all images; one apart where they are the same."""
    low, high = (float(each) for each in torch.aminmax(data.images))
    return low, high if high > low else low + 1
