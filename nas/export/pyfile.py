"""Format `python`: one file of plain PyTorch whose class `Network` takes the same state dict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.ensembles import Ensemble
from nas.export.base import BaseFormat, ExportError
from nas.export.source import Source
from nas.weights import write_weights


class Format(BaseFormat):
    """See the module. Weights that were given go beside NAME.py as NAME.pt, a state dict."""

    def beside(self, path: Path, weights: bool) -> tuple[Path, ...]:
        """The state dict."""
        return (path.with_suffix(".pt"),) if weights else ()

    def write(self, source: Source, path: Path, batch: int | None) -> dict[str, Any]:
        """Any batch will do: a batch size is an error."""
        if isinstance(source.network, Ensemble):
            raise ExportError("format python of an ensemble; allowed: a single network, or the format onnx or torch")
        if batch is not None:
            raise ExportError(f"format python takes any batch; allowed: no batch size, or dynamic, not {batch}")
        from nas.export.python import to_python

        weights = self.beside(path, source.weights is not None)
        path.write_text(to_python(source.network, weights=weights[0].name if weights else ""), encoding="utf-8")
        for file in weights:
            write_weights(file, source.module)
        return {}

    def run(self, path: Path, source: Source) -> Callable[[Tensor], Tensor]:
        """The class of the file, with the weights beside it, or the module's where it has none."""
        names: dict[str, Any] = {"__name__": path.stem}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
        module: nn.Module = names["Network"]()
        weights = path.with_suffix(".pt")
        module.load_state_dict(torch.load(weights, weights_only=True) if weights.exists() else source.module.state_dict())
        module.eval()

        def call(images: Tensor) -> Tensor:
            with torch.inference_mode():
                made: Tensor = module(images)
            return made

        return call
