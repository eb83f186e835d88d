"""Images that do not fit on the device: read when they are wanted, ahead of the training, in processes of their own."""

from __future__ import annotations

import atexit
import itertools
import multiprocessing
import os
import signal
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.data.base import Images, limit_bytes
from nas.data.pictures import Pictures
from nas.errors import DataError, NasError

AHEAD = 2  # batches that each reader has under way
MOST = 8  # processes that read for one training
SHARE = 0.5  # of a GPU's free memory, that images may take; the rest is the candidates'
LOADERS_NAME = "NAS_DATA_LOADERS"  # environment variable with the number of processes; 0: threads
SHARED = "/dev/shm"
GRACE = 3  # seconds that a reading process goes on after a SIGTERM, for the training to write its checkpoint


class Stream:
    """Images (N, H, W, C) of `source` by rows, in batches on `device`, in the order asked for.

    The bits do not depend on who reads: `loaders` processes, or with 0, and where a process may have no children or
    shared memory is short, as many threads. Any number of trainings may share one; each has readers of its own, which
    stay for the next one. `loaders` None: `NAS_DATA_LOADERS`, else one on a CPU, whose trainings need the cores, and on
    a GPU a core each up to 8.
    """

    def __init__(self, source: Images | Pictures, device: torch.device, loaders: int | None = None) -> None:
        self.source, self.device = _Rows(source), device
        self.shape = torch.Size(source.shape)
        self.dtype = torch.uint8 if source.dtype == np.uint8 else torch.float32
        self.loaders = _loaders(device) if loaders is None else loaders
        self._threads = ThreadPoolExecutor(max(self.loaders, 2), thread_name_prefix="images")
        self._idle: list[tuple[_Order, DataLoader[Tensor]]] = []
        self._lock = threading.Lock()
        # The collector of cycles would take queues and processes apart in any order, and wait five seconds for each.
        weakref.finalize(self, self._idle.clear)
        atexit.register(self._idle.clear)  # before torch's own, which would leave them to be killed

    def __len__(self) -> int:
        return self.shape[0]

    def host(self, rows: Tensor) -> Tensor:
        """The images `rows` (B,) at once, as (B, H, W, C) in the host's memory. Raises `DataError`."""
        images = torch.empty((len(rows), *self.shape[1:]), dtype=self.dtype)

        def fill(item: tuple[int, int]) -> None:
            images[item[0]] = torch.from_numpy(np.array(self.source.images[item[1]]))

        for _ in self._threads.map(fill, enumerate(rows.tolist())):
            pass  # waits for each, and raises what it raised
        return images

    def to(self, device: torch.device) -> Stream:
        """Itself, which is where it is to be."""
        return self

    def __getitem__(self, rows: Tensor) -> Tensor:
        """The images `rows` (B,) at once, as (B, H, W, C) on the device. Raises `DataError`."""
        return self.host(rows).to(self.device)

    def batches(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        """The images (B, H, W, C) of each of `parts` (B,), on the device, read ahead. Close it where it isn't exhausted.

        Raises `DataError` that names the file at fault. Waits for the device once, at the beginning.
        """
        whole = torch.cat(list(parts)).tolist() if parts else []
        ends = itertools.accumulate(map(len, parts))
        rows = [whole[end - len(part) : end] for part, end in zip(parts, ends, strict=True)]
        if self.loaders and not multiprocessing.current_process().daemon and self._room(max(map(len, rows), default=0)):
            read = self._by_processes(rows)
        else:
            read = self._by_threads(rows)
        return _copied(read, self.device) if self.device.type == "cuda" else read

    def _room(self, batch: int) -> bool:
        """Whether the batches under way fit twice in shared memory, which containers often keep at 64 MB."""
        if not os.path.isdir(SHARED):
            return True
        free = os.statvfs(SHARED)
        each = batch * self.shape[1:].numel() * self.dtype.itemsize
        return 2 * AHEAD * self.loaders * each < free.f_bavail * free.f_frsize

    def _by_threads(self, rows: list[list[int]]) -> Iterator[Tensor]:
        coming = iter(rows)
        under_way: deque[Future[Tensor | DataError]] = deque()
        try:
            while True:
                while len(under_way) < AHEAD * max(self.loaders, 1) and (part := next(coming, None)) is not None:
                    under_way.append(self._threads.submit(self.source.__getitems__, part))
                if not under_way:
                    return
                made = _checked(under_way.popleft().result())
                yield made.pin_memory() if self.device.type == "cuda" else made
        finally:
            for future in under_way:
                future.cancel()

    def _by_processes(self, rows: list[list[int]]) -> Iterator[Tensor]:
        with self._lock:
            order, loader = self._idle.pop() if self._idle else self._made()
        order.batches, whole = rows, True
        try:
            for made in loader:
                yield _checked(made)
        except RuntimeError as error:  # how torch says that a process was killed: such a loader is not lent again
            whole = False
            raise DataError(f"a process that reads images ended ({' '.join(str(error).split())[:120]})") from None
        finally:
            if whole:
                with self._lock:
                    self._idle.append((order, loader))

    def _made(self) -> tuple[_Order, DataLoader[Tensor]]:
        order = _Order()
        return order, DataLoader(
            self.source, batch_sampler=order, num_workers=self.loaders, collate_fn=_as_it_is, prefetch_factor=AHEAD,
            persistent_workers=True, pin_memory=self.device.type == "cuda", worker_init_fn=_begin,
            generator=torch.Generator(),  # or it would draw from the global one, from which parameters are drawn
        )  # fmt: skip


class Reader:
    """One training's look at `images`: those on the device as they are, a stream's in the order that it was told of."""

    def __init__(self, images: Tensor | Stream) -> None:
        self.images = images
        self._coming: deque[Tensor] = deque()
        self._batches: Iterator[Tensor] = iter(())

    def expect(self, parts: Iterable[Tensor]) -> None:
        """A hint: from now on `take` will be asked for these (B,), the very tensors or other views of their memory."""
        if isinstance(self.images, Stream):
            self.close()
            self._coming = deque(parts)
            self._batches = self.images.batches(list(self._coming)) if self._coming else iter(())

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images (M, H, W, C), and where among them the images `rows` (B,) are, (B,)."""
        if isinstance(self.images, Tensor):
            return self.images, rows
        if self._coming and _same(self._coming[0], rows):
            batch = next(self._batches)
            self._coming.popleft()
            if not self._coming:
                self.close()
        else:
            batch = self.images[rows]
        return batch, torch.arange(len(rows), device=rows.device)

    def close(self) -> None:
        """Forget what was expected, so that others may have what read it."""
        if hasattr(self._batches, "close"):
            self._batches.close()
        self._coming, self._batches = deque(), iter(())


def streams(images: Images | Pictures, device: torch.device, free: float | None = None) -> bool:
    """Whether `images` are too many to lie on `device`; `free`: its free memory in bytes, asked for where it isn't given."""
    if isinstance(images, Pictures) or images.nbytes > limit_bytes():
        return True
    if device.type != "cuda":
        return False
    return images.nbytes > SHARE * (torch.cuda.mem_get_info(device)[0] if free is None else free)


class _Rows(Dataset[Tensor]):
    """What the loading processes have."""

    def __init__(self, images: Images | Pictures) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, rows: list[int]) -> Tensor | DataError:
        """(B, H, W, C). An error is handed over as it is: what torch would raise of it is a page long."""
        try:
            return torch.from_numpy(np.stack([self.images[row] for row in rows]))
        except DataError as error:
            return error


