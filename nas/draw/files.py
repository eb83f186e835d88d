"""A picture in a file: the formats, and which one a file's name asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.arch import Architecture
from nas.draw.canvas import DPI, pdf, png
from nas.draw.graphviz import dot
from nas.draw.page import Part
from nas.draw.render import svg
from nas.errors import NasError, unknown
from nas.writing import check_writable, write_whole

# Format: the suffixes of its files, the usual one first.
FORMATS = {"svg": (".svg",), "png": (".png",), "pdf": (".pdf",), "dot": (".dot", ".gv")}
# Those that are text.
TEXTS: dict[str, Callable[..., str]] = {"svg": svg, "dot": dot}


def save(
    architecture: Architecture, path: str | Path, format: str | None = None, *, dark: bool = False, part: Part = "all", dpi: int = DPI
) -> Path:
    """Draw a network into a file, which is written over; `format` is one of `FORMATS`, by default what the suffix says.

    `part` is `all`, `network` or `cells`; `dpi` counts for PNG. The path is returned. Raises `NasError` where it cannot be
    written, and what `nas.draw.svg` raises; then what was there stays.
    """
    path = Path(path)
    form = format or by_suffix(path)
    check_format(form, path)
    check_writable(path)
    write_whole(path, data(architecture, form, dark=dark, part=part, dpi=dpi))
    return path


def data(architecture: Architecture, format: str, *, dark: bool = False, part: Part = "all", dpi: int = DPI) -> bytes:
    """A picture as the bytes of a file."""
    if format in TEXTS:
        return TEXTS[format](architecture, dark=dark, part=part).encode()
    return pdf(architecture, dark=dark, part=part) if format == "pdf" else png(architecture, dark=dark, part=part, dpi=dpi)


def by_suffix(path: Path) -> str:
    """The format that a file's name asks for. Raises `NasError`."""
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    raise NasError(f"the name {path.name!r} does not tell the format; allowed: a file that ends in {', '.join(_suffixes())}, or a format")


def usual_suffix(format: str) -> str:
    """Of a file of that format."""
    return FORMATS[format][0]


def check_format(format: str, path: Path | None = None) -> None:
    """Raise `NasError` for a format that there is not, and where a file's name is that of another."""
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if path is not None and path.suffix.lower() in _suffixes() and by_suffix(path) != format:
        raise NasError(f"{path.name!r} is the name of a file of format {by_suffix(path)}, not {format}; allowed: {usual_suffix(format)}")


def _suffixes() -> list[str]:
    return [suffix for suffixes in FORMATS.values() for suffix in suffixes]
