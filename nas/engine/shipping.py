"""What is sent to the workers of a cluster: this very `nas`, and the working directory, in one archive. It knows no Ray."""

from __future__ import annotations

import fnmatch
import os
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nas
from nas.errors import NasError
from nas.units import format_bytes

LIMIT_BYTES = 100e6  # of the working directory; Ray keeps it in the memory of the cluster's head
IGNORE_FILE = ".rayignore"
FOLDERS = ("__pycache__", "node_modules", "venv", "lightning_logs", "mlruns", "wandb")
MARKS = ("run.yaml", "pyvenv.cfg")  # a folder that holds one is a run, or a virtual environment
FILES = ("*.pyc", "*.pt", "*.pth", "*.ckpt", "*.safetensors", "*.journal")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every member: the same files make the same archive, which Ray then has already
HINT = f"leave out what workers do not need by lines of {IGNORE_FILE}, or send nothing: --no-ship, where nodes share a file system"


@dataclass
class Shipment:
    """Files by their names in the archive, those of the working directory with their bytes together; `unread` could not be read."""

    files: dict[str, Path] = field(default_factory=dict)
    count: int = 0
    size: int = 0
    unread: list[str] = field(default_factory=list)

    def line(self, directory: Path) -> str:
        """For a person."""
        left = f"; {len(self.unread)} that cannot be read, such as {self.unread[0]}, were left out" if self.unread else ""
        return f"workers get this nas and the working directory {directory}: {self.count} files, {format_bytes(self.size)}{left}"

    def write(self, path: Path) -> None:
        """Write the archive."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in sorted(self.files):
                member = zipfile.ZipInfo(name, EPOCH)
                member.external_attr = 0o644 << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, self.files[name].read_bytes())


def pack(directory: Path, limit: float = LIMIT_BYTES) -> Shipment:
    """The files of a working directory, and those of the package `nas` as it runs here, which hides one that lies there.

    Left out: hidden files and folders, runs, weights, virtual environments, caches, links to folders, and what fits a line
    of `.rayignore` (a name, a path or a pattern of either). Raises `NasError` where they are larger than `limit` bytes.
    """
    found, sizes, package = Shipment(), Counter[str](), Path(nas.__file__).parent
    for name, path in _walk(directory, _patterns(directory)):
        if path.is_relative_to(package) or name.startswith("nas/"):
            continue
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
        except OSError:
            found.unread.append(name)
            continue
        found.files[name] = path
        found.count, found.size = found.count + 1, found.size + size
        sizes[name.partition("/")[0]] += size
        if found.size > limit * 20:
            break  # it need not be known how much too large it is
    if found.size > limit:
        largest = ", ".join(f"{name} {format_bytes(size)}" for name, size in sizes.most_common(3))
        raise NasError(
            f"the working directory {directory} is too large to be sent to workers: {format_bytes(found.size)} "
            f"({largest}); allowed: {format_bytes(limit)}; {HINT}"
        )
    found.files |= {f"nas/{name}": path for name, path in _walk(package, [])}
    return found


def folders(directory: Path) -> list[str]:
    """Where modules are looked for here, as far as that lies within the working directory: relative to it."""
    places = [Path(place).absolute() for place in sys.path if place]
    return [str(place.relative_to(directory)) for place in places if place.is_relative_to(directory) and place != directory]


def _walk(root: Path, patterns: list[str]) -> Iterator[tuple[str, Path]]:
    """Names and paths of what is sent of a folder."""
    for place, inner, files in os.walk(root):
        folder = Path(place)
        prefix = folder.relative_to(root).as_posix() + "/" if folder != root else ""
        if folder != root and any(mark in files for mark in MARKS):
            inner.clear()
            continue
        inner[:] = sorted(
            name for name in inner if not _left_out(name, prefix + name, [*FOLDERS, *patterns]) and not (folder / name).is_symlink()
        )
        for name in sorted(files):
            path = folder / name
            if not _left_out(name, prefix + name, [*FILES, *patterns]) and path.is_file():
                yield prefix + name, path


def _left_out(name: str, whole: str, patterns: list[str]) -> bool:
    return name.startswith(".") or any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(whole, pattern) for pattern in patterns)


def _patterns(directory: Path) -> list[str]:
    try:
        lines = (directory / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise NasError(f"{directory / IGNORE_FILE}: cannot be read ({error})") from None
    return [line.strip().strip("/") for line in lines if line.strip() and not line.lstrip().startswith("#")]
