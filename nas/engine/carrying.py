"""What a user has registered goes along to the workers: his plugins, and what stands in his script or notebook itself. Knows no Ray.

What a module defines is imported there by its name, but a worker has another `__main__`; so its parts are sent as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nas import plugins
from nas.arch import PRESETS, PRIMITIVES
from nas.data import KINDS, NAMED
from nas.errors import NasError
from nas.measures import MEASURES
from nas.ops import LEAVES
from nas.plugins import Plugin
from nas.registry import Registry

# What workers look up by name; strategies run in the driver, an evaluator is sent itself.
REGISTRIES: tuple[Registry[Any], ...] = (LEAVES, PRIMITIVES, PRESETS, MEASURES, NAMED, KINDS)
MAIN = "__main__"


@dataclass(frozen=True)
class Parts:
    """For workers. `own` is what `__main__` has registered, pickled by value, or empty: (index into `REGISTRIES`, name, part) each."""

    plugins: tuple[Plugin, ...] = ()
    own: bytes = b""

    def unpack(self, loads: Callable[[bytes], Any]) -> None:
        """In a worker, before anything that is made of them is unpickled. Raises `NasError` where a plugin cannot be loaded."""
        plugins.receive(self.plugins)
        for index, name, part in loads(self.own) if self.own else ():  # from the driver of this very search
            if name not in REGISTRIES[index]:
                REGISTRIES[index].add(name, part)
            if isinstance(part, type):
                setattr(sys.modules[MAIN], part.__qualname__, part)  # where candidates that have it are unpickled


def pack(dumps: Callable[[Any], bytes]) -> Parts:
    """What is registered here. Raises `NasError` for what cannot be sent."""
    own = list(_own())
    try:
        return Parts(plugins.loaded(), dumps(own) if own else b"")
    except Exception as error:  # a pickler runs into anything
        names = ", ".join(name for _, name, _ in own)
        raise NasError(
            f"{names} cannot be sent to workers ({type(error).__name__}: {str(error)[:100]}); "
            f"allowed: in a file, by nas.plugins.load('FILE.py'), or engine='local'"
        ) from None


def _own() -> Iterator[tuple[int, str, Any]]:
    for index, registry in enumerate(REGISTRIES):
        for name, part in registry.items():
            if _home(part):
                yield index, name, part


def _home(part: Any) -> bool:
    """Whether it, or a function that it holds, is defined in `__main__`."""
    held = () if isinstance(part, type) else getattr(part, "__dict__", {}).values()
    return any(getattr(each, "__module__", None) == MAIN for each in (part, *held))
