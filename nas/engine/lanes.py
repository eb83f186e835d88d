"""What the driver and its lanes say to each other. A lane is one worker that evaluates one candidate after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from nas.engine.timing import NOTHING, Wanted
from nas.evaluators import Task

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.evaluators import Fidelity, Outcome


@dataclass(frozen=True)
class Candidate:
    """One evaluation to be done. `seconds` is what the budget allows it from its launch, `timeout` what any may take.

    `wanted` is what is to be measured of it on the lane; `task` what the evaluator is told of its place in the search.
    """

    number: int
    architecture: Architecture
    fidelity: Fidelity
    seed: int
    seconds: float
    timeout: float
    wanted: Wanted = NOTHING
    task: Task = field(default_factory=Task)


@dataclass(frozen=True)
class Ready:
    """A lane has (re)started and holds nothing. `seconds` is how long at most its predecessor worked.

    device: a name of the device that it works on, the same for all lanes there; memory: bytes of that, where it is known;
    kind: what it is, such as `NVIDIA A100-SXM4-40GB`, or `cpu`; node: a person's name of the machine; versions: of what
    results depend on, there. life: which life of the lane this is, by the count of who sends parcels to it.
    """

    lane: int
    seconds: float = 0.0
    device: str = ""
    memory: float = math.inf
    kind: str = "cpu"
    node: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    life: int = 0


@dataclass(frozen=True)
class Done:
    """A lane has finished a candidate. `gone`: it takes no other until it is `Ready` again."""

    lane: int
    number: int
    outcome: Outcome
    gone: bool = False


@dataclass(frozen=True)
class Lost:
    """A lane is gone for now: it comes back by itself, maybe elsewhere, and is `Ready` then. It had worked for `seconds`.

    silent: nothing is heard of it, as when its node is lost; else its process is known to have died.
    """

    lane: int
    seconds: float = 0.0
    silent: bool = False


@dataclass(frozen=True)
class Retired:
    """A lane that does not come back, and why. What it held is to be run elsewhere; it had worked on that for `seconds`.

    None: nobody knows, so that it is charged for as long as it was held.
    """

    lane: int
    reason: str
    seconds: float | None = None


Event = Ready | Done | Lost | Retired


@dataclass(frozen=True)
class Dashboard:
    """Where a browser finds Ray's dashboard, and what to tell the user about logging in ("" when no login is needed)."""

    url: str
    login: str


class Lanes(Protocol):
    """Muscle: knows nothing of strategies or storage. `share` is the devices that a lane holds, `count` how many lanes.

    `grace_seconds` after its deadline a candidate that goes on is ended by force; its lane comes back by itself.
    apart: whether each lane is a process of its own; entangled: whether a fault that one candidate makes on a GPU may end
    another there.
    """

    count: int
    share: float
    device: str
    grace_seconds: float
    apart: bool
    dashboard: Dashboard | None

    @property
    def entangled(self) -> bool:
        """See above; it may be known only once they are up."""
        ...

    def start(self) -> None:
        """Bring the lanes up; each announces itself by `Ready`."""
        ...

    def submit(self, lane: int, candidate: Candidate) -> None:
        """Hand a candidate to a lane that holds nothing."""
        ...

    def poll(self, timeout: float) -> list[Event]:
        """What happened; waits at most `timeout` s for something to happen."""
        ...

    def allow(self, seconds: Mapping[int, float]) -> None:
        """Move the budget's deadline of what lanes hold, in seconds from now."""
        ...

    def stop(self) -> None:
        """End the lanes within seconds, with what they hold."""
        ...


def expected_of(lanes: Lanes) -> int:
    """How many there is room for to begin with: `expected` of lanes of which others come up where nodes join, else all."""
    return int(getattr(lanes, "expected", lanes.count))
