"""Format `onnx`: written by torch's own exporter, checked in onnxruntime. The input is `images`, the output `logits`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from nas.export.base import BaseFormat, ExportError, require_packages
from nas.export.source import Source
from nas.export.torch import first_line, program

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

NEEDS = ("onnx", "onnxscript")
# Above it the weights go into a file of their own: a protobuf message ends at 2 GiB, and the graph needs room too.
MOST_WITHIN = 1_900_000_000


class Format(BaseFormat):
    """See the module. Weights of more than 1.9 GB go into FILE.data, which has to stay beside FILE."""

    needs = NEEDS
    needs_check = ("onnxruntime",)

    def beside(self, path: Path, weights: bool) -> tuple[Path, ...]:
        """Only a large network has another file; whether it does is known when it is built, so the name is asked for always."""
        return (path.with_name(path.name + ".data"),)

    def write(self, source: Source, path: Path, batch: int | None) -> dict[str, Any]:
        """One file, or two."""
        module = source.inference()
        made = translate(program(module, source.network.input, batch))
        made.save(path, external_data=weight_bytes(module) > MOST_WITHIN)
        return {"opset": made.model.opset_imports[""]}

    def run(self, path: Path, source: Source) -> Callable[[Tensor], Tensor]:
        """The file in onnxruntime, on the CPU."""
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        try:
            session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            raise ExportError(f"onnxruntime cannot load {path.name}: {first_line(error)}") from None
        return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def to_onnx(module: nn.Module, input: tuple[int, int, int], batch: int | None) -> bytes:
    """The module in evaluation mode as an ONNX model from `images` (batch, *input) to `logits`; any batch where that is None.

    Raises `ExportError` where a package is missing, the exporter cannot write the network, or it is too large for one message.
    """
    require_packages("onnx", NEEDS)
    if weight_bytes(module) > MOST_WITHIN:
        raise ExportError(f"the weights are {weight_bytes(module):,} bytes; allowed in one ONNX message: {MOST_WITHIN:,}")
    made: bytes = translate(program(module, input, batch)).model_proto.SerializeToString()
    return made


def translate(traced: ExportedProgram) -> ONNXProgram:
    """The model in memory, without what it was traced from: paths of this machine are no part of a network."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*LeafSpec.*is deprecated", FutureWarning)
            made = torch.onnx.export(traced, dynamo=True, input_names=["images"], output_names=["logits"], verbose=False)
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"ONNX cannot say this network: {_reason(error)}") from error
    assert made is not None
    for node in made.model.graph:
        node.metadata_props.pop("pkg.torch.onnx.stack_trace", None)
    return made


def _reason(error: BaseException) -> str:
    """The innermost cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def weight_bytes(module: nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
