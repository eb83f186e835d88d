"""Networks made ready to run: built, at their device, with their images; one pass of each is timed by a call."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas.arch import Architecture
from nas.errors import ArchitectureError, NasError
from nas.latency.bench import Runner
from nas.latency.setting import Setting
from nas.repeatable import parameters_from, threads
from nas.units import format_count

if TYPE_CHECKING:
    from nas.ensembles import Ensemble

MEMINFO = Path("/proc/meminfo")
_MEMORY_MARKS = ("out of memory", "not enough memory", "allocate memory", "failed to allocate")


@contextlib.contextmanager
def running(
    networks: Sequence[Architecture | Ensemble], setting: Setting, seed: int, check: Callable[[], None]
) -> Iterator[list[Runner]]:
    """Runners of the networks, each of which has run once; within it there are as many threads as asked for.

    Raises `ArchitectureError` that names the network which does not build, or does not fit into memory.
    """
    made: list[Runner] = []
    held = 0  # bytes of the parameters of those that are built
    with threads(setting.threads):
        for network in networks:
            check()
            with _naming(network, setting):
                plain = without_aux(network)
                cost = plain.cost(aux=False)
                held += 4 * cost.params
                if setting.device == "cpu":
                    _check_memory(held + setting.batch * largest(cost))
                runner = _onnx(plain, setting, seed) if setting.backend == "onnx" else _torch(plain, setting, seed)
                runner()
                made.append(runner)
        yield made


def without_aux(network: Architecture | Ensemble) -> Architecture | Ensemble:
    """The network that is used: no auxiliary heads."""
    if isinstance(network, Architecture):
        return dataclasses.replace(network, aux=())
    return dataclasses.replace(network, members=tuple(dataclasses.replace(member, aux=()) for member in network.members))


def largest(cost: Any) -> int:
    """The most bytes of one image that a layer reads and writes at once: a pass cannot do with less."""
    return max((4 * (sum(shape.elements for shape in y.inputs) + y.activations) for y in cost.layers), default=0)


# ---- torch -----------------------------------------------------------------------------------------------------------


def _module(network: Architecture | Ensemble, seed: int) -> nn.Module:
    with parameters_from(seed):
        return network.build().eval()


def _images(network: Architecture | Ensemble, batch: int, seed: int) -> Tensor:
    """(N, C, H, W) of standard Gaussian noise."""
    return torch.randn(batch, *network.input, generator=torch.Generator().manual_seed(seed))


def _torch(network: Architecture | Ensemble, setting: Setting, seed: int) -> Runner:
    """32-bit floats, channels last as in training, on the CPU or a GPU."""
    module: Any = _module(network, seed)
    module = module.to(setting.device, memory_format=torch.channels_last)
    images = _images(network, setting.batch, seed).to(setting.device, memory_format=torch.channels_last)
    return on_cpu(module, images) if setting.device == "cpu" else on_gpu(module, images, setting.device)


def on_cpu(module: nn.Module, images: Tensor) -> Runner:
    """A pass, by this process's clock."""

    def run() -> float:
        with torch.inference_mode():
            begun = time.perf_counter()
            module(images)
            return time.perf_counter() - begun

    return run


def on_gpu(module: nn.Module, images: Tensor, device: str) -> Runner:
    """A pass, by the GPU's clock: from an idle GPU to the end of the last kernel, so what launching them costs shows."""
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]

    def run() -> float:
        with torch.cuda.device(device), torch.inference_mode():  # an event belongs to the GPU that is current
            torch.cuda.synchronize()
            first.record()
            module(images)
            last.record()
            last.synchronize()
        return float(first.elapsed_time(last)) / 1000.0

    return run


# ---- onnxruntime -----------------------------------------------------------------------------------------------------


def _onnx(network: Architecture | Ensemble, setting: Setting, seed: int) -> Runner:
    """The exported network in onnxruntime, its input and output left where they are; `threads` within an operator."""
    import onnxruntime

    from nas.export.onnx import to_onnx

    images = _images(network, setting.batch, seed).numpy()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = setting.threads, 1
    options.log_severity_level = 3
    kind, _, index = setting.device.partition(":")
    place = int(index or 0)
    providers: list[Any] = ["CPUExecutionProvider"] if kind == "cpu" else [("CUDAExecutionProvider", {"device_id": place})]
    try:
        model = to_onnx(_module(network, seed), network.input, setting.batch)
        session = onnxruntime.InferenceSession(model, options, providers=providers)
        binding = session.io_binding()
        binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(images, kind, place))
        binding.bind_output(session.get_outputs()[0].name, kind, place)
    except NasError:
        raise
    except Exception as error:  # it has a dozen kinds of its own
        raise RuntimeError(f"onnxruntime: {error}") from None

    def run() -> float:
        begun = time.perf_counter()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return time.perf_counter() - begun

    return run


# ---- what can go wrong -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _naming(network: Architecture | Ensemble, setting: Setting) -> Iterator[None]:
    """Errors within name the network, its input and its batch."""
    where = f"{network.name} at {setting.batch}x{'x'.join(map(str, network.input))}"
    try:
        yield
    except NasError as error:
        raise ArchitectureError(f"{where}: {error}") from None
    except (RuntimeError, ValueError, ArithmeticError, MemoryError) as error:
        line = " ".join(str(error).split())[:160]
        memory = isinstance(error, MemoryError) or any(mark in line.lower() for mark in _MEMORY_MARKS)
        fault = f"does not fit into memory on {setting.device} ({line}); allowed: a smaller batch" if memory else f"cannot run: {line}"
        raise ArchitectureError(f"{where}: {fault}") from None


def _check_memory(needed: int) -> None:
    """Raise `MemoryError` where that is more than is free: Linux would hand it out, and end this process when it is used."""
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable"))
        free = 1024 * int(line.split()[1])
        if needed > free:
            raise MemoryError(f"at least {format_count(needed)}B are needed, {format_count(free)}B are free")
