"""The measurement: warm-up until stable, then passes of all networks in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from nas.latency.setting import Setting
from nas.repeatable import check_seed

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.ensembles import Ensemble

TURNS = 10  # of every network, spread over the whole measurement, so that a drift of the machine hits all alike
CALM = 3  # passes in a row that are not faster than those before: it is warm
FASTER = 0.98  # of the fastest so far
MOST = 5000


@dataclass(frozen=True)
class Effort:
    """How long is measured: at least `least` passes of a network and about `seconds`; warm-up takes up to twice that."""

    least: int
    seconds: float


FULL = Effort(20, 0.5)
BRIEF = Effort(9, 0.05)  # for scores, and for limits, where candidates are judged by the dozen before one is trained


@dataclass(frozen=True)
class Latency:
    """Milliseconds that a pass of `batch` images takes: the median of `runs` passes, and what 5% and 95% of them stay below.

    `core` is the share of all time in which the calling thread had a CPU core: much less than 1 on a CPU means that other
    work took it. With one thread on a CPU the time that it was taken away for does not count, so the latency is what it would
    be without that work, but for the caches; with more threads it counts.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    runs: int
    batch: int
    core: float = 1.0

    @property
    def images_per_second(self) -> float:
        """Images a second, one batch after another."""
        return 1000.0 * self.batch / self.median_ms

    @classmethod
    def of(cls, seconds: Sequence[float], batch: int, core: float = 1.0) -> Latency:
        """From the seconds of single passes, at least one."""
        ordered = sorted(seconds)
        low, median, high = (1000.0 * _quantile(ordered, part) for part in (0.05, 0.5, 0.95))
        return cls(median, low, high, len(ordered), batch, core)


class Runner(Protocol):
    """A network that is ready to run; a call is one pass, and returns its seconds."""

    def __call__(self) -> float:
        """One pass."""
        ...


def measure(
    networks: Sequence[Architecture | Ensemble],
    setting: Setting | None = None,
    *,
    effort: Effort = FULL,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> list[Latency]:
    """Latencies of networks in evaluation, on noise, with parameters drawn from `seed`; without auxiliary heads.

    All are warm before the first is measured, and then take turns. `check` is called between passes, and stops the
    measurement by raising. Whoever wants to be alone on the device holds its `turn`.

    Raises `ArchitectureError` that names the network which does not build or fit into memory, `NasError` where this
    machine does not have what the setting asks for.
    """
    check_seed(seed)
    setting = (setting or Setting()).here()
    if not networks:
        return []
    from nas.latency.runners import running

    with ExitStack() as stack:
        runners = stack.enter_context(running(networks, setting, seed, check))
        counts = [runs(effort, warm_up(run, effort, check)) for run in runners]
        taken = in_turn(runners, counts, check)
    alone = setting.device == "cpu" and setting.threads == 1 and time.get_clock_info("thread_time").resolution <= 1e-6
    return [Latency.of(each.on_core if alone else each.seconds, setting.batch, each.core) for each in taken]


def warm_up(run: Runner, effort: Effort, check: Callable[[], None] = lambda: None) -> float:
    """Passes until they grow no faster; the seconds of the fastest.

    The first passes choose kernels, allocate memory and wake the device's clocks up.
    """
    fastest = spent = run()
    calm = 0
    while spent < 2 * effort.seconds and (calm < CALM or spent < effort.seconds / 5):
        check()
        took = run()
        calm = 0 if took < FASTER * fastest else calm + 1
        fastest, spent = min(fastest, took), spent + took
    return fastest


def runs(effort: Effort, seconds: float) -> int:
    """Passes of a network that takes `seconds` for one."""
    return max(effort.least, min(MOST, math.ceil(effort.seconds / max(seconds, 1e-9))))


@dataclass
class Taken:
    """Of the single passes of a network their seconds, and those in which the thread had a core."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def core(self) -> float:
        """The share of the time in which the thread had a core."""
        return min(1.0, sum(self.cpu) / sum(self.seconds)) if self.seconds else 1.0

    @property
    def on_core(self) -> list[float]:
        """The seconds of passes less those in which other work had the core: these measure the scheduler."""
        return [min(seconds, cpu) for seconds, cpu in zip(self.seconds, self.cpu, strict=True)]

    def take(self, run: Runner, count: int, check: Callable[[], None]) -> None:
        """One turn of `count` passes."""
        for _ in range(count):
            check()
            begun = time.thread_time()
            self.seconds.append(run())
            self.cpu.append(time.thread_time() - begun)


def in_turn(runners: Sequence[Runner], counts: Sequence[int], check: Callable[[], None] = lambda: None) -> list[Taken]:
    """`counts` passes of each, in `TURNS` turns.

    After another network's turn the first pass does not count: it finds the caches full of the other's numbers.
    """
    taken = [Taken() for _ in runners]
    for number in range(TURNS):
        for run, count, each in zip(runners, counts, taken, strict=True):
            share = count * (number + 1) // TURNS - count * number // TURNS
            if share and len(runners) > 1:
                run()
            each.take(run, share, check)
    return taken


def _quantile(ordered: Sequence[float], part: float) -> float:
    """Of sorted numbers, linear between neighbours."""
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
