"""From rows of a data set to what the network reads: augmented in training, as they are in validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nas.training.augment import Augmentation, cut_out, gather, to_input
from nas.training.dataset import TrainingData
from nas.training.mix import mix
from nas.training.randaugment import random_augment
from nas.training.recipe import Recipe
from nas.training.stream import Reader
from nas.training.warp import random_crop


class Inputs:
    """The images of `data` as a recipe wants them, at `size` (rows, columns); see `size_of`. Draws from `generator`.

    Everything but the mixing is done at the data set's own size.
    """

    def __init__(
        self, data: TrainingData, recipe: Recipe, size: tuple[int, int] | None, generator: torch.Generator
    ) -> None:
        self.data, self.recipe, self.size, self.generator = data, recipe, size_of(data, recipe, size), generator
        self.reader = Reader(data.images)
        _, height, width, _ = data.images.shape
        self.augmentation = Augmentation.of(recipe.flip and data.flip, recipe.translate, recipe.cutout, height, width)

    def expect(self, parts: Iterable[Tensor]) -> None:
        """A hint that the rows (B,) of each of `parts` will be asked for next, in this order, so that they can be read ahead."""
        self.reader.expect(parts)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within it images may be read ahead; whatever ends it, those who read are free for others."""
        try:
            yield
        finally:
            self.reader.close()

    def drawn(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images (B, C, H, W) of `rows` (B,), and their labels (B,), or shares (B, classes) if mixed."""
        return self.augmented(*self.reader.take(rows), self.data.labels[rows])

    def augmented(self, images: Tensor, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """`drawn`, of the images `rows` (B,) among `images` (M, H, W, C) with labels (B,). Never waits for the device."""
        images = gather(images, rows, self.augmentation, self.generator)
        if self.recipe.crop > 0 or self.recipe.random_augment > 0:
            images = self._disturbed(images)
        images = cut_out(self.data.normalisation(images), self.augmentation.square, self.generator)
        inputs = resized(to_input(images), self.size)
        if self.recipe.mixup == 0 and self.recipe.cutmix == 0:
            return inputs, labels
        return mix(inputs, labels, self.data.classes, self.recipe.mixup, self.recipe.cutmix, self.generator)

    def plain(self, rows: Tensor) -> Tensor:
        """The images (B, C, H, W) of `rows` (B,) as they are."""
        return plain(self.data, rows, self.size, self.reader)

    def _disturbed(self, images: Tensor) -> Tensor:
        """Cropped and randomly augmented `images` (B, H, W, C), as floats."""
        recipe, low, high = self.recipe, self.data.normalisation.low, self.data.normalisation.high
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


def plain(data: TrainingData, rows: Tensor, size: tuple[int, int] | None, reader: Reader | None = None) -> Tensor:
    """The normalised images (B, C, H, W) of `rows` (B,) at `size` (rows, columns), or their own; `reader` may have read ahead."""
    images, places = (reader or Reader(data.images)).take(rows)
    return resized(to_input(data.normalisation(images.index_select(0, places))), size)


def resized(images: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Images (B, C, H, W) at another size; the same ones where it is None or their own."""
    if size is None:
        return images
    from nas.build import resample

    return resample(images, size)

