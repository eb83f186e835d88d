"""A named number of an architecture, and the registry of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import ArchitectureError, NasError, unknown
from nas.latency import BRIEF, ONE_IMAGE, Effort, Setting, turn
from nas.registry import Registry
from nas.repeatable import check_seed

if TYPE_CHECKING:
    from nas.arch import Architecture


@dataclass(frozen=True, eq=False)
class Probe:
    """What measures look at a network with.

    seed: of the parameters, and of what is drawn where it isn't given. images: (N, C, H, W) numbers, default Gaussian noise;
    labels: (N,) classes, default drawn uniformly. Arrays or tensors.

    What is timed is so under `setting`, with `effort`; `check` is called again and again meanwhile, and stops it by raising.
    """

    seed: int = 0
    images: Any = None
    labels: Any = None
    setting: Setting = ONE_IMAGE
    effort: Effort = BRIEF
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Measure:
    """`function(architecture, probe)` gives the number. `about` is a line for a person; `larger` whether more is better.

    proxy: whether it is taken as a sign of the accuracy to come, the larger the better; else it is only a cost. Those of
    costs that are looked up rather than computed with torch are `cheap`. What is `timed` depends on the machine: a search
    takes it where candidates are trained, one at a time on a device.
    """

    function: Callable[[Architecture, Probe], float]
    about: str
    larger: bool
    proxy: bool = True
    cheap: bool = False
    timed: bool = False


MEASURES: Registry[Measure] = Registry("measure")
_DEFAULT = Probe()


def names() -> tuple[str, ...]:
    """Names of all measures."""
    return MEASURES.names()


def proxies() -> tuple[str, ...]:
    """Names of the measures that are taken as signs of the accuracy to come."""
    return tuple(name for name, each in MEASURES.items() if each.proxy)


def find(name: object, where: str = "") -> str:
    """The measure that a name means, `-` read as `_`: `grad-norm` is `grad_norm`. Raises `UnknownNameError`."""
    found = name.strip().replace("-", "_") if isinstance(name, str) else name
    MEASURES.get(found, where=where)  # type: ignore[arg-type]
    return str(found)


def find_proxies(given: str | Iterable[str], where: str = "") -> tuple[str, ...]:
    """Proxies as a list or joined by commas, each once. Raises `UnknownNameError`, `NasError` for none or a mere cost."""
    items = given.split(",") if isinstance(given, str) else list(given)
    found = tuple(dict.fromkeys(find(item, where) for item in items))
    for name in found:
        if not MEASURES.get(name).proxy:
            raise unknown("proxy", name, proxies(), where=where)
    if not found:
        raise NasError(f"{where or 'proxies'} names none; allowed: {', '.join(proxies())}")
    return found


def measure(architecture: Architecture, name: str, probe: Probe = _DEFAULT) -> float:
    """One measure of an architecture, a finite number.

    Raises `UnknownNameError`, and `ArchitectureError` when shapes do not fit or the network cannot be measured.
    """
    name = find(name)
    known = MEASURES.get(name)
    try:
        with turn(probe.setting.here().device, probe.check) if known.timed else nullcontext():
            value = float(known.function(architecture, probe))
    except NasError:
        raise
    except (RuntimeError, ValueError, ArithmeticError) as error:  # torch: maps too small for a kernel, out of memory
        line = " ".join(str(error).split())[:200]
        raise ArchitectureError(f"{name} of {architecture.name} cannot be measured: {line}") from None
    if not math.isfinite(value):
        raise ArchitectureError(f"{name} of {architecture.name} is {value}; allowed: a finite number")
    return value


def score(
    architecture: Architecture, names: str | Iterable[str] = "", images: Any = None, labels: Any = None, seed: int = 0
) -> dict[str, float]:
    """Measures of an architecture that is not trained: `nas.score(network, "naswot,synflow")`; default: all.

    images: (N, C, H, W) of the network's input, default seeded Gaussian noise; labels: (N,). Parameters are drawn from `seed`.
    Raises as `measure` does.
    """
    given = names or MEASURES.names()
    items = given.split(",") if isinstance(given, str) else list(given)
    check_seed(seed)
    probe = Probe(seed, images, labels)
    return {name: measure(architecture, name, probe) for name in dict.fromkeys(find(item) for item in items)}