class _Order:
    """The rows of one pass after another."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _loaders(device: torch.device) -> int:
    stated = os.environ.get(LOADERS_NAME)
    if not stated:
        return min(MOST, len(os.sched_getaffinity(0))) if device.type == "cuda" else 1
    if not (stated.isascii() and stated.isdigit() and len(stated) < 4):
        raise NasError(f"{LOADERS_NAME}={stated!r}; allowed: a whole number of processes, or 0 for threads")
    return int(stated)


def _begin(_number: int) -> None:
    """In a loading process: signals to the whole group are the training's to answer, which ends this one; Pillow's remarks
    are not read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda number, frame: os._exit(0))  # or torch would raise that it was killed
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE))
    warnings.simplefilter("ignore")


def _as_it_is(batch: Any) -> Any:
    return batch


def _checked(made: Tensor | DataError) -> Tensor:
    if isinstance(made, DataError):
        raise made
    return made


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are the same memory, and so the same rows, without a look at it, which would wait for the device."""
    return first.data_ptr() == second.data_ptr() and first.shape == second.shape and first.stride() == second.stride()


def _copied(batches: Iterator[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Pinned batches on a GPU, each copied while the one before it is worked on."""
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begun() -> Tensor | None:
        batch = next(batches, None)
        if batch is None:
            return None
        with torch.cuda.stream(copying):
            return batch.to(device, non_blocking=True)

    try:
        coming = begun()
        while (batch := coming) is not None:
            current = torch.cuda.current_stream(device)
            current.wait_stream(copying)  # for this one alone: the next is begun after it
            batch.record_stream(current)
            coming = begun()
            yield batch
    finally:
        if hasattr(batches, "close"):
            batches.close()
