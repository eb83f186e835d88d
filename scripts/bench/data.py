"""Images a second that reach a network, in ratios within one run.

    python scripts/bench/data.py [--images 10000] [--batch 128] [--rounds 5] [--photos 400] [--loaders 0 1 2]

In memory: 32 x 32 colour images, shifted by up to 4 pixels, mirrored and normalised, one thread, by seconds of the
processor. `batched` is ours; `one look-up` selects every pixel by itself and normalises channel by channel, as is usual;
`each by Pillow` is the code that most people write: a torch `Dataset` of Pillow images with a crop, a flip, and
normalisation one by one, in a `DataLoader` (of no processes, so that all its work is counted).
Streamed: photographs as JPEG files, read by so many processes (0: threads), by wall seconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Items

import nas.data
from nas.data.base import Dataset
from nas.training.dataset import TrainingData
from nas.training.inputs import Inputs
from nas.training.recipe import Recipe
from nas.training.stream import Stream

CPU = torch.device("cpu")


class ByPillow(Items[tuple[Tensor, int]]):
    """One image at a time."""

    def __init__(self, data: TrainingData) -> None:
        self.images, self.labels, self.rows = data.images.numpy(), data.labels.tolist(), data.train.tolist()
        self.mean, self.inverse = data.normalisation.mean[:, None, None], data.normalisation.inverse[:, None, None]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        row = self.rows[index]
        image = Image.fromarray(self.images[row])
        image = Image.fromarray(np.pad(np.asarray(image), ((4, 4), (4, 4), (0, 0)), mode="reflect"))
        left, top = torch.randint(0, 9, (2,)).tolist()
        image = image.crop((left, top, left + 32, top + 32))
        if torch.rand(1) < 0.5:
            image = ImageOps.mirror(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
        return (pixels - self.mean) * self.inverse, self.labels[row]


def one_look_up(data: TrainingData, rows: Tensor) -> Tensor:
    """The batch with every pixel looked up by its three indices."""
    def places(count: int) -> Tensor:
        shifted = torch.arange(32).expand(count, 32) + torch.randint(-4, 5, (count, 1))
        return 31 - (31 - shifted.abs()).abs()

    y, x = places(len(rows)), places(len(rows))
    x = torch.where(torch.rand(len(rows), 1) < 0.5, 31 - x, x)
    images = data.images[rows[:, None, None], y[:, :, None], x[:, None, :]]
    return ((images.float() - data.normalisation.mean) * data.normalisation.inverse).permute(0, 3, 1, 2)


def rate(count: int, clock: Callable[[], float], action: Callable[[], object]) -> float:
    """Images a second."""
    start = clock()
    action()
    return count / (clock() - start)


def in_memory(images: int, batch: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(images, dtype=np.int64) % 10
    shown = rng.integers(0, 256, (images, 32, 32, 3), np.uint8)
    data = TrainingData.of(Dataset("made", shown, labels, None, None, 10, tuple("abcdefghij"), True), 0.2, 0, CPU)
    parts = torch.split(data.train[torch.randperm(len(data.train))], batch)
    ours = Inputs(data, Recipe(), None, torch.Generator().manual_seed(0))
    loader = DataLoader(ByPillow(data), batch, shuffle=True)
    ways: dict[str, Callable[[], object]] = {
        "batched": lambda: [ours.drawn(rows) for rows in parts],
        "one look-up": lambda: [one_look_up(data, rows) for rows in parts],
        "each by Pillow": lambda: list(loader),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, action in ways.items():
            found[name].append(rate(len(data.train), time.process_time, action))
    typical = {name: statistics.median(rates) for name, rates in found.items()}
    for name, each in typical.items():
        print(f"{name:15s} {each:10,.0f} images a second of one core   batched is {typical['batched'] / each:5.2f} times that")


def streamed(photos: int, batch: int, loaders: list[int], height: int = 375, width: int = 500) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        for number in range(photos):
            folder = Path(place) / ("a", "b")[number % 2]
            folder.mkdir(exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 256, (height // 12, width // 12, 3), np.uint8))
            coarse.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
        for side in (224, 64):
            source = nas.data.load(f"folder:{place}?size={side}&stream=1").x_train
            parts = torch.split(torch.randperm(photos), batch)
            for count in loaders:
                stream = Stream(source, CPU, count)
                list(stream.batches(parts[:1]))  # processes start
                each = rate(photos, time.perf_counter, lambda stream=stream, parts=parts: list(stream.batches(parts)))
                who = f"{count} process(es)" if count else "threads"
                print(f"streamed, {width} x {height} JPEG to {side} x {side}, {who:12s} {each:8,.0f} images a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--loaders", type=int, nargs="*", default=[0, 1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    in_memory(given.images, given.batch, given.rounds)
    streamed(given.photos, min(given.batch, 32), given.loaders)


if __name__ == "__main__":
    main()
