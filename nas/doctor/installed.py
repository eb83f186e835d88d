"""Python, this package, and what it depends on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from nas.doctor.base import CHECKS, Finding, ProbeError, note, ok, probe, problem

_TORCH = """
import json, torch
x = torch.ones(64, 64)
assert float((x @ x)[0, 0]) == 64.0, "a matrix product is wrong"
cuda = torch.cuda.is_available()
mps = torch.backends.mps.is_available()
devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count() if cuda else 0)]
print(json.dumps({
    "version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip, "threads": torch.get_num_threads(), "mps": mps,
    "devices": [{"name": d.name, "bytes": d.total_memory, "compute": f"{d.major}.{d.minor}"} for d in devices],
    "free": [torch.cuda.mem_get_info(i)[0] for i in range(len(devices))],
}))
"""
_RAY = "import json, ray, ray.tune; print(json.dumps(ray.__version__))"
_START = """
import json, logging, time
import ray
begun = time.monotonic()
ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level=logging.CRITICAL, log_to_driver=False,
         object_store_memory=80 * 2**20)
answer = ray.get(ray.remote(lambda: 42).remote(), timeout=90)
ray.shutdown()
print(json.dumps([answer, round(time.monotonic() - begun, 1)]))
"""
# What an extra is for.
_PURPOSE = {
    "docs": "`mkdocs build`, these pages as a site", "export": "`nas export` to ONNX",
    "postgresql": "`--storage postgresql://...`", "dashboard": "`nas dashboard`",
    "wandb": "`nas search --wandb`", "mlflow": "`nas search --mlflow`",
}  # fmt: skip
_OURS = ("", "test")  # no extra, and one that only the developers need


@CHECKS.register("python")
def python(deep: bool) -> Iterator[Finding]:
    """Version, and whether it is one of its own."""
    found = f"Python {platform.python_version()} at {sys.executable} on {platform.system()} {platform.machine()}"
    if platform.system() not in ("Linux", "Darwin"):
        yield problem(found, "use Linux or macOS; on Windows: the Windows Subsystem for Linux")
    elif sys.prefix == sys.base_prefix and "CONDA_PREFIX" not in os.environ:
        mend = "python3 -m venv .venv && . .venv/bin/activate, so that versions of others stay theirs"
        yield note(f"{found}; in no virtual environment", mend)
    else:
        yield ok(found)


@CHECKS.register("nas")
def package(deep: bool) -> Iterator[Finding]:
    """Which `nas` this is, and whether the one that is typed is the same."""
    import nas

    where = Path(nas.__file__).parent
    found = f"nas {nas.__version__} in {where}"
    try:
        installed = metadata.version("nas")
    except metadata.PackageNotFoundError:
        yield note(f"{found}; not installed, only found there", "pip install -e . in its checkout, or pip install the wheel")
        return
    if installed != nas.__version__:
        yield note(f"{found}; installed as {installed}", "pip install it again: versions of what it depends on may have changed")
        return
    typed, here = shutil.which("nas"), Path(sys.executable).parent / "nas"
    if typed is None or (here.exists() and not os.path.samefile(typed, here)):
        yield note(f"{found}; `nas` typed in this shell is {typed or 'not found'}", f". {here.parent / 'activate'}, or type {here}")
    else:
        yield ok(found)


@CHECKS.register("dependencies")
def dependencies(deep: bool) -> Iterator[Finding]:
    """Everything that is not optional is installed."""
    needed = _required().get("", [])
    missing = [name for name in needed if not _installed(name)]
    if missing:
        yield problem(f"not installed: {', '.join(missing)}", f"{sys.executable} -m pip install {' '.join(missing)}")
    else:
        yield ok(f"all {len(needed)} are installed" if needed else "not known: nas itself is not installed")


@CHECKS.register("torch")
def torch(deep: bool) -> Iterator[Finding]:
    """It can be imported and computes; its build."""
    if not _installed("torch"):
        yield problem("not installed", f"{sys.executable} -m pip install torch")
        return
    try:
        found = probe(_TORCH)
    except ProbeError as error:
        yield problem(f"{_version('torch')} cannot be used: {error}", f"{sys.executable} -m pip install --force-reinstall torch")
        return
    build = f"CUDA {found['cuda']}" if found["cuda"] else f"ROCm {found['hip']}" if found["hip"] else "no CUDA"
    yield ok(f"{found['version']}, {build}, {found['threads']} thread{'s' * (found['threads'] != 1)}")
    yield from _gpus(found)


def _gpus(found: dict[str, Any]) -> Iterator[Finding]:
    """GPUs with their memory; without any, whether there should be some."""
    from nas.units import format_bytes

    for index, (gpu, free) in enumerate(zip(found["devices"], found["free"], strict=True)):
        text = f"GPU {index}: {gpu['name']}, {format_bytes(gpu['bytes'])}, {format_bytes(free)} free, compute {gpu['compute']}"
        taken = free < 0.5 * gpu["bytes"]
        yield note(f"{text}; others use it", "`nvidia-smi` shows who; or --memory-per-device SIZE") if taken else ok(text)
    if found["devices"]:
        return
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield note("no GPU: CUDA_VISIBLE_DEVICES hides them all; every CPU core counts as a device", "unset CUDA_VISIBLE_DEVICES")
    elif shutil.which("nvidia-smi") and not found["cuda"]:
        yield note("there is an NVIDIA driver, but this torch was built without CUDA", "pip install a torch built with CUDA")
    elif shutil.which("nvidia-smi"):
        mend = f"`nvidia-smi` says more; its driver must be new enough for CUDA {found['cuda']}"
        yield note("there is an NVIDIA driver, but torch sees no GPU", mend)
    elif found["mps"]:
        yield note("Apple's GPU (MPS) is there, and not used: searches run on CPU cores")
    else:
        yield ok("no GPU: every CPU core counts as a device")


@CHECKS.register("ray")
def ray(deep: bool) -> Iterator[Finding]:
    """It can be imported; with `deep` it is started, and runs something."""
    if not _installed("ray"):
        yield problem("not installed", f"{sys.executable} -m pip install 'ray[default,tune]'; without it: --engine local")
        return
    try:
        version = probe(_RAY)
        yield ok(f"{version}, can be imported")
        if deep:
            answer, seconds = probe(_START)
            yield ok(f"a local Ray was started, ran a task ({answer}) and was stopped, in {seconds} s")
    except ProbeError as error:
        what = f"{_version('ray')} cannot be used: {error}"
        yield problem(what, f"{sys.executable} -m pip install --force-reinstall 'ray[default,tune]'; without it: --engine local")


@CHECKS.register("extras")
def extras(deep: bool) -> Iterator[Finding]:
    """What is optional; not having it is no fault."""
    for extra, names in _required().items():
        if extra in _OURS:
            continue
        missing = [name for name in names if not _installed(name)]
        what = f"{extra}, for {_PURPOSE[extra]}" if extra in _PURPOSE else extra
        if missing:
            yield note(f"{what}: without {', '.join(missing)}", f"pip install 'nas[{extra}]'")
        else:
            yield ok(f"{what}: installed")


def _required() -> dict[str, list[str]]:
    """Distributions that this package names, by extra; those that it always needs under "". Empty where it is not installed."""
    try:
        lines = metadata.requires("nas") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {"": []}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if name and name.group() != "nas":
            found.setdefault(extra.group(1) if extra else "", []).append(name.group())
    return found


def _installed(name: str) -> bool:
    return bool(_version(name))


def _version(name: str) -> str:
    """Without importing it; "" where it is not there."""
    try:
        return metadata.version(name) or ""
    except metadata.PackageNotFoundError:
        return ""
