"""Whether a file computes what the network does."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor

from nas.export.base import BaseFormat, ExportError
from nas.export.source import Source

# Largest difference of logits, relative to the largest of them where that is above 1.
TOLERANCE = 1e-4
SIZES = (1, 3)  # batch sizes that are tried where any will do; the file is made with another


def largest_difference(writer: BaseFormat, source: Source, path: Path, batch: int | None, seed: int = 0) -> float:
    """max |file - module| / max(1, max |module|) over random images at two batch sizes, or twice at `batch`.

    Raises `ExportError` where that is more than `TOLERANCE`, or no number.
    """
    run = writer.run(path, source)
    draw = torch.Generator().manual_seed(seed)
    worst = 0.0
    for size in SIZES if batch is None else (batch, batch):
        images = torch.randn(size, *source.network.input, generator=draw)
        with torch.inference_mode():
            wanted = source.module(images)
        made = run(images)
        if made.shape != wanted.shape:
            raise ExportError(f"{path.name} gives {tuple(made.shape)} for {size} images, the network {tuple(wanted.shape)}; not written")
        if not bool(torch.isfinite(wanted).all()):
            raise ExportError("the network gives NaN or infinity for random images: there is nothing to check; --no-check writes it")
        difference = float((made - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{path.name} differs from the network by {difference:.2g}, and the network in 32 bits from itself in 64 by "
                f"{rounding(source, images):.2g}; allowed: {TOLERANCE:g}; not written (--no-check writes it)"
            )
        worst = max(worst, difference)
    return worst


def rounding(source: Source, images: Tensor) -> float:
    """How far the network's own logits are from those in 64 bits, relative as above.

    A deep network of drawn weights can enlarge the last bit of a sum until it shows: then no other program agrees with it.
    """
    with torch.inference_mode():
        exact: Tensor = copy.deepcopy(source.module).double()(images.double())
        return float((source.module(images) - exact).abs().max() / exact.abs().max().clamp(min=1.0))
