"""A network as a file that other programs run: ONNX, `torch.export`, or plain PyTorch. Importing this imports no torch.

    from nas.export import export
    export(nas.load("resnet18"), "resnet18.onnx", weights="resnet18.pt")

A format is a file of this package with a class `Format` (see `nas.export.base`), and its line in `FORMATS`.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.errors import NasError, unknown
from nas.repeatable import check_seed

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.ensembles import Ensemble
    from nas.export.base import BaseFormat
    from nas.export.check import Checked

# Format: the suffix of its files, and its module, which is imported when it is used.
FORMATS = {
    "onnx": (".onnx", "nas.export.onnx"),
    "torch": (".pt2", "nas.export.torch"),
    "python": (".py", "nas.export.pyfile"),
}


class Exported(NamedTuple):
    """What was written. `checked` says how far its logits are from the network's (see `nas.export.check`); None without a check."""

    format: str
    files: tuple[Path, ...]
    bytes: int
    params: int
    batch: int | None
    weights: str | None
    checked: Checked | None
    seconds: float
    details: dict[str, Any]

    @property
    def difference(self) -> float | None:
        """The largest of the check; None without one."""
        return None if self.checked is None else self.checked.difference


def export(
    network: Architecture | Ensemble, out: str | Path, format: str | None = None, *, weights: str | Path | None = None,
    reference: str | Path | None = None, seed: int = 0, batch: int | None = None, check: bool = True,
) -> Exported:  # fmt: skip
    """Write the network that is used, without auxiliary heads, into `out`; `format` is one of `FORMATS`, by default the suffix's.

    `weights` is a state dict's file or a folder of `nas train`, `reference` a state dict of torchvision's or timm's network of the
    same name; with neither, parameters are drawn from `seed`. `batch` is the only batch size that the file takes; None: any. With
    `check` the file is run against the module on random images before it gets its name.

    Raises `NasError` before any work where nothing can be written or a package is missing, and where weights do not fit, the
    network cannot be written in this format, or the check fails; then nothing is written.
    """
    from nas.export.check import check_file
    from nas.export.place import aside
    from nas.export.source import Source

    start, path = time.perf_counter(), Path(out)
    check_seed(seed)
    writer = find(format or by_suffix(path))
    check_suffix(path, writer.name)
    writer.ready(check)
    given = weights if weights is not None else reference
    beside = writer.beside(path, given is not None)
    if given is not None and Path(given).resolve() in [file.resolve() for file in beside]:
        raise NasError(f"{given} would be written over beside {path.name}; allowed: another name")
    with aside(path, beside) as folder:
        source = Source.make(network, weights, reference, seed)
        part = folder / path.name
        details = writer.write(source, part, batch)
        checked = check_file(writer, source, part, batch, seed) if check else None
        files = (path, *(path.with_name(file.name) for file in folder.iterdir() if file != part))
    size = sum(file.stat().st_size for file in files)
    return Exported(writer.name, files, size, source.params, batch, source.weights, checked, time.perf_counter() - start, details)


def find(format: str) -> BaseFormat:
    """Raises `UnknownNameError` with the known formats."""
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    made: BaseFormat = importlib.import_module(FORMATS[format][1]).Format(format)
    return made


def by_suffix(path: Path) -> str:
    """The format that a file's name asks for. Raises `NasError`."""
    for name, (suffix, _) in FORMATS.items():
        if path.suffix.lower() == suffix:
            return name
    known = ", ".join(f"{name} ({suffix})" for name, (suffix, _) in FORMATS.items())
    raise NasError(f"the name {path.name!r} does not tell the format; allowed: a format of {known}")


def check_suffix(path: Path, format: str) -> None:
    """Raise `NasError` where a file's name is that of another format."""
    for name, (suffix, _) in FORMATS.items():
        if path.suffix.lower() == suffix and name != format:
            raise NasError(f"{path.name!r} is the name of a file of format {name}, not {format}; allowed: {FORMATS[format][0]}")
