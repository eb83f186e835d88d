"""Shared weights in a run's store: each process has them as they were last written, and reads them only when that changes."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass

import torch

from nas.bank import Bank
from nas.errors import NasError
from nas.evaluators.proxy import Size
from nas.evaluators.store import Store
from nas.tensors import read_tensors
from nas.training.shared import SharedWeights

BANK = "bank"  # its name in the store


@dataclass
class Kept:
    """The weights, the size of the networks that have them, and how far the phase is that trained them last.

    version: which writing of the file it is; phase: the trial; index: updates of it that are done; done: whether it has ended.
    """

    version: str
    weights: SharedWeights
    size: Size
    phase: int = -1
    index: int = 0
    done: bool = True


class Banks:
    """The weights of a store, once a device; for threads that are lanes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held: dict[tuple[str, str], Kept] = {}

    def latest(self, store: Store, device: torch.device) -> Kept | None:
        """As they were last written; None before the first time. Raises `NasError` where they cannot be read."""
        version, name = store.version(BANK), (str(store.place), str(device))
        with self._lock:
            held = self._held.get(name)
            if version is None:
                return None
            if held is None or held.version != version:
                held = self._held[name] = _read(store, device, version)
            return held

    def begun(self, store: Store, phase: int, size: Size, device: torch.device, seed: int) -> Kept:
        """To be trained by trial `phase`: as an earlier attempt at it left them, or an earlier phase; else new, by `seed`."""
        kept = self.latest(store, device) or Kept("", SharedWeights(Bank(seed, device)), size)
        if kept.phase != phase:
            kept.phase, kept.index, kept.done = phase, 0, False
        with self._lock:
            self._held[str(store.place), str(device)] = kept
        return kept

    def write(self, store: Store, kept: Kept, index: int, *, done: bool) -> None:
        """Keep them in the store. Raises `StoreError`; then what was there still is."""
        kept.index, kept.done = index, done
        buffer, (width, depth) = io.BytesIO(), kept.size
        place = {"phase": kept.phase, "index": index, "done": done, "width": width, "depth": depth}
        torch.save({**kept.weights.state(), **place}, buffer)
        store.write(BANK, buffer.getbuffer())
        kept.version = store.version(BANK) or ""

    def forget(self) -> None:
        """Let go of all; what is in stores stays."""
        with self._lock:
            self._held.clear()


def _read(store: Store, device: torch.device, version: str) -> Kept:
    data = store.read(BANK) or b""
    try:
        state = read_tensors(data)
        weights = SharedWeights.restored(state, device)
        return Kept(version, weights, (state["width"], state["depth"]), state["phase"], state["index"], state["done"])
    except Exception as error:  # whatever reading bytes of another sort runs into
        raise NasError(f"{store.where(BANK)}: damaged ({' '.join(str(error).split())[:120]}); allowed: what a search wrote") from None
