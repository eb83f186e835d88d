"""Several processes that train one network together, each on its share of every batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.errors import NasError


class Ranks:
    """The place of this process, `rank`, among `world` of them; alone, everything here does nothing.

    With several, `torch.distributed` must be up before anything but `share` is asked of it.
    """

    def __init__(self, rank: int, world: int) -> None:
        if not 0 <= rank < world:
            raise NasError(f"shard=({rank}, {world}); allowed: a rank from 0 that is below the number of processes")
        self.rank, self.world = rank, world

    def share(self, rows: Tensor) -> Tensor:
        """Every world-th of `rows` (B,), from the rank's own on; shares differ by one row at most."""
        return rows if self.world == 1 else rows[self.rank :: self.world]

    def sum(self, values: Tensor) -> Tensor:
        """The sum of all processes' `values`, the same in all of them."""
        if self.world > 1:
            values = values.clone()
            torch.distributed.all_reduce(values)
        return values

    @torch.no_grad()
    def agree(self, module: nn.Module) -> None:
        """Give every process the buffers of rank 0: each has normalised its own images, so its statistics differ."""
        if self.world > 1:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)
