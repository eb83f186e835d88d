"""Whether a file computes what the network does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from nas.export.base import BaseFormat, ExportError

if TYPE_CHECKING:
    from nas.export.source import Source

# Largest difference of logits, relative to the largest of them where that is above 1.
TOLERANCE = 1e-4
SIZES = (1, 3)  # batch sizes that are tried where any will do; the file is made with another
# Where a network enlarges rounding beyond that, a file may be this many times as far from exact logits as the network itself,
TIMES = 2.0
MOST = 0.1  # and no further than this: beyond it a wrong file could not be told from a right one.


class Rounding(NamedTuple):
    """How far logits in 32 bits are from the network's in 64, relative as above: the network's own, and the file's."""

    network: float
    file: float

    @property
    def explains(self) -> bool:
        """Whether the file is about as near to exact logits as the network is."""
        return self.file <= min(TIMES * self.network, MOST)


class Checked(NamedTuple):
    """`difference` is max |file - network| / max(1, max |network|); `rounding` is there where that is more than `TOLERANCE`."""

    difference: float
    rounding: Rounding | None


def check_file(writer: BaseFormat, source: Source, path: Path, batch: int | None, seed: int = 0) -> Checked:
    """Run the file and the network on random images, at two batch sizes, or twice at `batch`.

    Raises `ExportError` where they differ by more than `TOLERANCE`, unless rounding explains it: a deep network, one of drawn
    weights above all, can enlarge the last bit of a sum until it shows, and then no other program agrees with it.
    """
    draw = torch.Generator().manual_seed(seed)
    batches = [torch.randn(size, *source.network.input, generator=draw) for size in (SIZES if batch is None else (batch, batch))]
    wanted = [_logits(source.module, images) for images in batches]
    if not all(bool(torch.isfinite(logits).all()) for logits in wanted):
        raise ExportError("the network gives NaN or infinity for random images: there is nothing to check; --no-check writes it")
    run = writer.run(path, source)
    made = [run(images) for images in batches]
    for file, network in zip(made, wanted, strict=True):
        if file.shape != network.shape:
            told = f"{tuple(file.shape)} for {len(network)} images, the network {tuple(network.shape)}"
            raise ExportError(f"{path.name} gives {told}; not written")
    difference = _distance(made, wanted)
    if difference <= TOLERANCE:
        return Checked(difference, None)
    double = copy.deepcopy(source.module).double()
    exact = [_logits(double, images.double()) for images in batches]
    rounding = Rounding(_distance(wanted, exact), _distance(made, exact))
    if not rounding.explains:
        raise ExportError(
            f"{path.name} differs from the network by {difference:.2g} (allowed: {TOLERANCE:g}), and from its 64-bit logits by "
            f"{rounding.file:.2g}, where the network in 32 bits does by {rounding.network:.2g} (allowed: {TIMES:g} times that, "
            f"at most {MOST:g}); not written (--no-check writes it)"
        )
    return Checked(difference, rounding)


def _logits(module: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.inference_mode():
        return module(images)


def _distance(made: list[Tensor], wanted: list[Tensor]) -> float:
    """max |made - wanted| / max(1, max |wanted|) of a batch, the largest; NaN where there is one."""
    pairs = zip(made, wanted, strict=True)
    return float(torch.stack([((one - other).abs().max() / other.abs().max().clamp(min=1.0)).double() for one, other in pairs]).max())
