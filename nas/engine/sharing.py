"""How many candidates share a device: chosen before a search from what its candidates are expected to take."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from nas.engine.devices import Shares, core_count, gpu_count
from nas.engine.packing import REMEMBERED, UNMEASURED, Room, lanes_that_fit
from nas.engine.place import memory_of
from nas.engine.queue import MEASURED, Expected, Queue
from nas.errors import ArchitectureError, NasError
from nas.units import format_bytes, parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.engine.lanes import Lanes
    from nas.evaluators import Evaluator, Fidelity
    from nas.spaces import Space
    from nas.study import Recorder

SAMPLED = 32  # candidates by which the number of lanes is chosen
LEAST_MEMORY = 1e6  # bytes; less is a slip of the unit


def memory_per_device(given: str | float | None) -> float:
    """Bytes from `2GB`, `512MiB` or a number; 0 where nothing is given. Raises `NasError`."""
    if given is None or given == 0:
        return 0.0
    where = "memory_per_device"
    number = parse_bytes(given, where=where) if isinstance(given, str) else given
    if isinstance(number, bool) or not isinstance(number, int | float) or not LEAST_MEMORY <= number < math.inf:
        raise NasError(f"{where}={given!r}; allowed: 1 MB or more, such as 2GB or 512MiB")
    return float(number)


def check_memory(evaluator: Evaluator, memory: float) -> None:
    """Raise `NasError` for a bound on memory with an evaluator that can't tell what candidates take."""
    if memory and not hasattr(evaluator, "memory"):
        raise NasError("memory_per_device is for an evaluator that says what candidates take: training, or one with `memory`")


def packed(
    shares: Shares, evaluator: Evaluator, space: Space, fidelity: Fidelity, seed: int, memory: float, *,
    workers: int | None, apart: bool, here: bool = True, note: Callable[[str], None] = lambda line: None,
) -> Shares:  # fmt: skip
    """The shares of a search whose lanes share devices as far as there is room, beginning with one on each GPU, or core.

    memory: bytes of each device, 0 for all that a GPU here has; on CPUs the host is the device. workers: at most so many
    lanes. apart: whether each lane is a process. The proxy is fitted to one lane a device; more lanes share its time.
    Raises `NasError` where the memory of a cluster's GPUs is not given.
    """
    if not hasattr(evaluator, "memory"):
        note(f"{shares.workers} workers: the evaluator does not say what memory candidates take")
        return shares
    device, devices = shares.device, shares.workers if shares.gpus else 1
    capacity = memory or _capacity(device, here)
    needs = [need * UNMEASURED for need in _needs(evaluator, space, fidelity, seed, device)]
    standing = float(getattr(evaluator, "standing_bytes", _nothing)(device))
    cores = max(1, shares.workers * shares.cpus // devices)
    most = {} if shares.gpus else {"most": cores}
    each = lanes_that_fit(capacity, standing, needs, cores, apart=apart, **most)
    count = min(devices * each, workers or devices * each)
    each = math.ceil(count / devices)
    note(_line(count, device, each, needs, standing, capacity))
    if not shares.gpus:
        return replace(shares, workers=count)
    return Shares(count, 1.0 / each, max(1, shares.workers * shares.cpus // count))


def queue_of(study: Recorder, lanes: Lanes, evaluator: Evaluator, fidelity: Fidelity) -> Queue:
    """The queue of a run on these lanes, with what its record says of the memory that candidates took.

    Only where several lanes share a device whose memory is known, as on a GPU, is anything expected of candidates.
    """
    given = study.settings.memory_per_device
    shared = lanes.count > 1 and (lanes.share < 1 if lanes.device == "cuda" else given > 0)
    if not shared or not hasattr(evaluator, "memory"):
        return Queue(Room())
    standing = float(getattr(evaluator, "standing_bytes", _nothing)(lanes.device))
    measured = [trial for trial in study.trials if trial.judged and MEASURED in trial.metrics][-REMEMBERED:]
    known = [(study.space.decode(trial.decisions), trial.fraction, trial.metrics) for trial in measured]
    return Queue(Room(given or None, standing, lanes.apart), Expected(evaluator, fidelity, lanes.device, known, study.settings.ladder))


def gpu_memories() -> dict[str, float]:
    """Usable bytes of the GPUs of this machine, by `cuda:N`. Raises `NasError` for one that can't be asked."""
    try:
        return {name: memory_of(name) for name in (f"cuda:{index}" for index in range(gpu_count()))}
    except (RuntimeError, AssertionError) as error:
        raise NasError(f"a GPU cannot be used: {' '.join(str(error).split())[:200]}") from None


def _capacity(device: str, here: bool) -> float:
    if device == "cpu":
        return math.inf
    if not here:
        raise NasError("gpus_per_trial='auto' on a cluster needs the memory of its GPUs: memory_per_device, such as 40GB")
    return min(gpu_memories().values())


def _needs(evaluator: Evaluator, space: Space, fidelity: Fidelity, seed: int, device: str) -> list[float]:
    """Bytes that candidates of the space are expected to take."""
    expected, rng = Expected(evaluator, fidelity, device), random.Random(f"{seed}:memory")
    found = []
    for _ in range(SAMPLED):
        try:
            found.append(expected.predicted(space.decode(space.sample(rng)), 1.0))
        except ArchitectureError:
            continue
    return [need for need in found if need > 0]


def _line(count: int, device: str, each: int, needs: list[float], standing: float, capacity: float) -> str:
    """What a person reads of the choice."""
    typical = f", a candidate takes about {format_bytes(sum(needs) / len(needs))} of memory" if needs else ""
    place = f"{each} on each GPU" if device == "cuda" else f"{core_count()} cores"
    room = f" and a worker {format_bytes(standing)}; {format_bytes(capacity)} there" if math.isfinite(capacity) else ""
    return f"packing: {count} worker{'s' if count > 1 else ''}, {place}{typical}{room}"


def _nothing(device: str) -> float:
    return 0.0
