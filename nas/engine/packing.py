"""Which candidate may go to which lane: what devices have room for, and who waits for one. Pure: no clock and no device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

MOST_LANES = 8  # on one GPU: a step of even the smallest candidate leaves no more of a GPU idle than this fills
USABLE = 0.92  # of a GPU's memory: drivers, other programs and fragments have the rest
UNMEASURED = 1.25  # times the prediction is allowed for, until so many candidates were measured:
ENOUGH = 5
QUANTILE = 0.95  # of measured / predicted; a candidate above it is tried again alone if it does not fit
REMEMBERED = 200
BOUNDS = (0.2, 10.0)  # of the correction, whatever was measured


@dataclass
class Held:
    """What a lane holds: `need` bytes of its device; `solo`, nothing may run beside it; `beside`, whether something did."""

    need: float
    solo: bool = False
    beside: bool = False


@dataclass
class _Device:
    """One device: its bytes, the lanes that are up on it, and what they hold."""

    capacity: float
    lanes: set[int] = field(default_factory=set)
    held: dict[int, Held] = field(default_factory=dict)
    claim: int | None = None  # the work that waits for it, and before which it takes nothing else
    idle: set[int] = field(default_factory=set)  # lanes that hold nothing


class Room:
    """Devices, the lanes on them, and what they hold.

    A candidate goes to an idle lane where it fits beside what runs there; what fits beside nothing runs alone. Where it
    fits nowhere it claims one device, which then takes nothing else: so nothing is overtaken for ever, while other
    devices go on. capacity: bytes of each device, in place of what lanes say of theirs; standing: bytes that a worker
    holds for itself; apart: whether every lane is a worker of its own, or all of a device are one.
    """

    def __init__(self, capacity: float | None = None, standing: float = 0.0, apart: bool = True) -> None:
        self._capacity, self._standing, self._apart = capacity, standing, apart
        self._devices: dict[str, _Device] = {}
        self._places: dict[int, str] = {}  # devices of lanes
        self._idle: set[int] = set()  # lanes that hold nothing, of all devices
        self._weights: dict[int, float] = {}  # of lanes' devices
        self.weighted = False  # whether some is not 1

    def up(self, lane: int, device: str = "", capacity: float = math.inf, weight: float = 1.0) -> None:
        """A lane has come up on a device of `capacity` bytes, a second on which counts `weight`; it holds nothing."""
        self.down(lane)
        self._weights[lane] = weight
        self.weighted = self.weighted or weight != 1.0
        bytes_there = capacity if self._capacity is None else self._capacity
        there = self._devices.setdefault(device, _Device(bytes_there))
        there.lanes.add(lane)
        there.idle.add(lane)
        self._idle.add(lane)
        self._places[lane] = device

    def down(self, lane: int) -> Held | None:
        """A lane is gone; what it held."""
        name = self._places.pop(lane, None)
        if name is None:
            return None
        device = self._devices[name]
        for lanes in (device.lanes, device.idle, self._idle):
            lanes.discard(lane)
        held = device.held.pop(lane, None)
        if not device.lanes:
            del self._devices[name]
        return held

    def free(self, lane: int) -> Held | None:
        """A lane holds nothing any more; what it held."""
        name = self._places.get(lane)
        if name is None:
            return None
        device = self._devices[name]
        device.idle.add(lane)
        self._idle.add(lane)
        return device.held.pop(lane, None)

    @property
    def idle(self) -> bool:
        """Whether some lane holds nothing."""
        return bool(self._idle)

    @property
    def open(self) -> bool:
        """Whether some lane is idle on a device that nothing waits for."""
        return bool(self._idle) and any(device.idle for device in self._devices.values() if device.claim is None)

    def take(self, number: int, need: float = 0.0, solo: bool = False) -> int | None:
        """The lane that now holds work `number`, or None: then it waits, for a device of its own where there is one left.

        need: bytes; solo: nothing may run beside it.
        """
        claimed = next((device for device in self._devices.values() if device.claim == number), None)
        devices = [claimed] if claimed else [device for device in self._devices.values() if device.claim is None]
        fitting = [device for device in devices if device.idle and self._fits(device, need, solo)]
        if not fitting:
            if claimed is None and devices:
                max(devices, key=self._promise).claim = number
            return None
        device = max(fitting, key=self._promise)
        device.claim = None
        lane = min(device.idle)
        self._hold(device, lane, Held(need, solo))
        return lane

    def left(self, device: str) -> float:
        """Bytes of a device that nothing holds."""
        return self._left(self._devices[device])

    def holds(self, lane: int) -> Held | None:
        """What a lane holds."""
        name = self._places.get(lane)
        return None if name is None else self._devices[name].held.get(lane)

    def where(self, lane: int) -> str:
        """The name of the device that a lane works on; empty where that is not known."""
        return self._places.get(lane, "")

    def part(self, lane: int, share: float) -> float:
        """Devices that what a lane holds takes, where each lane stands for a `share` of one: idle lanes' go to who runs there.

        So a GPU shared by four counts as one, also while a large candidate has it for itself. Times the device's weight.
        """
        name = self._places.get(lane)
        usual = share * self.weight(lane)
        if share >= 1 or name is None:
            return usual
        device = self._devices[name]
        return usual * len(device.lanes) / max(1, len(device.held))

    def weight(self, lane: int) -> float:
        """What a second on a lane's device counts."""
        return self._weights.get(lane, 1.0)

    def mean_weight(self, lanes: Iterable[int] | None = None) -> float:
        """Of these lanes, or of all that are up; 1 where there is none."""
        if not self.weighted:
            return 1.0
        weights = [self.weight(lane) for lane in (self._places if lanes is None else lanes)]
        return sum(weights) / len(weights) if weights else 1.0

    def _hold(self, device: _Device, lane: int, held: Held) -> None:
        held.beside = bool(device.held)
        for other in islice(device.held.values(), 1):  # where there are several, each is beside others already
            other.beside = True
        device.held[lane] = held
        device.idle.discard(lane)
        self._idle.discard(lane)

    def _fits(self, device: _Device, need: float, solo: bool) -> bool:
        if not device.held:
            return True
        # What is solo is alone, so that the first tells.
        return not solo and not any(held.solo for held in islice(device.held.values(), 1)) and need <= self._left(device)

    def _left(self, device: _Device) -> float:
        if math.isinf(device.capacity):
            return math.inf
        workers = len(device.lanes) if self._apart else 1
        return device.capacity - workers * self._standing - sum(held.need for held in device.held.values())

    def _promise(self, device: _Device) -> tuple[float, int, int]:
        """The larger the better to go to, or to wait for: most memory left, fewest candidates, the first lane."""
        return self._left(device), -len(device.held), -min(device.lanes)


