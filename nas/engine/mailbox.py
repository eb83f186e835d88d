"""The mailbox between the driver and its lanes on Ray: an actor that both ask with long polls. It knows no Ray itself."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from nas.engine.lanes import Done, Event, Ready
from nas.evaluators import Outcome

STOP = b""
BEAT_SECONDS = 1.0  # between two signs of life of a lane


@dataclass
class _Box:
    """One lane's. `ticket` counts the lane's lives, `seconds` is how long it has worked by its last sign of life."""

    ticket: int = 0
    inbox: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    seconds: float = 0.0
    delivered: float | None = None  # when it got what it holds, and until when it may hold it, by this process's clock
    deadline: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # of what it holds

    def worked(self) -> float:
        """At most how long a lane that was found dead has worked on what it held."""
        if self.delivered is None:
            return 0.0
        return min(self.seconds + BEAT_SECONDS, time.monotonic() - self.delivered)


class Mailbox:
    """Parcels (pickled candidates) go from the driver to lanes, events the other way. Candidates are not unpacked here."""

    def __init__(self) -> None:
        self._boxes: dict[int, _Box] = {}
        self._events: list[Event] = []
        self._news = asyncio.Event()

    # ---- the lane's side -----------------------------------------------------------------------------------------

    async def join(self, lane: int, device: str = "", memory: float = math.inf) -> int:
        """A lane has started on a device with so many bytes; its ticket. Whoever had the lane before is gone, or will be refused."""
        before = self._boxes.get(lane, _Box())
        before.ended.set()
        self._boxes[lane] = _Box(before.ticket + 1)
        self._tell(Ready(lane, before.worked(), device, memory))
        return self._boxes[lane].ticket

    async def next(self, lane: int, ticket: int, done: tuple[int, Outcome] | None) -> bytes:
        """Report what was done, if anything, and wait for the next parcel; `STOP` when there will be none."""
        box = self._boxes[lane]
        if box.ticket != ticket:
            return STOP
        if done is not None:
            self._finish(lane, box, done, gone=False)
        return await box.inbox.get()

    async def leave(self, lane: int, ticket: int, done: tuple[int, Outcome]) -> None:
        """Report what was done by a lane that is about to end itself."""
        box = self._boxes[lane]
        if box.ticket == ticket:
            self._finish(lane, box, done, gone=True)

    async def beat(self, lane: int, ticket: int, seconds: float) -> float | None:
        """A sign of life after `seconds` of work on what the lane holds; the seconds it may go on, None if unlimited."""
        box = self._boxes[lane]
        if box.ticket != ticket:
            return 0.0
        box.seconds = seconds
        return None if box.deadline is None else box.deadline - time.monotonic()

    def _finish(self, lane: int, box: _Box, done: tuple[int, Outcome], *, gone: bool) -> None:
        box.seconds, box.delivered, box.deadline = 0.0, None, None
        box.ended.set()
        self._tell(Done(lane, *done, gone=gone))

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()

    # ---- the driver's side ---------------------------------------------------------------------------------------

    async def deliver(self, lane: int, parcel: bytes) -> None:
        """Put a parcel into a lane's inbox, at once; answers when the lane has ended it, so that Ray shows it for as long as it runs."""
        box = self._boxes[lane]
        box.delivered, box.ended = time.monotonic(), asyncio.Event()
        box.inbox.put_nowait(parcel)
        await box.ended.wait()

    async def limit(self, seconds: Mapping[int, float]) -> None:
        """Move the deadlines of what lanes hold, in seconds from now, by lane."""
        now = time.monotonic()
        for lane, amount in seconds.items():
            self._boxes[lane].deadline = now + amount

    async def events(self) -> list[Event]:
        """What has happened since the last time; waits until something has."""
        await self._news.wait()
        self._news.clear()
        events, self._events = self._events, []
        return events

    async def close(self) -> None:
        """Let lanes that hold nothing end."""
        for box in self._boxes.values():
            box.inbox.put_nowait(STOP)
            box.ended.set()
