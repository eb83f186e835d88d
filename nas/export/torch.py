"""Format `torch`: a program of `torch.export` (.pt2), which `torch.export.load(FILE).module()` reads and runs without this package."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from nas.export.base import BaseFormat, ExportError
from nas.export.source import Source

# A batch of one would be taken for a constant.
EXAMPLES = 2


class Format(BaseFormat):
    """See the module."""

    def write(self, source: Source, path: Path, batch: int | None) -> dict[str, Any]:
        """One file, weights within."""
        made = program(source.inference(), source.network.input, batch)
        buffer = io.BytesIO()  # torch's own writer ends the process where a disk is full
        torch.export.save(made, buffer)
        path.write_bytes(buffer.getbuffer())
        return {}

    def run(self, path: Path, source: Source) -> Callable[[Tensor], Tensor]:
        """The program as it is read back."""
        with path.open("rb") as file:
            module = torch.export.load(file).module()

        def call(images: Tensor) -> Tensor:
            with torch.no_grad():
                made: Tensor = module(images)
            return made

        return call


def program(module: nn.Module, input: tuple[int, int, int], batch: int | None) -> ExportedProgram:
    """The module in evaluation mode as one graph of torch's operators, from (batch, *input); any batch where that is None.

    Raises `ExportError` where torch cannot follow it.
    """
    images = torch.zeros(EXAMPLES if batch is None else batch, *input)
    training = module.training
    module.eval()
    try:
        # What a module works out once a size (window attention) has to be there: it would be made of the tracer's own tensors.
        with torch.no_grad():
            module(images)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*LeafSpec.*is deprecated", FutureWarning)
            return torch.export.export(module, (images,), dynamic_shapes=({0: Dim.DYNAMIC},) if batch is None else None)
    except Exception as error:  # torch.export has no type of its own for what it cannot follow
        raise ExportError(f"torch.export cannot follow the network: {first_line(error)}") from error
    finally:
        module.train(training)


def first_line(error: BaseException) -> str:
    """Of a message of many lines the first that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
