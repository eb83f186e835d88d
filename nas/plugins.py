"""Code of a user's own that registers operations, strategies, evaluators, measures or data sets: a file, or a module.

    nas.plugins.load("mine.py")            # on the command line: --plugin mine.py

That runs the file, as `import` would. Nothing else ever does: a run folder says which plugins its run was started with, and whoever
goes on with it has to name them himself, so that no folder of somebody else's can run code.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# What a plugin adds to is there before it, so that a name that is taken is taken.
import nas.data
import nas.evaluators
import nas.measures
import nas.primitives
import nas.strategies  # noqa: F401
from nas.errors import NasError, StudyError

ALLOWED = "allowed: FILE.py, or the name of a module that can be imported"
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Plugin:
    """A plugin that runs here. `source` is a file's text, which workers are sent; None for a module, which they must have."""

    name: str
    path: str
    sha256: str
    source: str | None = None


_LOADED: dict[str, Plugin] = {}


def load(plugin: str | Path) -> Plugin:
    """Run a Python file, or import a module, and remember it for the workers and the record of a search. Once is enough.

    Raises `NasError` where it cannot be found, raises in its turn, or has the name of another module.
    """
    text = str(plugin)
    is_file = isinstance(plugin, Path) or text.endswith(".py") or "/" in text or "\\" in text
    made = _read(Path(text).expanduser()) if is_file else _module(text)
    known = _LOADED.get(made.name)
    if known is not None and known.sha256 != made.sha256:
        raise NasError(f"plugin {text}: {known.path} was loaded under the name {made.name!r}; allowed: another name, or a fresh process")
    if known is None:
        if made.source is not None and not _imported(made):
            _run(made)
        _LOADED[made.name] = made
    return _LOADED[made.name]


def loaded() -> tuple[Plugin, ...]:
    """Those that run here, in the order in which they were loaded."""
    return tuple(_LOADED.values())


def _imported(plugin: Plugin) -> bool:
    """Whether that file is imported already. Raises `NasError` where another module has its name."""
    there = sys.modules.get(plugin.name)
    spec = importlib.util.find_spec(plugin.name) if there is None else None
    found = getattr(there, "__file__", None) if there is not None else spec.origin if spec is not None else plugin.path
    if found is None or os.path.realpath(found) != os.path.realpath(plugin.path):
        raise NasError(f"plugin {plugin.path}: {plugin.name!r} is the name of another module; allowed: another name for the file")
    return there is not None


def _run(plugin: Plugin) -> None:
    """Run the source of a plugin under its name."""
    assert plugin.source is not None
    module = sys.modules[plugin.name] = ModuleType(plugin.name)
    module.__file__ = plugin.path
    try:
        exec(compile(plugin.source, plugin.path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[plugin.name]
        raise NasError(f"plugin {plugin.path}{_line(error, plugin.path)}: {type(error).__name__}: {error}") from error


def receive(plugins: tuple[Plugin, ...]) -> None:
    """In a worker: those of the process that it works for. Raises `NasError`."""
    for each in plugins:
        if each.name in _LOADED:
            continue
        if each.source is None:
            _module(each.name)
        else:
            _run(each)
        _LOADED[each.name] = each


def recorded() -> dict[str, str]:
    """For a run's settings: names, and the SHA-256 of what was run."""
    return {each.name: each.sha256 for each in loaded()}


def changed(record: Mapping[str, Any], run: Path) -> list[str]:
    """Names of the plugins that are another text than at the start of a run. Raises `StudyError` where one is not loaded here."""
    for name in record:
        if name not in _LOADED:
            raise StudyError(
                f"{run} was started with the plugin {name!r}, which is code, and not taken from a run; "
                f"allowed: name it again: --plugin FILE.py, or nas.plugins.load(...)"
            )
    return [name for name, digest in record.items() if _LOADED[name].sha256 != digest]


def _read(path: Path) -> Plugin:
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise NasError(f"plugin {path} is no file of Python; allowed: NAME.py, NAME of letters, digits and _")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        source = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NasError(f"plugin {path} cannot be read ({getattr(error, 'strerror', None) or 'it is not text'}); {ALLOWED}") from None
    if len(data) > MAX_BYTES:
        raise NasError(f"plugin {path} is too large; allowed: {MAX_BYTES} bytes")
    return Plugin(name, str(path.absolute()), hashlib.sha256(data).hexdigest(), source)


def _module(name: str) -> Plugin:
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise NasError(f"plugin {name} cannot be imported ({type(error).__name__}: {error}); {ALLOWED}") from error
    file = getattr(module, "__file__", None) or ""
    try:
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    except OSError:
        digest = ""
    return Plugin(name, file, digest)


def _line(error: BaseException, path: str) -> str:
    """The line of the file that an error points at."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f", line {lines[-1]}" if lines else ""