class Correction:
    """How much more candidates take than predicted: a high quantile of measured / predicted over the latest ones."""

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=REMEMBERED)

    def learn(self, predicted: float, measured: float) -> None:
        """One more candidate, in bytes. What is no size is passed over."""
        if 0 < predicted < math.inf and 0 < measured < math.inf:
            self._ratios.append(measured / predicted)

    @property
    def factor(self) -> float:
        """To multiply a prediction by."""
        if len(self._ratios) < ENOUGH:
            return max((UNMEASURED, *self._ratios))
        low, high = BOUNDS
        return min(high, max(low, quantile(self._ratios, QUANTILE)))


def quantile(values: Iterable[float], part: float) -> float:
    """The smallest of the values that at least `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def lanes_that_fit(capacity: float, standing: float, needs: Iterable[float], cores: int, *, apart: bool, most: int = MOST_LANES) -> int:
    """How many lanes a device has room for: by the mean of the `needs` of candidates, in bytes, and a core for each lane.

    The mean, as several run at once; a larger one waits for room at its launch. At least one.
    """
    sizes = list(needs)
    mean = sum(sizes) / len(sizes) if sizes else 0.0
    count = 1
    while count < min(most, cores):
        more = count + 1
        if (more if apart else 1) * standing + more * mean > capacity:
            break
        count = more
    return count
