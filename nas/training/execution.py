"""How a training step is run on its device: plain values that are recorded, since results depend on them."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import NasError, unknown

if TYPE_CHECKING:
    import torch

LAYOUTS = ("channels_last", "contiguous")
PRECISIONS = ("float32", "bfloat16", "float16")
COMPILE = ("auto", "on", "off")
MOST_THREADS = 1024
COMPILE_PAYS = 500_000  # images trained on, on a CPU: measured, a cold start of minutes was won back after 50,000 to 500,000


@dataclass(frozen=True)
class Execution:
    """How steps are run. Raises `NasError` on a value that is not allowed.

    layout: of images and feature maps in memory. precision: the number type of forward passes; weights stay float32.
    graphs: whether a GPU replays the recorded step, where the network and recipe allow. compile: by torch.compile, for long
    trainings only. threads: of a worker on a CPU.
    """

    layout: str = "channels_last"
    precision: str = "float32"
    graphs: bool = False
    compile: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        for name, allowed in (("layout", LAYOUTS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise _bad(name, getattr(self, name), ", ".join(allowed))
        for name in ("graphs", "compile"):
            if type(getattr(self, name)) is not bool:
                raise _bad(name, getattr(self, name), "on or off")
        if type(self.threads) is not int or not 1 <= self.threads <= MOST_THREADS:
            raise _bad("threads", self.threads, f"a whole number from 1 to {MOST_THREADS}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the record."""
        return dataclasses.asdict(self)

    def words(self) -> str:
        """What a person reads: `channels_last, bfloat16, CUDA graphs`."""
        extra = [("CUDA graphs", self.graphs), ("compiled", self.compile), (f"{self.threads} threads", self.threads > 1)]
        return ", ".join([self.layout, self.precision, *(name for name, there in extra if there)])


def fixed_of(given: str | Mapping[str, Any] | Execution | None) -> dict[str, Any]:
    """The fields that are given, checked: of a text such as `precision=float32,threads=2`, of a table, or all of an `Execution`.

    Raises `NasError` (`UnknownNameError` for a field that there is not).
    """
    if given is None:
        return {}
    if isinstance(given, Execution):
        return given.to_dict()
    fields = _read(given) if isinstance(given, str) else dict(given) if isinstance(given, Mapping) else None
    if fields is None:
        raise NasError(f"execution={given!r:.60}; allowed: fields and values, such as precision=float32,threads=2")
    known = [field.name for field in dataclasses.fields(Execution)]
    for name in fields:
        if name not in known:
            raise unknown("execution field", str(name), known, where="execution")
    Execution(**fields)
    return fields


def usual(device: torch.device, precision: str, fixed: Mapping[str, Any] | None = None) -> Execution:
    """How steps are run where nothing was measured; `precision` is the recipe's, and wins unless it is `auto`."""
    fields = {"precision": _usual_precision(device), **(fixed or {})}
    return Execution(**(fields if precision == "auto" else {**fields, "precision": precision}))


def compile_pays(images: int, device: str) -> bool:
    """Whether a training on so many images, all epochs together, wins back what compiling costs.

    Only where that was measured, on a CPU; and where there is a compiler.
    """
    there = any(shutil.which(name) for name in ("g++", "clang++", "c++"))
    return device == "cpu" and images >= COMPILE_PAYS and there


def _usual_precision(device: torch.device) -> str:
    """bfloat16 on a GPU that has it, else float32."""
    import torch

    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def _read(text: str) -> dict[str, Any]:
    """`name=value` joined by commas."""
    fields: dict[str, Any] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value:
            raise NasError(f"execution {part!r:.60} has no value; allowed: such as precision=float32,threads=2")
        if name in fields:
            raise NasError(f"execution {name} is given twice; allowed: once")
        fields[name] = _value(value)
    return fields


def _value(text: str) -> Any:
    switches = {"on": True, "true": True, "off": False, "false": False}
    return switches[text] if text in switches else int(text) if text.isdecimal() else text


def _bad(name: str, value: object, allowed: str) -> NasError:
    return NasError(f"execution {name}={value!r:.60}; allowed: {allowed}")
