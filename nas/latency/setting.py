"""Under what a latency is measured: it says nothing without its batch, threads, device and backend."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from nas.errors import NasError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKENDS = ("torch", "onnx")
MOST_BATCH, MOST_THREADS = 1_000_000, 1024
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Setting:
    """Images a pass, CPU threads, device (`cpu`, `cuda`, or `auto`) and backend (`torch`, or `onnx`: onnxruntime).

    `auto` is the GPU where there is one; for a worker that which it trains on. Raises `NasError` for what is not allowed.
    """

    batch: int = 1
    threads: int = 1
    device: str = "cpu"
    backend: str = "torch"

    def __post_init__(self) -> None:
        for name, most in (("batch", MOST_BATCH), ("threads", MOST_THREADS)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise NasError(f"latency: {name}={value!r}; allowed: a whole number from 1 to {most}")
        if not isinstance(self.device, str) or not _DEVICE.fullmatch(self.device):
            raise NasError(f"latency: device={self.device!r}; allowed: cpu, cuda, auto")
        if self.backend not in BACKENDS:
            raise NasError(f"latency: backend={self.backend!r}; allowed: {', '.join(BACKENDS)}")

    def __str__(self) -> str:
        """In the form that `parse` reads."""
        return ",".join(f"{item.name}={getattr(self, item.name)}" for item in fields(self))

    @classmethod
    def parse(cls, text: str, default: Setting | None = None) -> Setting:
        """`batch=8,device=cuda`, the rest from `default`. Raises `NasError` that names the part that cannot be read."""
        given: dict[str, int | str] = {}
        known = [item.name for item in fields(cls)]
        for part in text.split(","):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise NasError(f"latency: {part.strip()!r}; allowed: NAME=VALUE joined by commas, such as {cls()}")
            if name not in known:
                raise unknown("part", name, known, where="latency")
            if name in given:
                raise NasError(f"latency: {name} is given twice; allowed: once")
            number = name in ("batch", "threads") and value.isascii() and value.isdigit() and len(value) < 10
            given[name] = int(value) if number else value
        return replace(default or cls(), **given)  # type: ignore[arg-type]

    def on(self, device: str) -> Setting:
        """The same where `device` is at hand: that itself for `auto`, and for `cuda` the GPU that it is."""
        follows = self.device == "auto" or (self.device == "cuda" and device.startswith("cuda"))
        return replace(self, device=device) if follows else self

    def here(self) -> Setting:
        """The same with `auto` resolved in this process. Raises `NasError` where it cannot be measured here."""
        made = self
        if self.device == "auto":
            made = replace(self, device="cuda" if _gpus() else "cpu")
        if made.device != "cpu" and (gpus := _gpus()) <= int(made.device.partition(":")[2] or 0):
            have = f"there are {gpus} here" if gpus else "no GPU can be used here"
            raise NasError(f"latency: device={made.device}, but {have}; allowed: " + ("cuda, cpu" if gpus else "cpu"))
        if made.threads > (cores := _cores()):
            raise NasError(f"latency: threads={made.threads}; allowed: at most {cores}, the cores that may be used here")
        if made.backend == "onnx":
            _check_onnx(made)
        return made

    def facts(self) -> Mapping[str, int | str]:
        """Plain data."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


ONE_IMAGE = Setting()
SEARCH = Setting(device="auto")  # of a search that does not say: on the device that candidates are trained on


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_onnx(setting: Setting) -> None:
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise NasError(f"latency: backend=onnx needs {' and '.join(missing)}: pip install 'nas[export]'; allowed here: backend=torch")
    if setting.device != "cpu":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise NasError(f"latency: device={setting.device} with backend=onnx needs onnxruntime-gpu; allowed: device=cpu, backend=torch")
