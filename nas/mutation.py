"""Mutations of any network, hand-designed ones too: wider, deeper, another kernel, operation, stride, squeeze-excite."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

from nas.arch import PRESETS, Architecture, Block, Primitive, Use
from nas.errors import ArchitectureError, NasError
from nas.ops import Frozen, Map
from nas.registry import Registry
from nas.scale import round_width

KERNELS = (1, 3, 5, 7)
# Where in a network a value stands: names of fields and indices of tuples, from the outside in.
Path = tuple[str | int, ...]
Edit = Callable[[Architecture, random.Random], Architecture | None]
EDITS: Registry[Edit] = Registry("mutation")


def mutate(architecture: Architecture, rng: random.Random, kinds: tuple[str, ...] = (), tries: int = 50) -> Architecture:
    """A copy with one random change, another network that fits together; the original is left alone.

    kinds: names of `EDITS` to choose from (default: all). Raises `UnknownNameError` for an unknown kind, and
    `ArchitectureError` where no change of these kinds was found to fit.
    """
    edits = [EDITS.get(kind) for kind in kinds or EDITS.names()]
    for _ in range(tries):
        try:
            changed = rng.choice(edits)(architecture, rng)
            if changed is not None and changed.digest != architecture.digest:
                changed.cost()
                return changed
        except NasError:
            continue  # it does not fit: another one may
    names = ", ".join(kinds or EDITS.names())
    raise ArchitectureError(f"no mutation of {architecture.name!r} fits within {tries} tries; tried: {names}")


@EDITS.register("width")
def _width(architecture: Architecture, rng: random.Random) -> Architecture | None:
    """All blocks of one stage wider or narrower by a quarter."""
    stage = rng.randrange(len(architecture.stages))
    factor = rng.choice((0.75, 1.25))

    def resized(block: Block) -> Block:
        if not isinstance(block.width, int):
            return block
        multiple = architecture.operation(block).width_multiple
        return dataclasses.replace(block, width=round_width(block.width * factor, multiple))

    return _put(architecture, ("stages", stage), tuple(map(resized, architecture.stages[stage])))


@EDITS.register("depth")
def _depth(architecture: Architecture, rng: random.Random) -> Architecture | None:
    """One more or one fewer of a block."""
    path, block = rng.choice(_blocks(architecture))
    repeat = block.repeat + rng.choice((-1, 1))
    return _put(architecture, path, dataclasses.replace(block, repeat=repeat)) if repeat > 0 else None


@EDITS.register("kernel")
def _kernel(architecture: Architecture, rng: random.Random) -> Architecture | None:
    """Another size of one kernel."""
    found = [(path, op) for path, op in _sites(architecture, "stages", "cells") if isinstance(getattr(op, "kernel", None), int)]
    if not found:
        return None
    path, op = rng.choice(found)
    return _put(architecture, (*path, "kernel"), rng.choice([size for size in KERNELS if size != op.kernel]))


@EDITS.register("operation")
def _operation(architecture: Architecture, rng: random.Random) -> Architecture | None:
    """One operation on a map replaced by another."""
    found = [(path, op) for path, op in _sites(architecture, "stages", "cells") if _exchangeable(op)]
    if not found:
        return None
    path, op = rng.choice(found)
    return _put(architecture, path, rng.choice([other for _, other in PRESETS.items() if other != op and _exchangeable(other)]))


@EDITS.register("squeeze_excite")
def _squeeze_excite(architecture: Architecture, rng: random.Random) -> Architecture | None:
    """Squeeze-excite in a block that has none, or taken out of one that has."""
    found = [(path, op) for path, op in _sites(architecture, "stages", "cells") if hasattr(op, "se")]
    if not found:
        return None
    path, op = rng.choice(found)
    # Residual blocks name the reduction, inverted residuals the ratio; without it the one is None and the other 0.
    without = next(field.default for field in dataclasses.fields(op) if field.name == "se")
    value = without if op.se != without else 16 if without is None else 0.25
    return _put(architecture, (*path, "se"), value)


@EDITS.register("stride")
def _stride(architecture: Architecture, rng: random.Random) -> Architecture | None:
    """The stride of one block moved to another."""
    blocks = _blocks(architecture)
    strided, plain = ([item for item in blocks if (item[1].stride > 1) == wanted] for wanted in (True, False))
    if not strided or not plain:
        return None
    (source, first), (target, second) = rng.choice(strided), rng.choice(plain)
    moved = _put(architecture, source, dataclasses.replace(first, stride=1))
    return _put(moved, target, dataclasses.replace(second, stride=first.stride))


def _exchangeable(op: Any) -> bool:
    return isinstance(op, Primitive) and not isinstance(op, Use) and Map in op.accepts and op.strided and op.reads == 1


def _blocks(architecture: Architecture) -> list[tuple[Path, Block]]:
    return [(("stages", s, b), block) for s, stage in enumerate(architecture.stages) for b, block in enumerate(stage)]


def _sites(architecture: Architecture, *parts: str) -> list[tuple[Path, Any]]:
    """All values of the language in some parts of a network, with their places."""
    return [site for part in parts for site in _walk(getattr(architecture, part), (part,))]


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Frozen):
        yield path, value
        for name in type(value).__match_args__:  # type: ignore[attr-defined]
            yield from _walk(getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, index))


def _put(architecture: Architecture, path: Path, new: Any) -> Architecture:
    """A copy in which `new` stands at `path`."""
    changed: Architecture = _replaced(architecture, path, new)
    return changed


def _replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return (*value[:first], _replaced(value[first], rest, new), *value[first + 1 :])
    return dataclasses.replace(value, **{first: _replaced(getattr(value, first), rest, new)})
