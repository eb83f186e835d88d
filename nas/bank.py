"""The weight bank: parameters remembered by place and leaf signature, so that networks of any space share them.

A *key* is text: the place of a leaf, which names the operation that it is part of, its signature, and the parameter's name
within it. Equal keys are one parameter. Modules are never shared: every child is a fresh shell with buffers of its own.
"""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from nas.arch import Architecture, lower
from nas.build import Network
from nas.errors import NasError
from nas.flat import Step
from nas.repeatable import check_seed, derived_seed, parameters_from
from nas.shells import Shells
from nas.tensors import read_tensors


class Bank:
    """Parameters that networks share, drawn when first needed: from `seed` and the key alone, so in whatever order they come.

    source: whether an edge of a cell, or a layer, has other parameters for every state that it may read, as in the
    released code of ENAS (arXiv 1802.03268) and in DARTS; otherwise it has one set wherever it reads from.
    Raises `NasError` on a bad seed.
    """

    def __init__(self, seed: int = 0, device: str | torch.device = "cpu", *, source: bool = True) -> None:
        check_seed(seed)
        self.seed, self.device, self.source = seed, torch.device(device), source
        self._leaves: dict[str, dict[str, nn.Parameter]] = {}
        self._shells = Shells(self.device)

    def build(self, architecture: Architecture, drop_path: float = 0.0) -> Network:
        """A fresh module whose parameters are the bank's, in training mode; statistics of batch norm are its own and new.

        Raises `ArchitectureError` when the shapes do not fit; `drop_path` as in `nas.build.build`.
        """
        with _no_collection():
            return Network(architecture, lower(architecture), drop_path, self)

    def module(self, step: Step) -> nn.Module:
        """A shell around the parameters of one leaf."""
        shell = self._shells.of(step.op, step.shapes)
        if shell.signature is None:
            return shell.around()
        key = f"{step.shared} {shell.signature}"
        leaf = self._leaves.get(key)
        if leaf is None:
            leaf = self._leaves[key] = self._drawn(key, step)
        return shell.around(leaf)

    def _drawn(self, key: str, step: Step) -> dict[str, nn.Parameter]:
        with parameters_from(derived_seed(self.seed, key)):
            module = step.op.module(*step.shapes)
        return dict(module.to(self.device).named_parameters())

    def __len__(self) -> int:
        """Number of parameter tensors."""
        return sum(map(len, self._leaves.values()))

    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by key."""
        return {f"{key} {name}": item for key, leaf in self._leaves.items() for name, item in leaf.items()}

    def state(self) -> dict[str, Tensor]:
        """All tensors by key, for `restore`: the bank's own, so copy or write them before the next step."""
        return {key: item.detach() for key, item in self.parameters().items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the values of `state`, and forget all else. Parameters that children hold already are changed in place.

        Raises `NasError` where a tensor has not the shape of the parameter of its key.
        """
        old, self._leaves = self._leaves, {}
        for text, tensor in state.items():
            key, _, name = text.rpartition(" ")
            item = old.get(key, {}).get(name)
            if item is None:
                item = nn.Parameter(tensor.detach().to(self.device, copy=True))
            elif item.shape != tensor.shape:
                raise NasError(f"bank: {text} has the shape {tuple(tensor.shape)}; allowed: {tuple(item.shape)}")
            else:
                with torch.no_grad():
                    item.copy_(tensor)
            self._leaves.setdefault(key, {})[name] = item


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Python looks through all that lives for what can be let go while much is made; that took longer than the making."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def recalibrate(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set every batch norm's statistics to their mean over `batches` of images; the module is in evaluation mode after it.

    Whatever the statistics were is forgotten. Only batch norm trains meanwhile: nothing is dropped.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches, each counting alike
        norm.train()
    try:
        with torch.no_grad():
            for images in batches:
                module(images)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.eval()


def to_bytes(state: Mapping[str, Tensor]) -> memoryview:
    """Tensors by key as a file of `torch.save`, for `nas.evaluators.store.Store`."""
    buffer = io.BytesIO()
    # A copy of each, for torch would write the whole memory that a tensor is a part of.
    torch.save({key: tensor.detach().to("cpu", copy=True).contiguous() for key, tensor in state.items()}, buffer)
    return buffer.getbuffer()


def from_bytes(data: bytes | memoryview) -> dict[str, Tensor]:
    """The inverse of `to_bytes`, on the CPU. No code in the data is run. Raises `NasError` where it is none."""
    try:
        read = read_tensors(data)
    except Exception as error:  # whatever reading bytes of another sort runs into
        raise NasError(f"kept weights cannot be read ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(read, dict) or not all(isinstance(item, Tensor) for item in read.values()):
        raise NasError("kept weights cannot be read; allowed: names and tensors")
    return read
